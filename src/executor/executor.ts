import type { Digest, IsolationLevel, Sha256, WorkspacePath } from "../base/index.ts";
import { BegatError } from "../base/index.ts";
import type { RecordedOutput } from "../cache/index.ts";
import type { Variation } from "./variation.ts";

/** One file of the input root. Inputs come sorted by the UTF-8 bytes of their paths, without duplicates. */
export interface InputFile {
  readonly path: WorkspacePath;
  readonly digest: Digest;
  readonly executable: boolean;
  /**
   * Where the bytes are: a file of the checkout (absolute path), the blob store, or here. The executor verifies what
   * it stages against `digest`, since a checkout can change between hashing and running.
   */
  readonly from:
    | { readonly file: string; readonly signature?: FileSignature }
    | { readonly blob: true }
    | { readonly bytes: Uint8Array };
}

/**
 * What `stat` said of a checkout file when it was hashed. With it, an executor need not hash a large file again: it is
 * the same file as long as this is the same.
 */
export interface FileSignature {
  readonly sizeBytes: number;
  /** Milliseconds since 1970 with a fraction, as `FileStat` has them. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

/** A symlink of the input root, as found in a tree; its target stays inside the input root. */
export interface InputLink {
  readonly path: WorkspacePath;
  readonly target: string;
}

export interface DeclaredOutput {
  readonly path: WorkspacePath;
  /** `any`: whichever it turns out to be, for actions of others that name their outputs and no more. */
  readonly kind: "file" | "tree" | "any";
}

/** One execution of one action. `begat`'s own conveniences are spelled out so that an executor decides nothing. */
export interface ExecutionRequest {
  /** REAPI action digest: what the result is a result of. */
  readonly actionDigest: Digest;
  /** For people: `compile(src/a.c)`. */
  readonly label: string;
  /** Interpreter and the recipe's path as seen from `directory`, as in the Command. */
  readonly argv: readonly string[];
  /** The whole environment of the Command, sorted by name. */
  readonly env: readonly (readonly [name: string, value: string])[];
  /**
   * Names in `env` whose value is a path relative to `directory`; the executor makes them absolute in its own
   * staging root (BEGAT_IN, BEGAT_OUT, BEGAT_UP), so that a recipe may `cd`.
   */
  readonly pathVariables: readonly string[];
  readonly directory: WorkspacePath;
  readonly inputs: readonly InputFile[];
  readonly links: readonly InputLink[];
  /** Directories that must exist even though nothing declared stands in them. */
  readonly emptyDirectories: readonly WorkspacePath[];
  readonly outputs: readonly DeclaredOutput[];
  /** `undefined`: the host's own tools, read-only. Else the image's root file system, absolute. */
  readonly imageRoot: string | undefined;
  readonly network: "none" | "host";
  /** Wall time; 0 means the executor's default ceiling. */
  readonly timeoutMs: number;
  /** Declared resources, e.g. `memory` in bytes, `cpu` in cores, `pids`; unknown names are the scheduler's business. */
  readonly resources: Readonly<Record<string, number>>;
  /** Standard input from the terminal and output to it: attribute `interactive`. */
  readonly interactive: boolean;
  /** For executors that hand it on. */
  readonly encoded?: EncodedRequest;
}

/** An action as the messages that its digest is of. */
export interface EncodedRequest {
  readonly inputRoot: Digest;
  readonly platform: readonly (readonly [name: string, value: string])[];
  /** Action, Command and Directories. */
  readonly blobs: readonly { readonly hash: Sha256; readonly bytes: Uint8Array }[];
}

/** What an execution is for: an rnode signs these names (docs/formats.md, "Travails on the wire"). */
export interface ExecutionPurpose {
  /** Origin of the ledger. */
  readonly log: string;
  readonly build: string;
  readonly chore: string;
  readonly dictum: string;
  readonly attempt: number;
  readonly version: string;
  readonly who: string;
  /** Tools that an identity of the host's own tools names. */
  readonly tools: readonly string[];
  /** Whether an execution of before will do. */
  readonly mayBeCached: boolean;
  /** What it took the last time, milliseconds; `undefined` where nothing is known. */
  readonly expectedMs: number | undefined;
  /** Upward rank: the longest way in milliseconds from its start to the build's end; `undefined` where nothing is known. */
  readonly rankMs: number | undefined;
}

export type Verdict =
  | "ok"
  | "exit"
  | "signal"
  | "timeout"
  | "resource"
  | "output-missing"
  | "output-rejected"
  | "input-undeclared"
  | "leftover-processes"
  | "executor-error";

/** The isolation an execution had: what was measured, not what was asked for. Goes into the travail. */
export interface Isolation {
  readonly level: IsolationLevel;
  readonly backend: "bubblewrap" | "docker" | "process" | "server" | "hermetic" | "remote";
  readonly backendVersion: string;
  readonly namespaces: readonly string[];
  readonly network: "none" | "host";
  readonly uidDropped: boolean;
  /** Ways out that are known and open, by short name: `clock`, `random`, `proc`, `host-tools`, `filesystem`, `network` ... */
  readonly knownLeaks: readonly string[];
  /** Beyond namespaces; absent where a back end adds nothing to them. */
  readonly hardening?: Hardening;
}

/** What a recipe was kept from, or saw the same on every machine. */
export interface Hardening {
  /** SHA-256 of the filter of system calls, as the kernel took it; `undefined`: none. */
  readonly seccomp: Sha256 | undefined;
  /** Whether addresses are chosen by chance. */
  readonly aslr: "on" | "off";
  /** Processors that a recipe which asks for none sees; 0: the machine's own. */
  readonly cpus: number;
  /** Files of /proc that are the same everywhere. */
  readonly procMask: readonly string[];
}

/** A limit that was touched, even where the recipe carried on and exited 0. */
export interface LimitEvent {
  readonly limit: string;
  readonly allowed: number;
  readonly seen: number;
}

export interface ExecutionResult {
  readonly verdict: Verdict;
  /** What exactly, with the numbers, for every verdict but `ok`: `exit 2`, `output obj/a.o was not made`. */
  readonly detail: string;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Every blob is already in the blob store. Complete only for `ok`. */
  readonly outputs: readonly RecordedOutput[];
  /** What was printed, cut at the executor's limit; the whole count beside it. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /** Made but not declared, and discarded; at most 100 names, sorted. */
  readonly undeclared: readonly string[];
  readonly limitEvents: readonly LimitEvent[];
  readonly isolation: Isolation;
  /** Wall time, milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** Of the recipe alone, milliseconds, monotonic. */
  readonly durationMs: number;
  /** Absent where the back end does not tell. */
  readonly usage?: Usage | undefined;
  /** Absent: executed here. */
  readonly elsewhere?: Elsewhere;
  /** Of a traced run: each path it looked at once, in the order of the last look. Absent where the trace failed. */
  readonly accesses?: readonly FileAccess[];
  /** Absolute: the build root as the recipe saw it. Absent where that cannot be known. */
  readonly buildRoot?: string;
  /** Where asked for: inputs whose bytes were read. Absent where the file system does not tell. */
  readonly reads?: readonly WorkspacePath[];
}

/** What a recipe and all it started used. */
export interface Usage {
  /** Processor time, user and system, milliseconds. */
  readonly cpuMs: number;
  /** Of the largest of its processes. */
  readonly peakMemoryBytes: number;
}

/** Of an execution that this machine did not do. */
export interface Elsewhere {
  /** The rnode by name, or the endpoint that answered for it. */
  readonly rnode: string;
  /** It had been executed before, for somebody. */
  readonly cached: boolean;
  /** What the rnode signed, verified; `undefined`: nobody did. */
  readonly travail: SignedTravail | undefined;
}

export interface SignedTravail {
  /** Canonical JSON. */
  readonly body: Uint8Array;
  /** Origin of the ledger it was signed for. */
  readonly log: string;
}

/** A path that a traced recipe looked at. */
export interface FileAccess {
  /** From the workspace root where `isInside`, else absolute. */
  readonly path: string;
  /** In the build root. */
  readonly isInside: boolean;
  /** The most that was done with it; `look`: only asked whether, what and where to it is. */
  readonly how: "exec" | "look" | "open";
  /** At some time it was there. */
  readonly found: boolean;
}

/** Only a clean success may be used again. */
export function isCacheable(result: ExecutionResult): boolean {
  return result.verdict === "ok" && result.limitEvents.length === 0;
}

export type ExecutorErrorCode =
  | "EXECUTOR_INPUT_CHANGED"
  | "EXECUTOR_INPUT_MISSING"
  | "EXECUTOR_CANCELLED"
  | "EXECUTOR_UNUSABLE"
  | "EXECUTOR_STAGING_FULL"
  /** Of executors elsewhere: not to be reached any more; */
  | "EXECUTOR_GONE"
  /** does not take this action, or could not execute it; */
  | "EXECUTOR_REFUSED"
  /** was told by somebody there to end it; */
  | "EXECUTOR_ENDED"
  /** gave a result that it does not prove. */
  | "EXECUTOR_UNTRUSTED";

/** Infrastructure failed before there was a verdict about the recipe. Nothing was recorded, nothing is left behind. */
export class ExecutorError extends BegatError<ExecutorErrorCode> {
  /** For `EXECUTOR_INPUT_CHANGED` and `EXECUTOR_INPUT_MISSING`: which. */
  readonly inputs: readonly WorkspacePath[];

  constructor(
    code: ExecutorErrorCode,
    message: string,
    options: ErrorOptions & { hint?: string | undefined; inputs?: readonly WorkspacePath[] } = {},
  ) {
    super(code, message, options);
    this.inputs = options.inputs ?? [];
  }
}

export interface Capabilities {
  readonly usable: boolean;
  /** Why not, or what is weaker than it could be; one line each. */
  readonly findings: readonly string[];
  readonly isolation: Isolation;
  /** Each canary tried and whether it was held. */
  readonly canaries: readonly { readonly name: string; readonly held: boolean }[];
  /** The same of recipes in an image; absent where it cannot run them, and where it was not asked. */
  readonly withImage?: Omit<Capabilities, "withImage">;
}

/** Runs actions. Every back end, and the fake, passes `test/contracts/executor.contract.ts`. */
export interface Executor {
  readonly name: Isolation["backend"];
  /** How many executions it is prepared to run at once; asking for more queues. */
  readonly slots: number;
  /**
   * Really runs a small action and looks at what held. Cheap enough for every start; remembered after the first.
   *
   * @param options.images `false` leaves out `withImage`, which costs a second run and is looked at when it is needed.
   */
  probe(options?: { readonly images?: boolean }): Promise<Capabilities>;
  /**
   * Runs one action to its end. A non-zero exit is a result, not an error: the scheduler decides what it means.
   * When the promise resolves, every output blob is already in the blob store and no process of the action is left.
   *
   * @throws {ExecutorError}
   */
  execute(request: ExecutionRequest, options: ExecutionOptions): Promise<ExecutionResult>;
  /** Why it cannot trace a run; `undefined` when it can. Absent from executors that never trace. */
  tracingProblem?(): string | undefined;
  /** Removes staging areas and helper processes. Idempotent. */
  close(): Promise<void>;
}

export interface ExecutionOptions {
  /** Cancels the run. Once the promise rejects, no process of the action is left. */
  readonly signal: AbortSignal;
  readonly onOutput?: OutputListener;
  /**
   * Asked once, right before the recipe is started; what it resolves to is called once, when the recipe has ended. So
   * inputs are staged and outputs collected beside the recipes of others, however few of those may run at once. It
   * resolves at once when `signal` aborts.
   */
  readonly turn?: () => Promise<() => void>;
  /** Runs it under other conditions, which must not matter: another build root, host name, order of staging ... */
  readonly variation?: Variation;
  /** For executors elsewhere, which need it. */
  readonly purpose?: ExecutionPurpose;
  /** Runs it traced, to answer `accesses`; it takes about half as long again. Not for interactive recipes. */
  readonly trace?: boolean;
  /** Looks which inputs were read, to answer `reads`. */
  readonly reads?: boolean;
}

export type OutputListener = (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
