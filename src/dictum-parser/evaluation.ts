import type { WorkspacePath } from "../base/index.ts";
import type {
  EvaluatedChore,
  EvaluationReads,
  GroupDeclaration,
  ImageDeclaration,
  SourceDeclaration,
} from "./chore.ts";
import type { Diagnostic } from "./diagnostic.ts";

/** What evaluation asks of the outside. Answers are remembered as `EvaluationReads`. */
export interface EvaluationHost {
  /** `undefined` when it is not there; throws what the file system says otherwise. */
  readFile(path: WorkspacePath): Uint8Array | undefined;
  /** Entries sorted by UTF-8 bytes; a symlink to a directory counts as a directory. `undefined`: no such directory. */
  listDirectory(path: WorkspacePath): readonly HostEntry[] | undefined;
  env(name: string): string | undefined;
}

export interface HostEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "other" | "not-utf8";
  /** A directory reached through a symlink: `**` does not go into it, so that a loop of them has an end. */
  readonly link?: boolean;
}

export interface EvaluationRequest {
  /** Begatfiles to read, from the workspace root, in order; definitions are shared between them. */
  readonly entries: readonly WorkspacePath[];
  /** `begat build N=v`: values for `var N ?= v`. Naming any other variable is a diagnostic. */
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  /** Directory, from the workspace root, where the tree of a declared source stands: what `$name` becomes. */
  sourceDirectory(name: string): WorkspacePath;
}

export interface Evaluation {
  /** All mistakes of all files, in order of place. With an error among them no chore may be run. */
  readonly diagnostics: readonly Diagnostic[];
  readonly reads: EvaluationReads;
  readonly images: readonly ImageDeclaration[];
  readonly sources: readonly SourceDeclaration[];
  readonly groups: readonly GroupDeclaration[];
  readonly choreCount: number;
}

/** Takes chores one at a time, so that 100,000 of them need never stand in memory at once. */
export type ChoreSink = (chore: EvaluatedChore) => void;
