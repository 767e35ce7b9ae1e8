import { basename } from "node:path/posix";
import type { BackEnd, SlotPlaces } from "../back-end.ts";
import type { Hardening } from "../executor.ts";
import { SANDBOX_INIT } from "../launcher/launcher-command.ts";
import { shellWord, shellWords } from "../launcher/shell-word.ts";
import { limitsOf } from "../process/process-executor.ts";
import { onProcessors, visibleProcessors, withoutAddressChance } from "../sandbox/processors.ts";
import type { SandboxDescriber } from "../sandbox/sandbox-description.ts";
import { SANDBOX_PLACES } from "../sandbox/sandbox-places.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { commandWithEnvironment } from "../shell-command.ts";
import { withOneProcessor, withOtherProcessIds } from "../variation.ts";
import { mountArguments, sandboxArguments } from "./sandbox-arguments.ts";

type Run = Parameters<BackEnd["command"]>[0];

/** The first process of the sandbox; in an image as on the host. */
const INIT_SHELL = "/bin/sh";
/** Where bubblewrap finds the filter; the highest that every shell can name. */
const FILTER_FD = 9;

/** How recipes are put into bubblewrap's sandboxes: with the host's tools, or in the root of an image. */
export class BubblewrapBackEnd implements BackEnd {
  readonly name = "bubblewrap";
  readonly containments = ["sandbox"] as const;
  readonly bindsInputs = true;
  readonly sandbox: string;
  readonly program: string;
  readonly #describer: SandboxDescriber;

  constructor(program: string, describer: SandboxDescriber) {
    this.program = program;
    this.sandbox = basename(program);
    this.#describer = describer;
  }

  prepare(slot: SlotPlaces): void {
    this.#describer.prepare(slot);
  }

  /** Addresses are the same each time; in an image there is one processor, another one for each seat. */
  wrap(slot: SlotPlaces): readonly string[] {
    if (slot.image === undefined) return withoutAddressChance();
    return [...withoutAddressChance(), ...onProcessors(this.#describer.processorsFor(slot.index, 1))];
  }

  /** The arguments that do not change stay in the launcher, as its positional parameters. */
  setup(slot: SlotPlaces): string {
    return `I=${shellWord(SANDBOX_INIT)}; set -- ${shellWords(this.#fixedArguments(slot, slot.image))}`;
  }

  placesOf() {
    return SANDBOX_PLACES;
  }

  command(run: Run): string {
    const { request, slot, variation } = run;
    const processors = visibleProcessors(request.resources);
    // What the launcher holds is of the ordinary run.
    const isOrdinary = variation === undefined && (slot.image === undefined || processors === 1);
    const fixed = isOrdinary ? '"$@"' : shellWords(this.#fixedArguments(slot, slot.image, run));
    const [environment, plain] = commandWithEnvironment(request.argv, run.environment, request.imageRoot);
    const argv = variation === undefined ? plain : withOtherProcessIds(plain, variation);
    const before = [...this.#processorWords(run, processors), ...(run.tracer ?? [])];
    const words = [...this.#runArguments({ ...run, environment }), "--new-session"];
    const tail = `-- ${INIT_SHELL} -c "$I" ${run.patience} ${shellWords(argv)} </dev/null${this.#filterRedirection(slot)}`;
    const command = `${shellWords([...before, this.program])} ${fixed} ${shellWords(words)} ${tail}`;
    const limits = limitsOf(request.resources);
    return limits === "" ? command : `( ${limits}${command} )`;
  }

  interactiveCommand(run: Run) {
    const { request, slot } = run;
    const isolation = this.#fixedArguments(slot, request.imageRoot, run);
    const [environment, command] = commandWithEnvironment(request.argv, run.environment, request.imageRoot);
    const sandbox = [this.program, ...isolation, ...this.#runArguments({ ...run, environment }), "--"];
    const init = [INIT_SHELL, "-c", SANDBOX_INIT.replaceAll(">&3", ">/dev/null"), String(run.patience), ...command];
    const image = request.imageRoot === undefined ? [] : onProcessors(this.#describer.processorsOf(run) ?? []);
    const before = [...withoutAddressChance(), ...image];
    const shell = ["/bin/sh", "-c", `exec "$@"${this.#filterRedirection(slot)}`, "sh"];
    return { argv: [...shell, ...before, ...sandbox, ...init], env: {}, cwd: "/" };
  }

  hardening(profile: FilterProfile): Hardening {
    return this.#describer.hardening(profile, withoutAddressChance().length > 0 ? "off" : "on");
  }

  #fixedArguments(slot: SlotPlaces, image: string | undefined, run?: Run): string[] {
    const description = this.#describer.describe(slot, image, run);
    const filter = description.filter === undefined ? [] : ["--seccomp", String(FILTER_FD)];
    return [...sandboxArguments(description), ...filter];
  }

  #runArguments(run: Run): string[] {
    const { request, environment } = run;
    const words = request.network === "none" ? ["--unshare-net"] : [];
    words.push(...this.#describer.ofRun(run).flatMap(mountArguments));
    words.push(
      "--chdir",
      request.directory === "" ? SANDBOX_PLACES.build : `${SANDBOX_PLACES.build}/${request.directory}`,
    );
    words.push("--clearenv");
    for (const [name, value] of environment) words.push("--setenv", name, value);
    return words;
  }

  #processorWords(run: Run, processors: number): readonly string[] {
    const { slot, variation } = run;
    if (slot.image === undefined) return variation === undefined ? [] : withOneProcessor(variation);
    const numbers = this.#describer.processorsOf(run) ?? [];
    // Where its launcher is already there is nothing to say, which saves a process.
    const [own] = this.#describer.processorsFor(slot.index, 1);
    if (variation === undefined && processors === 1 && numbers[0] === own) return [];
    return onProcessors(numbers);
  }

  #filterRedirection(slot: SlotPlaces): string {
    const filter = this.#describer.filterOf(slot);
    return filter === undefined ? "" : ` ${FILTER_FD}<${shellWord(filter.file)}`;
  }
}
