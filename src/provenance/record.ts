import type { IsolationLevel, Sha256 } from "../base/index.ts";
import type { ControlBody, RecoveryBody } from "./control/control-record.ts";
import type { RekorBody } from "./rekor-body.ts";

/**
 * Records of the ledger, as docs/formats.md writes them down. Every record in the ledger also has `v` (1), `log`
 * (origin), `seq`, `prev` (RFC 6962 leaf hash of the record before; 64 zeros at seq 0) and `time` (advisory, RFC 3339
 * with milliseconds, Z), which the ledger adds.
 */
export type RecordBody =
  | GenesisBody
  | BuildBeginBody
  | ExecBody
  | FailBody
  | HitsBody
  | BuildEndBody
  | IngestBody
  | ChallengeBody
  | ControlBody
  | RecoveryBody
  | RekorBody;

export interface PublicKeyEntry {
  readonly alg: "ed25519";
  /** SHA-256 of the SPKI DER. */
  readonly id: Sha256;
  /** The raw 32 bytes, base64. */
  readonly pub: string;
  readonly role: "admin" | "log" | "rnode" | "root" | "witness";
  readonly rnode?: string;
}

/** The first record; its leaf hash is the ledger's identity. */
export interface GenesisBody {
  readonly kind: "genesis";
  readonly cluster: string;
  readonly keys: readonly PublicKeyEntry[];
  readonly policy: string;
}

/** Commits to the set of chores a build intends: their labels under one hash, see `planRoot`. */
export interface BuildBeginBody {
  readonly kind: "build.begin";
  readonly build: string;
  readonly goal: readonly string[];
  readonly plan: { readonly n: number; readonly root: Sha256 };
  /** Overridden variables, for the record. */
  readonly vars: { readonly [name: string]: string };
  readonly who: string;
  readonly source?: { readonly git?: string; readonly tree?: Sha256 };
  /** Set by the ledger where `goal` was too long to stand in the record. */
  readonly more?: ListReference;
}

/**
 * A list kept as a manifest (canonical JSON array) because it has more than 64 members; the member it replaces is then
 * `[]` in the record's bytes. The ledger puts it away on append and fills it in again on `record`.
 */
export interface ListReference {
  readonly n: number;
  readonly root: Sha256;
}

export interface ExecOutput {
  /** Workspace path. */
  readonly p: string;
  /** SHA-256 of the bytes; of a tree, of its REAPI Tree message. */
  readonly d: Sha256;
  /** Size in bytes of that blob. */
  readonly n: number;
  /** `x` executable file, `t` tree, `l` symlink (d is of the target's text); absent for a plain file. */
  readonly m?: "x" | "t" | "l";
  /** Target of a symlink. */
  readonly l?: string;
}

/** Why a chore was executed: the decision of the scheduler, kept for ever. */
export interface WhyBody {
  readonly r: string;
  /** Ledger seq of the execution it is compared with. */
  readonly was?: number;
  /** Which input, variable, tool: the field that differed. */
  readonly what?: string;
  readonly from?: string;
  readonly to?: string;
  /** Where a farm was at hand: why it ran where it did. */
  readonly on?: string;
}

/**
 * Where the rnode that executed thought it was, when that was not here: the statement it signed names this build of that
 * ledger and not the one the record stands in.
 */
export interface SignedContext {
  /** Origin of the ledger. */
  readonly log: string;
  readonly build: string;
  readonly chore: string;
  readonly dictum: string;
  readonly attempt: number;
  /** Taken over from an execution that was there already: it counts as a hit in the books of the build. */
  readonly cached?: boolean;
}

interface ExecutedBody {
  readonly build: string;
  readonly action: Sha256;
  /** Size in bytes of the Action message. */
  readonly asize: number;
  readonly dictum: string;
  /** `dictum(args)`. */
  readonly chore: string;
  /** Image or host identity, as in the platform property. */
  readonly image: string;
  /** Input root: number of files and digest of the root Directory. */
  readonly in: { readonly n: number; readonly root: Sha256 };
  readonly out: readonly ExecOutput[];
  readonly props?: { readonly [name: string]: string };
  /** Inputs that the recipe read, where that is known: manifest `["path",...]`, and the pruned key of `action` for them. */
  readonly used?: { readonly n: number; readonly root: Sha256; readonly key: Sha256 };
  /** Digests of what was printed (as kept). */
  readonly io: { readonly out: Sha256; readonly err: Sha256 };
  readonly exit: number;
  /** Wall time, milliseconds since 1970, start and end. */
  readonly t0: number;
  readonly t1: number;
  /** Milliseconds the recipe took, monotonic. */
  readonly ms: number;
  readonly rnode: string;
  readonly level: IsolationLevel;
  readonly sandbox: { readonly [field: string]: string | readonly string[] | boolean };
  readonly ver: string;
  readonly why: WhyBody;
  /** Which try of this action in this build, from 1. */
  readonly attempt: number;
  /** SHA-256 of the SLSA statement, and the rnode key's signature over its DSSE PAE. */
  readonly stmt: Sha256;
  readonly key: Sha256;
  readonly sig: string;
  readonly from?: SignedContext;
  /** Set by the ledger where `out` was too long to stand in the record. */
  readonly more?: ListReference;
}

/** One executed chore whose result counts: a travail. */
export interface ExecBody extends ExecutedBody {
  readonly kind: "exec";
  /** Its result may be used again (no `nocache`, no limit event). */
  readonly cacheable: boolean;
}

/** An executed chore that failed. Recorded, never used. */
export interface FailBody extends ExecutedBody {
  readonly kind: "fail";
  readonly verdict: string;
  readonly detail: string;
}

/** One a build: the manifest of action -> seq of the travail used again. */
export interface HitsBody {
  readonly kind: "hits";
  readonly build: string;
  readonly n: number;
  /** SHA-256 of the manifest, canonical JSON `[{"a":action,"f":action?,"s":seq}...]` sorted; kept as a manifest blob. */
  readonly root: Sha256;
}

export interface BuildEndBody {
  readonly kind: "build.end";
  readonly build: string;
  readonly begin: number;
  /** Every planned chore in exactly one: executed, hit, failed, skipped (behind a failure or not reached), settled (proven up to date without a look-up). */
  readonly n: {
    readonly exec: number;
    readonly hit: number;
    readonly fail: number;
    readonly skip: number;
    readonly settled: number;
  };
  readonly outcome: "ok" | "failed" | "cancelled";
  readonly artifacts: readonly { readonly p: string; readonly d: Sha256 }[];
  /** Set by the ledger where `artifacts` was too long to stand in the record. */
  readonly more?: ListReference;
}

/** An outside input enters: a source tree, an image, a package. */
export interface IngestBody {
  readonly kind: "ingest";
  readonly name: string;
  /** What was asked for: `deb-src:lua5.4`, `npm:esbuild`, `url:...` (without credentials). */
  readonly uri: string;
  readonly version: string;
  /** Each fetched file, verified against the lock. */
  readonly files: readonly { readonly p: string; readonly d: Sha256; readonly n: number }[];
  /** The unpacked tree. */
  readonly tree?: Sha256;
  readonly by: string;
  /** Set by the ledger where `files` was too long to stand in the record. */
  readonly more?: ListReference;
}

/** Where two executions of one action first differ. */
export interface ChallengeDifference {
  /** The output. */
  readonly p: string;
  /** Within a tree: the member. */
  readonly m?: string;
  /** `bytes`, `missing` (the second time), `extra`, `kind`, `mode`, `link`, or `failed` (then `t` says how). */
  readonly w: "bytes" | "extra" | "failed" | "kind" | "link" | "missing" | "mode";
  /** Of `bytes`: offset, and the byte there first and then; absent where that file had ended. */
  readonly at?: number;
  readonly a?: number;
  readonly b?: number;
  readonly t?: string;
}

/** An action executed once more under other conditions, and its result compared with that of a travail. */
export interface ChallengeBody {
  readonly kind: "challenge";
  readonly build: string;
  /** Seq of the travail. */
  readonly of: number;
  /** Seq of the later travail that came out otherwise, where the second execution was recorded as one. */
  readonly again?: number;
  readonly action: Sha256;
  readonly chore: string;
  readonly verdict: "differ" | "match";
  /** Of the conditions. */
  readonly seed: number;
  /** Outputs that came out otherwise, as they came out; at most 64. */
  readonly out: readonly ExecOutput[];
  /** Present where the verdict is `differ`. */
  readonly diff?: ChallengeDifference;
  readonly rnode: string;
  readonly level: IsolationLevel;
  readonly t0: number;
  readonly t1: number;
  readonly ms: number;
  readonly ver: string;
  readonly key: Sha256;
  /** Over all of this, see docs/formats.md. */
  readonly sig: string;
}

/** What the ledger adds to a body. */
export interface RecordFrame {
  readonly v: 1;
  readonly log: string;
  readonly seq: number;
  readonly prev: Sha256;
  readonly time: string;
}

/** A record as it stands in the ledger. Of a Rekor leaf, which holds no frame, `time` is empty and the rest is from its place. */
export type LedgerRecord = RecordBody & RecordFrame;

/** The two kinds that tell of an execution. */
export type ExecutionRecord = (ExecBody | FailBody) & RecordFrame;
