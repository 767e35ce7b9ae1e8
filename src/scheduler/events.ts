import type { IsolationLevel, Sha256 } from "../base/index.ts";
import type { Diagnostic } from "../dictum-parser/index.ts";
import type { Verdict } from "../executor/index.ts";
import type { Place } from "./place.ts";

/** Why a chore is executed, or why not: decided once, shown by the live view, `begat why`, and the ledger. */
export type Decision =
  | { readonly reason: "settled" }
  /** `rnode`: it had executed it before, and brought the result. */
  | { readonly reason: "cached"; readonly seq: number; readonly rnode?: string }
  /** As `cached`: what made the result did not read what is different now. */
  | {
      readonly reason: "unused input changed";
      readonly input: string;
      readonly from: string;
      readonly to: string;
      readonly seq: number;
    }
  | { readonly reason: "new" }
  | {
      readonly reason: "input changed";
      readonly input: string;
      readonly from: string;
      readonly to: string;
      readonly was: number | undefined;
    }
  | { readonly reason: "image changed"; readonly from: string; readonly to: string; readonly was: number | undefined }
  | { readonly reason: "recipe changed"; readonly was: number | undefined }
  | {
      readonly reason: "variable changed";
      readonly name: string;
      readonly from: string;
      readonly to: string;
      readonly was: number | undefined;
    }
  | { readonly reason: "declaration changed"; readonly what: string; readonly was: number | undefined }
  | { readonly reason: "evicted"; readonly output: string }
  | { readonly reason: "forced" }
  | { readonly reason: "volatile" }
  | { readonly reason: "untrusted"; readonly because: string }
  | { readonly reason: "quarantined"; readonly because: string }
  | { readonly reason: "challenge" };

/** A chore as people meet it. `index` is its place in the plan, 0-based. */
export interface ChoreName {
  readonly index: number;
  readonly label: string;
  readonly outputs: readonly string[];
}

/** Something a failed chore looked for and was not given. */
export type MissingPath =
  /** A file of the checkout that its `in[]` does not declare. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "output"; readonly path: string; readonly madeBy: string }
  /** A file of a Debian package that is not in its image (`host`: not on this machine). */
  | { readonly kind: "package"; readonly path: string; readonly package: string; readonly image: string };

/** What a failed chore leaves for the person who must mend it. */
export interface FailureReport {
  readonly chore: ChoreName;
  readonly verdict: Verdict;
  readonly detail: string;
  readonly hint: string | undefined;
  readonly decision: Decision;
  /** `begatfile:14:1`. */
  readonly at: string;
  /** A line for the shell that builds just this: `begat build obj/a.o`. */
  readonly repeat: string;
  /** As kept: the first and last of it where it was long. */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  readonly undeclared: readonly string[];
  /** What it lacked, as another run under tracing showed; at most 5, the likeliest first. */
  readonly explanation?: readonly MissingPath[] | undefined;
}

/** Where two results of one action first differ. */
export interface Difference {
  /** `missing` and `extra`: the second time; `failed`: the second run did. */
  readonly kind: "bytes" | "extra" | "failed" | "kind" | "link" | "missing" | "mode";
  /** The output; empty for `failed`. */
  readonly path: string;
  /** Within a tree. */
  readonly member?: string | undefined;
  /** Of `bytes`, 0-based, and the byte there the first and the second time; `undefined`: the file had ended. */
  readonly offset?: number | undefined;
  readonly first?: number | undefined;
  readonly second?: number | undefined;
  /** Of `failed`: how. */
  readonly detail?: string | undefined;
}

export interface BuildSummary {
  readonly outcome: "ok" | "failed" | "cancelled" | "refused";
  /** Chores the targets need. */
  readonly planned: number;
  readonly executed: number;
  readonly cached: number;
  readonly failed: number;
  readonly skipped: number;
  /** Proven up to date without a look-up. */
  readonly settled: number;
  /** Of those executed: how many elsewhere, by rnode. */
  readonly elsewhere?: Readonly<Record<string, number>> | undefined;
  /** Chores executed a second time, to compare; and those of them that came out otherwise. */
  readonly checked: number;
  readonly differing: number;
  /** Artifacts written to the checkout. */
  readonly materialised: number;
  readonly durationMs: number;
  readonly level: IsolationLevel;
  /** Records in the ledger; `undefined` where this build did not open it. */
  readonly ledgerSize: number | undefined;
  readonly dryRun: boolean;
}

/** Everything that happens in a build, in order. The live view, plain lines and `--json` are three readers of it. */
export type BuildEvent =
  /** The build is done, and so many directories are watched for the next one. */
  | { readonly type: "watching"; readonly directories: number }
  /** A build begins because of these: sources, what begatfiles read, or outputs that are out of place. */
  | { readonly type: "changed"; readonly paths: readonly string[] }
  /** Another build holds this checkout; begat waits for it. */
  | { readonly type: "waiting"; readonly pid: number | undefined }
  | { readonly type: "diagnostics"; readonly diagnostics: readonly Diagnostic[] }
  | { readonly type: "fetching"; readonly name: string; readonly what: string }
  | {
      readonly type: "fetched";
      readonly name: string;
      readonly version: string;
      readonly sizeBytes: number;
      readonly lockChanged: boolean;
    }
  | {
      readonly type: "build-started";
      readonly build: string;
      readonly targets: readonly string[];
      readonly planned: number;
      readonly jobs: number;
      readonly executor: string;
      readonly level: IsolationLevel;
    }
  /** How much there is still to do, by the recorded durations; repeated as it changes. `undefined`: nothing is known. */
  | {
      readonly type: "progress";
      readonly decided: number;
      readonly planned: number;
      readonly running: number;
      readonly remainingMs: number | undefined;
    }
  | {
      readonly type: "chore-started";
      readonly chore: ChoreName;
      readonly decision: Decision;
      readonly expectedMs: number | undefined;
      /** It owns the terminal while it runs. */
      readonly interactive: boolean;
      /** Where there is a farm: where it runs, and why there. */
      readonly place?: Place | undefined;
      readonly atMs: number;
    }
  /** Output as it comes; only from `interactive` chores, or with `--verbose`. */
  | {
      readonly type: "chore-output";
      readonly chore: ChoreName;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  | {
      readonly type: "chore-finished";
      readonly chore: ChoreName;
      readonly decision: Decision;
      /** Of a chore that ran elsewhere: on which rnode, or by whom. */
      readonly rnode?: string | undefined;
      readonly durationMs: number;
      readonly changed: boolean;
      /** What a successful chore printed, if anything: warnings are worth reading. */
      readonly stdout: string;
      readonly stderr: string;
      readonly undeclared: readonly string[];
    }
  /** A chore was executed again under other conditions; `unchecked`: that could not be done, `because` says why. */
  | {
      readonly type: "chore-checked";
      readonly chore: ChoreName;
      readonly verdict: "differ" | "match" | "unchecked";
      readonly difference: Difference | undefined;
      readonly because: string | undefined;
      /** Record of the execution it was compared with, and the one that says how it came out. */
      readonly of: number | undefined;
      readonly record: { readonly seq: number; readonly leaf: string } | undefined;
    }
  | {
      readonly type: "chore-cached";
      readonly chore: ChoreName;
      readonly seq: number;
      readonly decision: Extract<Decision, { reason: "cached" | "unused input changed" }>;
    }
  | { readonly type: "chore-failed"; readonly failure: FailureReport }
  | { readonly type: "chore-skipped"; readonly chore: ChoreName; readonly because: string }
  /** Of a dry run: would be executed, or (reason `maybe`) depends on what runs before it, or would not (`unused input changed`). */
  | {
      readonly type: "chore-planned";
      readonly chore: ChoreName;
      readonly decision: Decision | { readonly reason: "maybe"; readonly after: string };
    }
  | {
      readonly type: "notice";
      readonly severity: "note" | "warning" | "error";
      readonly code: string;
      readonly message: string;
      readonly hint: string | undefined;
    }
  | { readonly type: "materialised"; readonly path: string; readonly hash: Sha256 }
  | { readonly type: "build-finished"; readonly summary: BuildSummary };

export type EventListener = (event: BuildEvent) => void;
