import type { Digest, IsolationLevel, Sha256, WorkspacePath } from "../base/index.ts";
import type { ActionIndex, BlobStore, BulkFiles, ProcessTable } from "../cache/index.ts";
import type { ImageDeclaration } from "../dictum-parser/index.ts";
import type {
  ExecutionPurpose,
  ExecutionRequest,
  ExecutionResult,
  Executor,
  InputFile,
  InputLink,
} from "../executor/index.ts";
import type { SourceProvider } from "../hermetic/index.ts";
import type { Clock, Log, Random } from "../ports/index.ts";
import type { ExecBody, IngestBody, Ledger, Signer } from "../provenance/index.ts";
import type { Checkout } from "./checkout.ts";
import type { Plan } from "./plan.ts";
import type { Selection } from "./targets.ts";
import type { Trust } from "./trust.ts";
import type { WarmBuild } from "./warm-build.ts";

/** Identity of the host's own tools: what takes the image's place in the key of a chore without one. */
export interface HostIdentity {
  /** Value of the platform property. */
  readonly image: string;
  /** Absolute paths that it rests on; while none changes it need not be worked out again. */
  readonly watched: readonly string[];
}

/** The ledger and what is derived from it; opened only when a build has something to look up or to record. */
export interface Records {
  readonly ledger: Ledger;
  readonly index: ActionIndex;
  readonly signer: Signer;
  /** Name of this machine in records. */
  readonly rnode: string;
  readonly trust: Trust;
  /** Brings the index up to the ledger. */
  catchUp(): void;
}

/** An image resolved: what goes into it, pinned. */
export interface ImageSpec {
  readonly name: string;
  /** Canonical JSON; with `pinned` and the files it takes from the workspace it decides every byte of the image. */
  readonly text: string;
  /** Packages and other outside files, by name and digest. */
  readonly pinned: readonly { readonly name: string; readonly digest: Digest }[];
}

/** What an image and its bases take from the workspace, all of it digested. */
export interface ImageContent {
  /** At their workspace paths; the spec says where in the image each belongs. */
  readonly files: readonly InputFile[];
  readonly links: readonly InputLink[];
  readonly emptyDirectories: readonly WorkspacePath[];
}

export interface BuiltImage {
  /** OCI config digest: the image's identity. */
  readonly digest: Sha256;
  /** Scripts not run, dangling links, stripped bits: canonical JSON, kept with the travail. */
  readonly report: string;
  /** The report in a line for people; empty where there is nothing to say. */
  readonly summary: string;
}

/** hermetic's images, as the engine needs them. */
export interface Images {
  /** Pins what is not pinned yet, in begat.lock. */
  resolve(declarations: readonly ImageDeclaration[], signal: AbortSignal): Promise<readonly ImageSpec[]>;
  /** @param onIngested Told of each package that comes in, also where the image is then not built. */
  build(
    spec: ImageSpec,
    content: ImageContent,
    signal: AbortSignal,
    onIngested: (body: IngestBody) => void,
  ): Promise<BuiltImage>;
  /** Absolute: the root file system of a built image, ready to be mounted; `undefined` where it must be built first. */
  root(digest: Sha256): string | undefined;
}

/** What executes, and the isolation it gives: to recipes with the host's tools, and to those in an image. */
export interface ChosenExecutor {
  readonly executor: Executor;
  readonly hostLevel: IsolationLevel;
  readonly imageLevel: IsolationLevel;
}

/** Executors that are elsewhere. */
export interface Farm {
  /** What it executes is proven (`travail`) or has level `none`. */
  readonly executor: Executor;
  /** Executions to have there at once, so that none of its slots waits for the next one's inputs. */
  readonly slots: number;
  /** Why this cannot be executed there; `undefined` where it may. */
  refuses(request: ExecutionRequest): string | undefined;
}

/** Results that others have come to, and share. */
export interface SharedResults {
  /** One that may be used; `undefined` where there is none, or nobody proves it. */
  find(request: ExecutionRequest, purpose: ExecutionPurpose, signal: AbortSignal): Promise<ExecutionResult | undefined>;
  /** Shares one that was made and signed here; absent: it is only read. Nobody waits for it. */
  offer?(request: ExecutionRequest, result: ExecutionResult, signed: ExecBody): void;
}

/** Everything a build needs from elsewhere. */
export interface BuildRooms {
  readonly checkout: Checkout;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly processes: ProcessTable;
  readonly blobs: BlobStore;
  readonly bulk: BulkFiles;
  /**
   * Probed, chosen, and never lowered in silence; remembered after the first call.
   *
   * @param images Whether recipes run in images, as the first call says; else `imageLevel` is not looked at: `none`.
   */
  executor(images?: boolean): Promise<ChosenExecutor>;
  /** Absent: everything runs here. Asked once, when the first chore is to be executed. */
  farm?(): Promise<Farm>;
  /** Absent: nobody is asked. */
  sharedResults?(): Promise<SharedResults | undefined>;
  records(): Promise<Records>;
  readonly sources: SourceProvider;
  /** Told of a plan before anything is done with it, unless the last build left it; may throw, and then nothing is. */
  onPlan?(plan: Plan, selection: Selection): void;
  /** What the last build of this process left; absent where every build is alone. */
  readonly warm?: WarmBuild;
  readonly images: Images;
  hostIdentity(tools: readonly string[]): HostIdentity;
  /** Directory of a declared source's tree. */
  sourceDirectory(name: string): WorkspacePath;
  /** Debian packages by the path they have or would have; paths of no known package are left out. Absent: unknown. */
  packagesOf?(paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** A file that changes when a source's tree is replaced or removed. */
  sourceMarker(name: string): WorkspacePath;
}

/** Executed chores are executed again and compared: at most `count` of them, each with a chance of `percent`. */
export interface CheckOptions {
  readonly count?: number | undefined;
  readonly percent?: number | undefined;
  /** How often each; absent: once. */
  readonly times?: number | undefined;
  /** Those too whose result is one of before. */
  readonly earlier?: boolean | undefined;
}

export interface BuildOptions {
  readonly version: string;
  readonly entries: readonly WorkspacePath[];
  readonly targets: readonly string[];
  /** Where the user stands, from the workspace root. */
  readonly directory: WorkspacePath;
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  /** Recipes at once on this machine; 0, with a farm: only what cannot run there. */
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly everyOutput: boolean;
  readonly minIsolation: IsolationLevel | undefined;
  /** The user chose an executor or level, so this build says nothing about the default. */
  readonly choseExecutor: boolean;
  /** For chores that name none, milliseconds; 0 for none. */
  readonly timeoutMs: number;
  /** Capacities by name, beside `cpu` (= jobs). */
  readonly resources: Readonly<Record<string, number>>;
  readonly verbose: boolean;
  /** `false`: nothing is written to the checkout, whatever was asked for. */
  readonly places?: boolean;
  /** `false`: failed chores are not run again to see what they lacked. */
  readonly explain?: boolean;
  readonly check?: CheckOptions | undefined;
  /** Who asked: login name. */
  readonly who: string;
  env(name: string): string | undefined;
}
