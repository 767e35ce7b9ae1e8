import { chmodSync, writeFileSync } from "node:fs";
import { basename } from "node:path/posix";
import type { RecipeRun, SlotPlaces } from "../back-end.ts";
import { ExecutorError, type Hardening, type OutputListener } from "../executor.ts";
import type { LaunchedCommand } from "../launcher/launcher.ts";
import type { ExecutorLimits } from "../limits.ts";
import type { SandboxDescriber } from "../sandbox/sandbox-description.ts";
import type { SandboxBackEnd } from "../sandbox/sandbox-executor.ts";
import { SANDBOX_PLACES } from "../sandbox/sandbox-places.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { withOtherProcessIds } from "../variation.ts";
import type { Ended } from "./answer.ts";
import { FRAME, type NamespaceName, OrderWriter } from "./order.ts";
import { ServerConnection } from "./server-connection.ts";
import { SlotStreams } from "./slot-streams.ts";

const NAMESPACES: readonly NamespaceName[] = ["cgroup", "ipc", "mnt", "pid", "user", "uts"];
const MIB = 1024 * 1024;

/** Has recipes started by a spawn server, which makes the sandbox of each itself. */
export class ServerBackEnd implements SandboxBackEnd {
  readonly name = "server";
  readonly containments = ["sandbox"] as const;
  readonly bindsInputs = true;
  /** Root's server takes what it mounts before it gives up root's rights. */
  readonly reachesAll = true;
  readonly sandbox: string;
  readonly sandboxStartsRecipe = true;
  readonly #program: string;
  readonly #describer: SandboxDescriber;
  readonly #limits: ExecutorLimits;
  /** Fields that are the same for all ordinary runs in a slot, by its directory. */
  readonly #fixed = new Map<string, Buffer>();
  readonly #streams = new Map<string, SlotStreams>();
  #server: Promise<ServerConnection> | undefined;

  constructor(program: string, describer: SandboxDescriber, limits: ExecutorLimits) {
    this.#program = program;
    this.sandbox = basename(program);
    this.#describer = describer;
    this.#limits = limits;
  }

  prepare(slot: SlotPlaces): void {
    this.#describer.prepare(slot);
  }

  setup(): string {
    return "";
  }

  placesOf() {
    return SANDBOX_PLACES;
  }

  command(): string {
    throw new ExecutorError("EXECUTOR_UNUSABLE", "the spawn server runs no shell commands");
  }

  async run(run: RecipeRun, signal: AbortSignal, onOutput: OutputListener | undefined): Promise<LaunchedCommand> {
    const server = await this.#connect();
    const { slot } = run;
    let streams = this.#streams.get(slot.directory);
    if (streams === undefined) {
      streams = await SlotStreams.make(server, slot.directory, slot.uid);
      this.#streams.set(slot.directory, streams);
    }
    const [stdout, stderr] = streams.begin(this.#limits.capturedBytes, onOutput);
    let ended: Ended | undefined;
    try {
      ended = await server.run((order) => {
        if (run.tracer === undefined) this.#write(order, run);
        else this.#writeTraced(order, run, run.tracer);
        order.streams(...SlotStreams.paths(slot.directory));
      }, signal);
    } finally {
      streams.end(ended?.hasUnread ?? true);
    }
    return {
      status: ended === undefined || ended.how === "killed" ? undefined : ended.status,
      lost: ended === undefined || ended.how === "lost",
      leftCount: ended?.leftCount ?? 0,
      leftNames: ended?.leftNames ?? [],
      begun: ended?.how !== "not-started",
      problem: ended?.problem,
      usage: ended && {
        cpuMs: (ended.userUs + ended.systemUs) / 1000,
        peakMemoryBytes: ended.maxRssKib * 1024,
      },
      stdout,
      stderr,
    };
  }

  interactiveCommand(run: RecipeRun) {
    return { argv: this.#oneCommand(run, `${run.slot.directory}/io/order`), env: {}, cwd: "/", dropsUser: true };
  }

  hardening(profile: FilterProfile): Hardening {
    return this.#describer.hardening(profile, "off");
  }

  leave(directory: string): void {
    this.#fixed.delete(directory);
    this.#streams.get(directory)?.close();
    this.#streams.delete(directory);
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await (await server?.catch(() => undefined))?.close();
  }

  async #connect(): Promise<ServerConnection> {
    const server = await this.#server?.catch(() => undefined);
    if (server?.alive) return server;
    this.#server = ServerConnection.start(this.#program);
    return this.#server;
  }

  /** All but where the output goes. */
  #write(order: OrderWriter, run: RecipeRun): void {
    const { request, environment, slot, variation, patience } = run;
    order.fields(this.#fixedFields(run));
    const namespaces = request.network === "none" ? [...NAMESPACES, "net" as const] : NAMESPACES;
    order.namespaces(namespaces).patience(patience * 10);
    const { memory, pids } = request.resources;
    // Of data, not of address space: V8, Go and sanitisers reserve far more of that than they use.
    if (memory !== undefined) order.limit("data", Math.ceil(memory / 1024) * 1024);
    if (pids !== undefined) order.limit("processes", pids);
    for (const processor of this.#describer.processorsOf(run) ?? []) order.processor(processor);
    for (const mount of this.#describer.ofRun(run)) order.mount(mount);
    const { build } = SANDBOX_PLACES;
    order.directory(request.directory === "" ? build : `${build}/${request.directory}`);
    const argv = variation === undefined ? request.argv : withOtherProcessIds(request.argv, variation);
    for (const word of argv) order.argument(word);
    for (const [name, value] of environment) order.variable(name, value);
    if (slot.uid !== undefined) order.user(slot.uid);
  }

  #fixedFields(run: RecipeRun): Buffer {
    const { slot, variation, request } = run;
    const isOrdinary = variation === undefined && (request.resources.cpu ?? 1) < 2 && !request.interactive;
    const known = isOrdinary ? this.#fixed.get(slot.directory) : undefined;
    if (known !== undefined) return known;
    this.#describer.prepare(slot);
    const description = this.#describer.describe(slot, slot.imageRoot, isOrdinary ? undefined : run);
    const order = new OrderWriter().hostName(description.hostName);
    order.options([
      "noAslr",
      ...(description.refusesUserNamespaces ? ["noUserNamespaces" as const] : []),
      ...(request.interactive ? [] : ["newSession" as const]),
    ]);
    for (const mount of description.mounts) order.mount(mount);
    if (description.filter !== undefined) order.filter(description.filter.bytes);
    const { outputBytes, openFiles, processes } = this.#limits;
    order
      .limit("core", 0)
      .limit("openFiles", openFiles, openFiles * 4)
      .limit("processes", processes);
    // Above what may be taken, so that what is too large is seen, not cut.
    order.limit("fileBytes", Math.min(outputBytes + 1024 * MIB, 2 ** 52));
    const fields = Buffer.from(order.bytes());
    if (isOrdinary) this.#fixed.set(slot.directory, fields);
    return fields;
  }

  /** strace stays outside of the sandbox, as whoever begat is; what it starts makes the sandbox and becomes the recipe's user. */
  #writeTraced(order: OrderWriter, run: RecipeRun, tracer: readonly string[]): void {
    order.namespaces([]).directory(run.slot.directory);
    for (const word of [...tracer, ...this.#oneCommand(run, `${run.slot.directory}/io/order`)]) order.argument(word);
  }

  #oneCommand(run: RecipeRun, file: string): string[] {
    const order = new OrderWriter().id(1);
    this.#write(order, run);
    order.streams("/dev/null", "/dev/null");
    writeFileSync(file, order.frame(FRAME.run));
    chmodSync(file, 0o600);
    return [this.#program, "one", file];
  }
}
