import { chmodSync, chownSync, mkdirSync, statfsSync } from "node:fs";
import type { BlobStore } from "../cache/index.ts";
import type { Clock } from "../ports/index.ts";
import type { BackEnd, SlotPlaces } from "./back-end.ts";
import { type Judgement, judgeOutputs, judgeRecipe, processLimitEvents } from "./execution-verdict.ts";
import {
  type Capabilities,
  type ExecutionOptions,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type Isolation,
  type LimitEvent,
} from "./executor.ts";
import { runInteractively } from "./interactive-run.ts";
import type { LaunchedCommand } from "./launcher/launcher.ts";
import { type Containment, PATIENCE } from "./launcher/launcher-command.ts";
import { DEFAULT_LIMITS, type ExecutorLimits } from "./limits.ts";
import { sweepBuildRoot } from "./outputs/build-root-sweep.ts";
import { type CollectedOutputs, OutputCollector } from "./outputs/output-collector.ts";
import { recipeEnvironment } from "./recipe-environment.ts";
import { ProcessorShares } from "./sandbox/processor-shares.ts";
import { allowedProcessors, visibleProcessors } from "./sandbox/processors.ts";
import type { Slot } from "./slot.ts";
import { SlotPool } from "./slot-pool.ts";
import { InputStager } from "./staging/input-stager.ts";
import { readInputs } from "./staging/read-inputs.ts";
import { VerifiedContents } from "./staging/verified-contents.ts";
import { straceProgram, straceWords } from "./tracing/strace-command.ts";
import { readTrace } from "./tracing/strace-output.ts";
import { takeLines } from "./tracing/trace-file.ts";
import { type Variation, variedBuildRoot } from "./variation.ts";

export interface StagedExecutorOptions {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Executions at once. */
  readonly slots: number;
  /** Absolute. Directories large inputs come from (checkout, blob store); canaries look whether a recipe sees them. */
  readonly inputRoots: readonly string[];
  /** Absolute. On disk: where slots go that do not fit into memory. */
  readonly diskStaging: string;
  /** Absolute. Instead of the machine's own choice: tried first, taken for memory. */
  readonly memoryStaging?: string;
  readonly limits?: Partial<ExecutorLimits>;
  /** When begat is root: first user id for recipes, one for each slot. */
  readonly firstSlotUid?: number;
  /** How leftover processes are held, instead of the best way that works here. */
  readonly containment?: Containment;
  /** Told once of anything people should know, such as staging that went to disk. */
  readonly onNotice?: (text: string) => void;
}

const NO_OUTPUTS: CollectedOutputs = { outputs: [], missing: [], rejected: [], limitEvents: [] };
const VERIFIED_CONTENTS_BYTES = 32 * 1024 * 1024;
/** A staging area with less left than this after a run may have cut something short. */
const SPARE_BYTES = 64 * 1024;

/** Runs recipes in slots: stages inputs, has the back end run the recipe, takes the outputs, and cleans up. */
export abstract class StagedExecutor implements Executor {
  readonly name: Isolation["backend"];
  readonly slots: number;
  protected readonly options: StagedExecutorOptions;
  protected readonly limits: ExecutorLimits;
  readonly #backEnd: BackEnd;
  readonly #stager: InputStager;
  readonly #pool: SlotPool;
  readonly #shares = new ProcessorShares(allowedProcessors(), process.pid);
  #probed: Promise<Capabilities> | undefined;
  #probedImages: Promise<Capabilities> | undefined;

  protected constructor(options: StagedExecutorOptions, backEnd: BackEnd) {
    this.name = backEnd.name;
    this.slots = options.slots;
    this.options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#backEnd = backEnd;
    this.#stager = new InputStager(options.blobs, new VerifiedContents(VERIFIED_CONTENTS_BYTES));
    this.#pool = new SlotPool(options, backEnd, this.limits);
  }

  async probe({ images = true }: { readonly images?: boolean } = {}): Promise<Capabilities> {
    this.#probed ??= this.look().catch((error: unknown) => {
      this.#probed = undefined;
      throw error;
    });
    const capabilities = await this.#probed;
    if (!images || !capabilities.usable) return capabilities;
    this.#probedImages ??= this.lookWithImage(capabilities)
      .then((withImage) => (withImage === undefined ? capabilities : { ...capabilities, withImage }))
      .catch((error: unknown) => {
        this.#probedImages = undefined;
        throw error;
      });
    return this.#probedImages;
  }

  /** Tries out what this back end holds on this machine. */
  protected abstract look(): Promise<Capabilities>;

  /** The same of recipes in an image; `undefined` where there is no such thing. `look` has answered `host` before. */
  protected async lookWithImage(_host: Capabilities): Promise<Capabilities["withImage"]> {
    return undefined;
  }

  async execute(request: ExecutionRequest, options: ExecutionOptions): Promise<ExecutionResult> {
    const { usable, findings, isolation, withImage } = await this.probe({ images: request.imageRoot !== undefined });
    if (!usable)
      throw new ExecutorError("EXECUTOR_UNUSABLE", `${this.name} cannot be used here: ${findings.join("; ")}`);
    if (request.imageRoot === undefined) return this.run(request, { ...isolation, network: request.network }, options);
    if (withImage === undefined || !withImage.usable) {
      const why = withImage?.findings.join("; ") ?? "it sees the host's files";
      throw new ExecutorError("EXECUTOR_UNUSABLE", `${this.name} cannot run ${request.label} in an image: ${why}`);
    }
    return this.run(request, inImage(withImage.isolation, request), options);
  }

  /** One execution, its isolation as given: the probe itself runs this way. */
  protected async run(
    request: ExecutionRequest,
    isolation: Isolation,
    options: ExecutionOptions,
    patience = PATIENCE,
  ): Promise<ExecutionResult> {
    const seat = await this.#pool.take(options.signal, request.label, request.imageRoot);
    try {
      const first = await this.#attempt(await seat.slot(), request, isolation, options, patience);
      if (first !== "staging full") return first;
      const disk = await seat.diskSlot();
      this.options.onNotice?.(`${request.label} does not fit into memory; it runs again on disk`);
      const second = await this.#attempt(disk, request, isolation, options, patience);
      if (second !== "staging full") return second;
      throw new ExecutorError("EXECUTOR_STAGING_FULL", `${request.label} does not fit into ${disk.directory}`);
    } finally {
      seat.release();
    }
  }

  tracingProblem(): string | undefined {
    return straceProgram() === undefined ? "strace is not installed" : undefined;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Starts one slot's launcher. @throws {ExecutorError} `EXECUTOR_UNUSABLE`. */
  protected async warm(): Promise<void> {
    const seat = await this.#pool.take(new AbortController().signal, "start");
    try {
      await (await seat.slot()).launcher();
    } finally {
      seat.release();
    }
  }

  /** Ends all launchers; the next execution starts new ones, with what the back end says by then. */
  protected restart(): Promise<void> {
    return this.#pool.restart();
  }

  protected stagingDirectory(): string {
    return this.#pool.directory;
  }

  protected containment() {
    return this.#pool.containment;
  }

  protected get dropsUser(): boolean {
    return this.#pool.dropsUser;
  }

  async #attempt(
    slot: Slot,
    request: ExecutionRequest,
    isolation: Isolation,
    options: ExecutionOptions,
    patience: number,
  ): Promise<ExecutionResult | "staging full"> {
    const { signal } = options;
    const cancelled = () => new ExecutorError("EXECUTOR_CANCELLED", `${request.label} was cancelled`);
    let isDirty = true;
    try {
      const backEnd = this.#backEnd;
      const launcher = backEnd.run === undefined ? await slot.launcher() : undefined;
      // What has the terminal is begat's own child and outside the launcher's mount namespace.
      const bindSource = this.#backEnd.bindsInputs && !request.interactive ? slot.reach : undefined;
      const { variation } = options;
      const places = variation === undefined ? slot : variedPlaces(slot, variation);
      const stagingPlace = { buildRoot: places.build, uid: slot.uid, bindSource, isReversed: variation !== undefined };
      const inputs = await this.#stager.stage(request, stagingPlace, signal);
      const staged = inputs.paths;
      if (signal.aborted) throw cancelled();
      const recipePlaces = this.#backEnd.placesOf(places);
      const environment = recipeEnvironment(request, recipePlaces);
      const strace = options.trace && !request.interactive ? straceProgram() : undefined;
      const traceFile = `${slot.directory}/io/trace`;
      const tracer = strace === undefined ? undefined : straceWords(strace, traceFile);
      const staging = { request, environment, slot: places, bound: inputs.bound, patience, variation, tracer };

      const endTurn = await options.turn?.();
      if (signal.aborted) {
        endTurn?.();
        throw cancelled();
      }
      const { clock } = this.options;
      const startedAtMs = clock.nowMs();
      const began = clock.monotonicMs();
      const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : this.limits.defaultTimeoutMs;
      let timedOutAfterMs: number | undefined;
      const stop = new AbortController();
      const isKilledByShell = launcher !== undefined && !request.interactive;
      const kill = () => (isKilledByShell ? slot.killCommand() : stop.abort());
      const timer =
        timeoutMs > 0
          ? setTimeout(() => {
              timedOutAfterMs = timeoutMs;
              kill();
            }, timeoutMs)
          : undefined;
      signal.addEventListener("abort", kill, { once: true });
      // As it stands now: more slots than processors hold recipes that are staged and wait.
      const share =
        request.imageRoot === undefined || variation !== undefined
          ? undefined
          : this.#shares.take(visibleProcessors(request.resources));
      const run = { ...staging, processors: share?.numbers };
      let ended: LaunchedCommand;
      try {
        if (request.interactive) {
          ended = await runInteractively(backEnd.interactiveCommand(run), slot, stop.signal);
        } else if (launcher === undefined && backEnd.run !== undefined) {
          ended = await backEnd.run(run, stop.signal, options.onOutput);
        } else {
          const shell = launcher ?? (await slot.launcher());
          ended = await shell.run(`${backEnd.command(run)}; F $?`, this.limits.capturedBytes, options.onOutput);
        }
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", kill);
        share?.free();
        endTurn?.();
      }
      const durationMs = clock.monotonicMs() - began;
      const finishedAtMs = clock.nowMs();
      // Whoever has the turn now starts its recipe first; what follows is work beside it.
      if (endTurn !== undefined) await new Promise(setImmediate);
      if (signal.aborted) throw cancelled();
      this.#stager.checkBound(inputs.bound);

      const needsBegun = this.#backEnd.sandbox !== undefined && !request.interactive;
      const processEvents = processLimitEvents(ended, request.resources.pids ?? this.limits.processes);
      const judged = judgeRecipe(ended, { timedOutAfterMs, needsBegun, limitEvents: processEvents });
      const full = spaceEvent(slot.directory);
      if (full !== undefined && slot.medium === "memory") return "staging full";
      const reads = options.reads ? readInputs(places.build, request.inputs, inputs.bound) : undefined;
      slot.reclaim();
      // Only its mode can have been changed: the directories above it are not the recipe's.
      if (places !== slot) chmodSync(places.build, 0o755);
      const collected = judged === undefined ? await this.#collect(places.build, request, staged) : NO_OUTPUTS;
      const judgement: Judgement = judged ?? judgeOutputs(collected);
      const undeclared = await sweepBuildRoot(places.build, staged, request.outputs);
      isDirty = variation !== undefined;
      const { build } = recipePlaces;
      const directory = request.directory === "" ? build : `${build}/${request.directory}`;
      const { sandbox, sandboxStartsRecipe } = this.#backEnd;
      const frame = { build, directory, sandbox, ...(sandboxStartsRecipe ? { sandboxStartsRecipe } : {}) };
      const accesses = tracer && readTrace(takeLines(traceFile), frame);
      return {
        ...judgement,
        outputs: collected.outputs,
        stdout: ended.stdout.text(),
        stderr: ended.stderr.text(),
        stdoutBytes: ended.stdout.totalBytes,
        stderrBytes: ended.stderr.totalBytes,
        undeclared,
        limitEvents: [...collected.limitEvents, ...processEvents, ...(full ?? [])],
        isolation: slot.medium === "disk" ? onDisk(isolation) : isolation,
        startedAtMs,
        finishedAtMs,
        durationMs,
        usage: ended.usage,
        buildRoot: build,
        ...(accesses === undefined ? {} : { accesses }),
        ...(reads === undefined ? {} : { reads }),
      };
    } catch (error) {
      if (slot.medium === "memory" && (error as NodeJS.ErrnoException).code === "ENOSPC") return "staging full";
      throw error;
    } finally {
      slot.clean(isDirty);
    }
  }

  #collect(build: string, request: ExecutionRequest, staged: ReadonlySet<string>): Promise<CollectedOutputs> {
    const isStaged = (path: string) => staged.has(path);
    return new OutputCollector(build, this.options.blobs, this.limits, request.outputs, isStaged).collect();
  }
}

/** The host's network is no part of any image: what uses it is contained at most. */
function inImage(isolation: Isolation, { network }: ExecutionRequest): Isolation {
  if (network === "none" || isolation.level !== "hermetic") return { ...isolation, network };
  const namespaces = isolation.namespaces.filter((name) => name !== "net");
  return { ...isolation, level: "contained", network, namespaces, knownLeaks: [...isolation.knownLeaks, "network"] };
}

/** The order in which a directory is read is the disk's there, not that in which it was made. */
function onDisk(isolation: Isolation): Isolation {
  return { ...isolation, knownLeaks: [...isolation.knownLeaks, "directory-order"].sort() };
}

/** The slot with a build root further down, which cleaning the slot removes. */
function variedPlaces(slot: Slot, variation: Variation): SlotPlaces {
  const directories = variedBuildRoot(slot.build, variation);
  for (const directory of directories) {
    mkdirSync(directory, 0o755);
    chmodSync(directory, 0o755);
  }
  const build = directories[directories.length - 1] as string;
  if (slot.uid !== undefined) chownSync(build, slot.uid, slot.uid);
  const { directory, uid, medium, reach, image, imageRoot, index } = slot;
  return { directory, build, uid, medium, reach, image, imageRoot, index };
}

/** A full file system is a limit touched even where the recipe exited 0: it may not have looked. */
function spaceEvent(directory: string): LimitEvent[] | undefined {
  const { bavail, bsize, blocks } = statfsSync(directory);
  if (bavail * bsize >= SPARE_BYTES) return undefined;
  return [{ limit: "staging-bytes", allowed: blocks * bsize, seen: (blocks - bavail) * bsize }];
}
