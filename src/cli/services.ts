import type { IsolationLevel } from "../base/index.ts";
import type { Diagnostic } from "../dictum-parser/index.ts";
import type { Capabilities } from "../executor/index.ts";
import type { BuildSummary, EventListener, WatchObserver } from "../scheduler/index.ts";
import type { ControlServices } from "./control-services.ts";
import type { DaemonServices } from "./daemon-services.ts";
import type { FarmServices } from "./farm-services.ts";
import type { FulcrumServices } from "./fulcrum-services.ts";
import type { ImageServices } from "./image-services.ts";
import type { QuestionServices } from "./question-services.ts";

export type { QuestionAnswer, QuestionLine, QuestionRequest, ReindexReport } from "./question-services.ts";

import type { LedgerServices } from "./ledger-services.ts";
import type { ProofServices } from "./proof-services.ts";

/** Where a verb works and what it reads; given to every service that needs a checkout. */
export interface WorkspaceOptions {
  /** `-C`: absolute. Else the working directory; the begatfile is looked for there. */
  readonly directory: string;
  /** `-f`, in order, as written; empty means `begatfile`. */
  readonly begatfiles: readonly string[];
  /** `NAME=VALUE`: values for `var NAME ?= ...`. */
  readonly overrides: Readonly<Record<string, readonly string[]>>;
}

/** Which chores are executed once more; see the engine's `CheckOptions`. */
export interface Checking {
  readonly count?: number;
  readonly percent?: number;
  readonly times?: number;
  readonly earlier?: boolean;
}

export interface BuildOptions extends WorkspaceOptions {
  /** As written; empty means the default targets. */
  readonly targets: readonly string[];
  /** `undefined`: as many as the machine has processors. */
  readonly jobs: number | undefined;
  readonly keepGoing: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly minIsolation: IsolationLevel | undefined;
  /** `undefined`: server or bubblewrap where it holds, else docker for recipes in images, else process, with a notice. */
  readonly executor: "server" | "bubblewrap" | "docker" | "process" | undefined;
  readonly outputs: "targets" | "all";
  readonly offline: boolean;
  /** Whether a warm engine may be started for the next build. */
  readonly daemon?: boolean;
  /** For chores that declare none; `undefined`: no limit. */
  readonly timeoutMs: number | undefined;
  /** Asks for `chore-output` events. */
  readonly verbose: boolean;
  /** Failed chores are run again, traced, to see what they lacked. */
  readonly explain: boolean;
  /** How many executions must have come to a result before it is used again; absent: the one. */
  readonly agreeing?: number | undefined;
  /** Executed chores are executed again and compared: `{}` all of them, at most `count`, or a share; `undefined`: none. */
  readonly check: Checking | undefined;
  /** Where chores may be executed besides here. */
  readonly farm?: FarmChoice | undefined;
  /** Whose results are looked for besides one's own. */
  readonly cache?: CacheChoice | undefined;
  /** How it is told that there was nothing to do, for begat-client to tell the next time; absent: that is not asked for. */
  readonly told?: (summary: BuildSummary) => ToldAnswer | undefined;
}

export interface ToldAnswer {
  /** Words of the command line. */
  readonly words: readonly string[];
  readonly isTerminal: boolean;
  /** What is printed before and after the time that it took. */
  readonly before: string;
  readonly after: string;
  readonly time: "people" | "milliseconds";
}

export interface CacheChoice {
  /** As `FarmChoice` has it. */
  readonly address: string;
  readonly instance: string;
  /** Results that are made here go there. */
  readonly write: boolean;
  /** Results that nobody proves are taken, as level `none`. */
  readonly takesUnsigned: boolean;
}

export interface FarmChoice {
  /** `HOST:PORT` of a farm's leader, `joined`, or `grpc[s]://HOST:PORT`. */
  readonly address: string;
  /** REAPI instance name; empty for the server's own default. */
  readonly instance: string;
  /** What is fetched of what was made there: all of it, what is wanted in the checkout, or nothing before it is needed. */
  readonly download: "all" | "toplevel" | "none";
  /** Which builds of others its chores go before. */
  readonly priority: "interactive" | "ci" | "background";
}

export interface FormatRequest {
  readonly directory: string;
  /** As written; empty means `begatfile`. */
  readonly paths: readonly string[];
  /** Changes nothing. */
  readonly check: boolean;
}

export interface FormatReport {
  /** In the order given. A file with mistakes is left alone. */
  readonly files: readonly {
    readonly path: string;
    readonly state: "formatted" | "unformatted" | "same" | "mistaken";
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface CheckReport {
  readonly diagnostics: readonly Diagnostic[];
  readonly begatfiles: number;
  readonly chores: number;
  readonly images: number;
  readonly sources: number;
}

export interface GraphRequest extends WorkspaceOptions {
  /** Only what these need; empty means everything. */
  readonly targets: readonly string[];
}

/** Chores and the paths between them. Places in the arrays are the names. */
export interface GraphView {
  readonly diagnostics: readonly Diagnostic[];
  readonly chores: readonly {
    readonly label: string;
    readonly dictum: string;
    /** `begatfile:14:1`. */
    readonly at: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    /** Properties it takes and gives. */
    readonly imports: readonly string[];
    readonly up: readonly string[];
    /** Indices into `chores`: whose outputs or properties it needs; sorted. */
    readonly needs: readonly number[];
  }[];
}

/** What the records say about one execution. */
export interface ExecutionView {
  readonly seq: number;
  /** Leaf hash of the record this rests on. */
  readonly leaf: string;
  readonly kind: "exec" | "fail";
  readonly build: string;
  readonly chore: string;
  readonly action: string;
  readonly image: string;
  readonly rnode: string;
  readonly level: IsolationLevel;
  readonly exit: number;
  /** Of a failure: verdict and detail. */
  readonly detail: string | undefined;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly why: string;
  /** Where a farm was at hand: why it ran where it did. */
  readonly on: string | undefined;
  readonly outputs: readonly OutputView[];
  /** Whether the signature over the regenerated statement holds and its key is endorsed. */
  readonly signature: "holds" | "broken" | "unknown key";
}

export interface OutputView {
  readonly path: string;
  readonly hash: string;
  readonly sizeBytes: number;
  readonly kind: "file" | "executable" | "tree" | "symlink";
}

/** Answer to `begat why`: the newest execution, the reason it had, and what differed from the one before. */
export interface WhyView {
  readonly execution: ExecutionView;
  readonly reason: string;
  /** The execution it is compared with. */
  readonly previous: { readonly seq: number; readonly leaf: string; readonly startedAt: string } | undefined;
  readonly changes: readonly ChangeView[];
  /** Whether a later build used the result although inputs were others by then, which the execution had not read. */
  readonly kept:
    | {
        /** The `hits` record that says so. */
        readonly record: number;
        readonly build: string;
        readonly at: string;
        readonly changes: readonly ChangeView[];
      }
    | undefined;
  /** What the next build would decide now, where that can be said without building. */
  readonly now: string | undefined;
}

/** Answer to `begat why --unused`: each chore that makes the target, and what it declares and did not look at. */
export interface UnusedView {
  readonly chores: readonly {
    readonly chore: string;
    /** `begatfile:14:1`. */
    readonly at: string;
    /** Inputs declared in `in[]`. */
    readonly declared: number;
    readonly unused: readonly string[];
  }[];
}

export interface ChangeView {
  readonly field: "input" | "variable" | "recipe" | "image" | "output" | "platform" | "directory";
  /** Path or variable; empty where the field has no names. */
  readonly name: string;
  /** `undefined`: it was not there. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface LogRequest {
  readonly directory: string;
  /** A record's number, a chore's label, an output's path, a digest (or its first 8 digits); `undefined`: everything. */
  readonly about: string | undefined;
  /** The newest so many. */
  readonly limit: number;
  /** Kinds of records; empty means all. */
  readonly kinds: readonly string[];
}

export interface LogView {
  /** Newest last. */
  readonly lines: readonly {
    readonly seq: number;
    readonly leaf: string;
    readonly time: string;
    readonly kind: string;
    /** Label, goal, source name: what it is about. */
    readonly subject: string;
    /** `exit 2 after 0.08s`, `3 executed, 36 cached`: how it went. */
    readonly detail: string;
  }[];
  /** Where the question was about one execution: all of it, with what it printed as kept. */
  readonly execution: ExecutionView | undefined;
  readonly printed: { readonly stdout: string; readonly stderr: string } | undefined;
  readonly ledgerSize: number;
}

export interface ProvRequest {
  readonly directory: string;
  /** A path in the checkout or a SHA-256. */
  readonly artifact: string;
  /** As of this many records, or of this time; absent: now. */
  readonly at?: string;
}

/** Who, what, when, from what: one artifact. */
export interface ProvView {
  readonly path: string;
  readonly hash: string;
  /** Whether the bytes in the checkout are those of the record; `absent` where nothing is there to compare. */
  readonly checkout: "same" | "different" | "absent";
  readonly execution: ExecutionView;
  /** SLSA build level, and who else has vouched for, or keeps, a size of the ledger that covers the record. */
  readonly slsa: string;
  readonly witnesses: readonly string[];
  readonly recipe: string;
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly inputs: readonly {
    readonly path: string;
    readonly hash: string;
    readonly madeBy: number | undefined;
    /** Whether the recipe read it; `undefined` where the record does not say. */
    readonly used: boolean | undefined;
  }[];
}

export interface ProvTreeRequest extends ProvRequest {
  /** `undefined`: to the sources. */
  readonly depth: number | undefined;
  /** Only the leaves. */
  readonly sourcesOnly: boolean;
}

export interface ProvNode {
  readonly path: string;
  readonly hash: string;
  /** Made by that execution, or a source: a file of the checkout, or an outside input that a record ingested. */
  readonly origin:
    | { readonly kind: "execution"; readonly seq: number; readonly chore: string; readonly level: IsolationLevel }
    | { readonly kind: "ingest"; readonly seq: number; readonly name: string }
    | { readonly kind: "source" };
  readonly inputs: readonly ProvNode[];
  /** Shown further up already; its inputs are not repeated. */
  readonly repeated: boolean;
}

/** An answer, or why there is none: nothing made it, or its record does not hold. */
export type Proven<T> =
  | { readonly found: true; readonly answer: T }
  | { readonly found: false; readonly because: string; readonly hint: string | undefined };

export interface LedgerVerifyRequest {
  readonly signatures: boolean;
  /** An exported ledger, absolute; `undefined`: the user's own. */
  readonly tiles: string | undefined;
}

export interface LedgerVerdict {
  readonly verdict: "holds" | "not proven" | "tampered" | "rolled back" | "could not check";
  readonly path: string;
  readonly identity: string | undefined;
  readonly size: number;
  readonly executions: number;
  /** Signatures that were checked. */
  readonly signatures: number;
  /** Merkle root of the records. */
  readonly root: string | undefined;
  /** Signed sizes that were compared. */
  readonly checkpoints: number;
  /** Whether anybody but this machine vouches for the ledger. */
  readonly witnessed: boolean;
  /** What is wrong, worst first: which record, expected, found. */
  readonly problems: readonly { readonly seq: number | undefined; readonly message: string }[];
  /** What is no fault but worth knowing: a build that never ended. */
  readonly notes: readonly string[];
  readonly durationMs: number;
}

export interface CacheStats {
  readonly directory: string;
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly quarantined: number;
  readonly executions: number;
  readonly indexSizeBytes: number;
  readonly leases: number;
}

export interface CacheVerdict {
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly bad: readonly { readonly hash: string; readonly found: string; readonly movedTo: string }[];
  readonly durationMs: number;
}

export interface CollectionReport {
  readonly removed: number;
  readonly freedBytes: number;
  readonly kept: number;
  readonly keptBytes: number;
  /** Kept only because a running build uses them or the ledger needs them. */
  readonly leased: number;
  readonly dryRun: boolean;
}

export interface DoctorReport {
  readonly findings: readonly Finding[];
  readonly executors: readonly { readonly name: string; readonly capabilities: Capabilities }[];
}

export interface Finding {
  /** `node`, `state home`, `ledger`, `disk`: the left column. */
  readonly subject: string;
  readonly state: "ok" | "weak" | "bad";
  readonly text: string;
  readonly hint: string | undefined;
}

/** All that the verbs ask of the rooms behind them. What these throw is printed, with its hint, by the caller. */
export interface Services
  extends ControlServices,
    DaemonServices,
    FarmServices,
    FulcrumServices,
    ImageServices,
    LedgerServices,
    ProofServices,
    QuestionServices {
  /** Cancelling by `signal` still ends in a summary, with outcome `cancelled`. */
  build(options: BuildOptions, listener: EventListener, signal: AbortSignal): Promise<BuildSummary>;
  /**
   * Builds, and again whenever something changes that the build rests on, until `signal` aborts; `observer` is told.
   *
   * @throws {ChangeFeedError} where nothing can be watched.
   */
  watch(options: BuildOptions, observer: WatchObserver, signal: AbortSignal): Promise<void>;
  format(request: FormatRequest): Promise<FormatReport>;
  check(options: WorkspaceOptions): Promise<CheckReport>;
  graph(request: GraphRequest): Promise<GraphView>;
  /** @param about A target's path or a chore's label. */
  why(options: WorkspaceOptions, about: string): Promise<Proven<WhyView>>;
  /** Runs the chores that make `about` once more, traced; records nothing. */
  unused(options: WorkspaceOptions, about: string, signal: AbortSignal): Promise<Proven<UnusedView>>;
  log(request: LogRequest): Promise<LogView>;
  provShow(request: ProvRequest): Promise<Proven<ProvView>>;
  provTree(request: ProvTreeRequest): Promise<Proven<ProvNode>>;
  ledgerVerify(options: LedgerVerifyRequest): Promise<LedgerVerdict>;
  cacheStats(): Promise<CacheStats>;
  cacheVerify(): Promise<CacheVerdict>;
  cacheGc(options: { readonly maxSizeBytes: number; readonly dryRun: boolean }): Promise<CollectionReport>;
  doctor(options: { readonly directory: string }): Promise<DoctorReport>;
  /** Ends launchers, closes files. Idempotent. */
  close(): Promise<void>;
}
