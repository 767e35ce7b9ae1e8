import type { WorkspacePath } from "../base/index.ts";

/** A place in a begatfile; line and column are 1-based, the column counts UTF-16 units. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A file (`obj/a.o`) or a directory with all it holds (`docs/`, written with a trailing slash). */
export interface ChorePath {
  readonly path: WorkspacePath;
  readonly kind: "file" | "tree";
}

export interface ChoreMount {
  /** Where the tree stands in the sandbox, from the workspace root. */
  readonly where: WorkspacePath;
  readonly mode: "ro";
  /** The tree's directory in the workspace. */
  readonly source: WorkspacePath;
}

/** One instantiated dictum, every variable resolved; what the scheduler plans with. */
export interface EvaluatedChore {
  /** The dictum's name. */
  readonly dictum: string;
  /** `compile(src/a.c)`; unique in a build because two chores cannot make the same output. Shown, and kept as history's key. */
  readonly label: string;
  /** Where it was instantiated (`run`, `apply`). */
  readonly at: Place;
  /** Where the recipe runs: the `cd` scope. */
  readonly directory: WorkspacePath;
  /** In the order written, duplicates removed. */
  readonly inputs: readonly ChorePath[];
  readonly outputs: readonly ChorePath[];
  /** Properties the recipe must write to `BEGAT_UP`. */
  readonly up: readonly string[];
  /** Imported names that no variable in scope has: properties of another chore. */
  readonly properties: readonly string[];
  /** Arguments, imported variables, `down` settings, `in` and `out`; sorted by name, lists joined by blanks. */
  readonly env: readonly (readonly [name: string, value: string])[];
  /** `["sh", "-eu"]` unless the dictum names another. */
  readonly interpreter: readonly string[];
  /** Verbatim. */
  readonly recipe: string;
  /** Name of an image, or `host`. */
  readonly image: string;
  readonly attributes: ChoreAttributes;
  /** Host programs whose identity belongs in the key. */
  readonly tools: readonly string[];
  /** 0: none given. */
  readonly timeoutMs: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly network: "none" | "host";
  readonly mounts: readonly ChoreMount[];
  /** The file in which the recipe says what it read, in the syntax of make. */
  readonly depfile: WorkspacePath | undefined;
}

export interface ChoreAttributes {
  /** Runs in every build; early cut-off still applies behind it. */
  readonly volatile: boolean;
  /** Its result is never used again. */
  readonly nocache: boolean;
  readonly interactive: boolean;
  /** Nothing else runs beside it. */
  readonly exclusive: boolean;
  /** Runs until its outputs no longer change, at most this often; 0 where not asked for. */
  readonly fixpoint: number;
  /** Runs traced; inputs it did not look at do not make it run again. */
  readonly traced: boolean;
}

/** `image N { ... }` or `image N = oci("...")`: read here, built by hermetic. */
export interface ImageDeclaration {
  readonly name: string;
  readonly at: Place;
  /** In the order written: `deb`, `npm`, `file`, `oci`, `from`, `link`, `env`, `user` and their words. */
  readonly parts: readonly { readonly kind: string; readonly words: readonly string[]; readonly at: Place }[];
}

/** `source N { deb-src "lua5.4" }`: a pinned outside input. `$N` is the directory its tree stands in. */
export interface SourceDeclaration {
  readonly name: string;
  readonly at: Place;
  readonly kind: "deb-src" | "npm" | "url" | "git";
  readonly words: readonly string[];
}

export interface GroupDeclaration {
  readonly name: string;
  readonly at: Place;
  readonly members: readonly ChorePath[];
}

/** What an evaluation read. While none of it changes, the same chores come out, and nothing need be parsed. */
export interface EvaluationReads {
  /** Begatfiles and `read` files, from the workspace root; absent ones too, since making one would change the result. */
  readonly files: readonly WorkspacePath[];
  /** Directories that a `glob` listed. */
  readonly directories: readonly WorkspacePath[];
  /** `env("NAME")` and what it gave. */
  readonly env: readonly (readonly [name: string, value: string | undefined])[];
}
