import { join } from "node:path/posix";
import { digestOf, type IsolationLevel, type WorkspacePath } from "../../src/base/index.ts";
import { type BlobStore, BlobStoreError, type RecordedOutput } from "../../src/cache/index.ts";
import {
  type Capabilities,
  type DeclaredOutput,
  type ExecutionOptions,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type Isolation,
  type LimitEvent,
  type OutputListener,
  type Verdict,
} from "../../src/executor/index.ts";
import type { Clock, FileTree } from "../../src/ports/index.ts";
import { encodeTree, TreeBuilder } from "../../src/protocol/index.ts";

/** What a fake recipe can do. Paths are from the workspace root. */
export interface FakeRun {
  readonly request: ExecutionRequest;
  /** Verified contents of the declared inputs, and nothing else. */
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly signal: AbortSignal;
  write(path: string, content: string | Uint8Array, executable?: boolean): void;
  makeDirectory(path: string): void;
  link(path: string, target: string): void;
  print(text: string): void;
  printError(text: string): void;
  leaveProcess(name: string): void;
  touchLimit(event: LimitEvent): void;
  /** Does nothing until it is killed. */
  hang(): Promise<never>;
}

/** Answers an exit code or a signal's name; nothing is exit 0. */
export type FakeRecipe = (run: FakeRun) => undefined | number | string | Promise<undefined | number | string>;

export interface FakeExecutorOptions {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** For inputs that are files. */
  readonly files?: FileTree;
  readonly recipe: FakeRecipe;
  readonly slots?: number;
  readonly level?: IsolationLevel;
}

type Made =
  | { readonly kind: "file"; readonly bytes: Buffer; readonly executable: boolean }
  | { readonly kind: "symlink"; readonly target: string }
  | { readonly kind: "directory" };

class Killed extends Error {}

/** An executor whose recipes are functions. It keeps every promise of the port, and remembers what it was asked. */
export class FakeExecutor implements Executor {
  readonly name = "process";
  readonly slots: number;
  /** In the order they were begun. */
  readonly executed: ExecutionRequest[] = [];
  /** Seeds of the variations asked for, by the place in `executed`. */
  readonly variations = new Map<number, number>();
  /** Most that ever ran at once. */
  mostAtOnce = 0;
  #running = 0;
  readonly #queue: (() => void)[] = [];
  readonly #options: FakeExecutorOptions;
  readonly #capabilities: Capabilities;

  constructor(options: FakeExecutorOptions) {
    this.#options = options;
    this.slots = options.slots ?? 1;
    const isolation: Isolation = {
      level: options.level ?? "none",
      backend: "process",
      backendVersion: "fake",
      namespaces: [],
      network: "none",
      uidDropped: false,
      knownLeaks: [],
    };
    this.#capabilities = { usable: true, findings: [], isolation, canaries: [] };
  }

  async probe(): Promise<Capabilities> {
    return this.#capabilities;
  }

  async close(): Promise<void> {}

  async execute(request: ExecutionRequest, options: ExecutionOptions): Promise<ExecutionResult> {
    const { signal } = options;
    const cancelled = () => new ExecutorError("EXECUTOR_CANCELLED", `${request.label} was cancelled`);
    if (signal.aborted) throw cancelled();
    if (this.#running >= this.slots) {
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal.removeEventListener("abort", stop);
          resolve();
        };
        const stop = () => {
          this.#queue.splice(this.#queue.indexOf(go), 1);
          reject(cancelled());
        };
        signal.addEventListener("abort", stop, { once: true });
        this.#queue.push(go);
      });
    }
    this.#running++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    try {
      const endTurn = await options.turn?.();
      try {
        if (signal.aborted) throw cancelled();
        if (options.variation !== undefined) this.variations.set(this.executed.length, options.variation.seed);
        return await this.#run(request, signal, options.onOutput);
      } finally {
        endTurn?.();
      }
    } finally {
      this.#running--;
      this.#queue.shift()?.();
    }
  }

  async #run(
    request: ExecutionRequest,
    signal: AbortSignal,
    onOutput: OutputListener | undefined,
  ): Promise<ExecutionResult> {
    const { clock } = this.#options;
    const inputs = this.#stage(request);
    this.executed.push(request);
    const made = new Map<string, Made>();
    const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const left: string[] = [];
    const limitEvents: LimitEvent[] = [];
    const end = new AbortController();
    const startedAtMs = clock.nowMs();
    const began = clock.monotonicMs();
    let timedOut = false;
    const onAbort = () => end.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    if (request.timeoutMs > 0) {
      clock.sleep(request.timeoutMs, end.signal).then(
        () => {
          timedOut = true;
          end.abort();
        },
        () => undefined,
      );
    }
    const print = (stream: "stdout" | "stderr") => (text: string) => {
      printed[stream].push(Buffer.from(text));
      onOutput?.(stream, Buffer.from(text));
    };
    const run: FakeRun = {
      request,
      inputs,
      signal: end.signal,
      write: (path, content, executable = false) =>
        made.set(path, { kind: "file", bytes: Buffer.from(content as Uint8Array), executable }),
      makeDirectory: (path) => made.set(path, { kind: "directory" }),
      link: (path, target) => made.set(path, { kind: "symlink", target }),
      print: print("stdout"),
      printError: print("stderr"),
      leaveProcess: (name) => left.push(name),
      touchLimit: (event) => limitEvents.push(event),
      hang: () =>
        new Promise((_, reject) => {
          if (end.signal.aborted) reject(new Killed());
          end.signal.addEventListener("abort", () => reject(new Killed()), { once: true });
        }),
    };
    let status: undefined | number | string;
    try {
      status = (await this.#options.recipe(run)) ?? 0;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      status = "SIGKILL";
    } finally {
      signal.removeEventListener("abort", onAbort);
      end.abort();
    }
    if (signal.aborted) throw new ExecutorError("EXECUTOR_CANCELLED", `${request.label} was cancelled`);
    const [verdict, detail, outputs] = timedOut
      ? (["timeout", `still running after ${request.timeoutMs} ms`, []] as const)
      : this.#judge(request, status, left, inputs, made);
    const stdout = Buffer.concat(printed.stdout);
    const stderr = Buffer.concat(printed.stderr);
    return {
      verdict,
      detail,
      exitCode: typeof status === "number" ? status : undefined,
      signal: typeof status === "string" ? status : undefined,
      outputs,
      stdout,
      stderr,
      stdoutBytes: stdout.length,
      stderrBytes: stderr.length,
      undeclared: [...made.keys()].filter((path) => !isDeclared(path, request.outputs) && !inputs.has(path)).sort(),
      limitEvents,
      isolation: { ...this.#capabilities.isolation, network: request.network },
      startedAtMs,
      finishedAtMs: clock.nowMs(),
      durationMs: clock.monotonicMs() - began,
      usage: { cpuMs: 7, peakMemoryBytes: 2 ** 20 },
    };
  }

  #judge(
    request: ExecutionRequest,
    status: number | string | undefined,
    left: readonly string[],
    inputs: ReadonlyMap<string, Buffer>,
    made: ReadonlyMap<string, Made>,
  ): readonly [Verdict, string, readonly RecordedOutput[]] {
    if (typeof status === "string") return ["signal", `ended by ${status}`, []];
    if (status !== 0) return ["exit", `exit ${status}`, []];
    if (left.length > 0) return ["leftover-processes", `${left.length} still running at its end: ${left}`, []];
    const outputs: RecordedOutput[] = [];
    const missing: string[] = [];
    for (const declared of request.outputs) {
      const output = this.#collect(declared, inputs, made);
      if (typeof output === "string") return ["output-rejected", `output ${declared.path} ${output}`, []];
      if (output === undefined) missing.push(declared.path);
      else outputs.push(output);
    }
    if (missing.length > 0) return ["output-missing", `not made: ${missing.join(", ")}`, outputs];
    return ["ok", "", outputs];
  }

  #collect(
    { path, kind }: DeclaredOutput,
    inputs: ReadonlyMap<string, Buffer>,
    made: ReadonlyMap<string, Made>,
  ): RecordedOutput | string | undefined {
    const { blobs } = this.#options;
    const below = [...made].filter(([name]) => name.startsWith(`${path}/`));
    const own = made.get(path) ?? (below.length > 0 ? ({ kind: "directory" } as const) : undefined);
    if (own === undefined) return undefined;
    if (own.kind === "symlink") {
      const end = join(path, "..", own.target);
      if (own.target.startsWith("/")) return `is a symlink to ${own.target}, which is absolute`;
      if (!made.has(end) && !inputs.has(end)) return `is a symlink to ${own.target}, which leads to nothing`;
      const digest = blobs.write(Buffer.from(own.target));
      return { path, kind: "symlink", digest, executable: false, target: own.target };
    }
    if (kind === "file" || (kind === "any" && own.kind === "file")) {
      if (own.kind === "directory") return "is a directory, declared as a file";
      return { path, kind: "file", digest: blobs.write(own.bytes), executable: own.executable };
    }
    if (own.kind === "file") return "is a file, declared as a directory";
    const tree = new TreeBuilder();
    for (const [name, entry] of below) {
      const inside = name.slice(path.length + 1) as WorkspacePath;
      if (entry.kind === "directory") tree.addDirectory(inside);
      else if (entry.kind === "symlink") tree.addSymlink(inside, entry.target);
      else tree.addFile(inside, blobs.write(entry.bytes), entry.executable);
    }
    const { bytes, digest } = encodeTree(tree.build());
    return { path, kind: "tree", digest: blobs.write(bytes, digest), executable: false };
  }

  #stage(request: ExecutionRequest): Map<string, Buffer> {
    const inputs = new Map<string, Buffer>();
    for (const { path, digest, from } of request.inputs) {
      const of = (code: "EXECUTOR_INPUT_MISSING" | "EXECUTOR_INPUT_CHANGED") =>
        new ExecutorError(code, `input ${path}`, { inputs: [path] });
      let bytes: Uint8Array | undefined;
      if ("bytes" in from) bytes = from.bytes;
      else if ("file" in from) {
        if (this.#options.files?.stat(from.file)?.kind !== "file") throw of("EXECUTOR_INPUT_MISSING");
        bytes = this.#options.files.readFile(from.file);
      } else {
        try {
          bytes = this.#options.blobs.read(digest);
        } catch (error) {
          if (error instanceof BlobStoreError) throw of("EXECUTOR_INPUT_MISSING");
          throw error;
        }
      }
      if (digestOf(bytes).hash !== digest.hash) throw of("EXECUTOR_INPUT_CHANGED");
      inputs.set(path, Buffer.from(bytes));
    }
    return inputs;
  }
}

function isDeclared(path: string, outputs: readonly DeclaredOutput[]): boolean {
  return outputs.some((output) => path === output.path || path.startsWith(`${output.path}/`));
}
