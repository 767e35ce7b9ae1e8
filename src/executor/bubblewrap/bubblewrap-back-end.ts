import { existsSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path/posix";
import type { BackEnd, SlotPlaces } from "../back-end.ts";
import type { Hardening } from "../executor.ts";
import { makeMountPoints, resolveInRoot } from "../image-root.ts";
import { SANDBOX_INIT } from "../launcher/launcher-command.ts";
import { shellWord, shellWords } from "../launcher/shell-word.ts";
import { limitsOf } from "../process/process-executor.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { seccompFilter } from "../seccomp/seccomp-filter.ts";
import { commandWithEnvironment } from "../shell-command.ts";
import { variedHostName, withOneProcessor, withOtherProcessIds } from "../variation.ts";
import { MASKED_PROC, maskedProcArguments } from "./masked-proc.ts";
import { allowedProcessors, onProcessors, visibleProcessors, withoutAddressChance } from "./processors.ts";
import {
  hostRootArguments,
  imageRootArguments,
  isolationArguments,
  MOUNT_POINTS,
  placesArguments,
  SANDBOX_PLACES,
  type SandboxHost,
} from "./sandbox-arguments.ts";
import { SandboxFiles } from "./sandbox-files.ts";

type Run = Parameters<BackEnd["command"]>[0];

/** The first process of the sandbox; in an image as on the host. */
const INIT_SHELL = "/bin/sh";
const NETWORK_FILES = ["/etc/resolv.conf", "/etc/hosts"];
/** Where bubblewrap finds the filter; the highest that every shell can name. */
const FILTER_FD = 9;

/** How recipes are put into bubblewrap's sandboxes: with the host's tools, or in the root of an image. */
export class BubblewrapBackEnd implements BackEnd {
  readonly name = "bubblewrap";
  readonly containments = ["sandbox"] as const;
  readonly bindsInputs = true;
  readonly sandbox: string;
  readonly program: string;
  readonly #toolRoots: readonly string[];
  /** Older versions cannot, and some kernels do not let them. */
  disablesUserNamespaces = true;
  /** Kernels can be built without filters of system calls. */
  filtersCalls = true;
  readonly #processors = allowedProcessors();
  readonly #filters = { host: seccompFilter("host"), image: seccompFilter("image") };
  readonly #files = new SandboxFiles(this.#filters);

  constructor(program: string, toolRoots: readonly string[]) {
    this.program = program;
    this.sandbox = basename(program);
    this.#toolRoots = toolRoots;
  }

  prepare(slot: SlotPlaces): void {
    const shared = dirname(slot.directory);
    this.#files.prepare(shared, slot.image === undefined ? "host" : "image");
    if (slot.image !== undefined) this.#files.maskedProc(shared, 1);
  }

  /** Addresses are the same each time; in an image there is one processor, another one for each seat. */
  wrap(slot: SlotPlaces): readonly string[] {
    if (slot.image === undefined) return withoutAddressChance();
    return [...withoutAddressChance(), ...onProcessors(this.#processorsFor(slot, 1))];
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
    const image =
      request.imageRoot === undefined
        ? []
        : onProcessors(this.#processorsFor(slot, visibleProcessors(request.resources)));
    const before = [...withoutAddressChance(), ...image];
    const shell = ["/bin/sh", "-c", `exec "$@"${this.#filterRedirection(slot)}`, "sh"];
    return { argv: [...shell, ...before, ...sandbox, ...init], env: {}, cwd: "/" };
  }

  /** What a recipe in an image, or with the host's tools, is kept from. */
  hardening(profile: FilterProfile): Hardening {
    return {
      seccomp: this.#filters[profile]?.digest,
      aslr: withoutAddressChance().length > 0 ? "off" : "on",
      cpus: profile === "image" ? 1 : 0,
      procMask: profile === "image" ? MASKED_PROC.map(({ path }) => path) : [],
    };
  }

  /** Where the root of a self-test stands: directories as in an image, and the host's /usr. */
  selfTestRoot(shared: string): string {
    return this.#files.selfTestRoot(shared);
  }

  #fixedArguments(slot: SlotPlaces, image: string | undefined, run?: Run): string[] {
    const shared = dirname(slot.directory);
    const host = this.#host(shared);
    const isolation = isolationArguments(host);
    if (run?.variation) isolation[isolation.indexOf("--hostname") + 1] = variedHostName(run.variation);
    const filter = this.#filterFile(slot) === undefined ? [] : ["--seccomp", String(FILTER_FD)];
    if (image === undefined) return [...isolation, ...hostRootArguments(host), ...placesArguments(slot), ...filter];
    makeMountPoints(slot.imageRoot ?? image, MOUNT_POINTS);
    const usr = this.#files.isSelfTestRoot(slot.imageRoot) ? ["--ro-bind", "/usr", "/usr"] : [];
    const masks = maskedProcArguments(
      this.#files.maskedProc(shared, run === undefined ? 1 : visibleProcessors(run.request.resources)),
    );
    return [...isolation, ...imageRootArguments(image), ...usr, ...placesArguments(slot), ...masks, ...filter];
  }

  #runArguments(run: Run): string[] {
    const { request, environment, bound } = run;
    const words: string[] = [];
    if (request.network === "none") words.push("--unshare-net");
    else words.push(...networkFiles(request.imageRoot));
    for (const { bindFrom, input } of bound) words.push("--ro-bind", bindFrom, `${SANDBOX_PLACES.build}/${input.path}`);
    words.push(
      "--chdir",
      request.directory === "" ? SANDBOX_PLACES.build : `${SANDBOX_PLACES.build}/${request.directory}`,
    );
    words.push("--clearenv");
    for (const [name, value] of environment) words.push("--setenv", name, value);
    return words;
  }

  #processorWords({ slot, variation }: Run, processors: number): readonly string[] {
    if (slot.image === undefined) return variation === undefined ? [] : withOneProcessor(variation);
    const seat = variation === undefined ? slot.index : slot.index + 1 + variation.seed;
    if (variation === undefined && processors === 1) return [];
    return onProcessors(this.#processorsFor({ index: seat }, processors));
  }

  #processorsFor({ index }: Pick<SlotPlaces, "index">, count: number): number[] {
    const all = this.#processors;
    return Array.from({ length: Math.min(count, all.length) }, (_, n) => all[(index + n) % all.length] as number);
  }

  #filterFile(slot: SlotPlaces): string | undefined {
    if (!this.filtersCalls) return undefined;
    return this.#files.filter(dirname(slot.directory), slot.imageRoot === undefined ? "host" : "image");
  }

  #filterRedirection(slot: SlotPlaces): string {
    const file = this.#filterFile(slot);
    return file === undefined ? "" : ` ${FILTER_FD}<${shellWord(file)}`;
  }

  #host(shared: string): SandboxHost {
    return {
      etc: this.#files.etc(shared),
      toolRoots: this.#toolRoots,
      disablesUserNamespaces: this.disablesUserNamespaces,
    };
  }
}

/** In an image only those that it has: nothing can be made in it. */
function networkFiles(imageRoot: string | undefined): string[] {
  return NETWORK_FILES.filter(
    (file) => existsSync(file) && (imageRoot === undefined || resolveInRoot(imageRoot, file) !== undefined),
  ).flatMap((file) => ["--ro-bind", realpathSync(file), file]);
}
