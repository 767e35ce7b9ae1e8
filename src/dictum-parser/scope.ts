import type { WorkspacePath } from "../base/index.ts";
import type { ChoreMount } from "./chore.ts";
import type { DictumConstants } from "./section-values.ts";
import type { SourceText } from "./source-text.ts";
import type { DictumStatement, FuncStatement } from "./syntax.ts";

/** What a variable's name stands for. */
export interface Binding {
  readonly values: readonly string[];
  /** Of a source: its directory from the workspace root. Its value is that directory as seen from the `cd` scope. */
  readonly sourceDirectory: WorkspacePath | undefined;
  readonly source: SourceText;
  readonly at: number;
}

/** A dictum or func, with the scope it was written in: that is where its free names are looked up. */
export class Definition {
  readonly node: DictumStatement | FuncStatement;
  readonly scope: Scope;
  readonly source: SourceText;
  readonly paramNames: readonly string[];
  /** Sections that hold no variable are worked out once. */
  constants: DictumConstants | undefined;
  recipeChecked = false;

  constructor(node: DictumStatement | FuncStatement, scope: Scope, source: SourceText) {
    this.node = node;
    this.scope = scope;
    this.source = source;
    this.paramNames = node.params.map((param) => param.text);
  }
}

/** Names of one block: a file's, a `cd`'s, a func call's, or the arguments of one dictum. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly #params: readonly string[];
  readonly #args: readonly (readonly string[])[];
  #bindings: Map<string, Binding> | undefined;
  #definitions: Map<string, Definition> | undefined;
  #included: Set<string> | undefined;

  constructor(
    parent: Scope | undefined,
    params: readonly string[] = NONE,
    args: readonly (readonly string[])[] = NONE,
  ) {
    this.parent = parent;
    this.#params = params;
    this.#args = args;
  }

  bind(name: string, binding: Binding): void {
    this.#bindings ??= new Map();
    this.#bindings.set(name, binding);
  }

  define(name: string, definition: Definition): void {
    this.#definitions ??= new Map();
    this.#definitions.set(name, definition);
  }

  ownBinding(name: string): Binding | undefined {
    return this.#bindings?.get(name);
  }

  ownDefinition(name: string): Definition | undefined {
    return this.#definitions?.get(name);
  }

  isParam(name: string): boolean {
    return this.#params.includes(name);
  }

  /** Values of the variable `name`, in this scope or one around it; as seen from `directory` where it is a source. */
  valuesOf(name: string, directory: WorkspacePath, view: SourceView): readonly string[] | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const index = scope.#params.indexOf(name);
      if (index >= 0) return scope.#args[index];
      const binding = scope.#bindings?.get(name);
      if (binding === undefined) continue;
      return binding.sourceDirectory === undefined ? binding.values : [view(directory, binding.sourceDirectory)];
    }
    return undefined;
  }

  has(name: string): boolean {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      if (scope.#bindings?.has(name) === true || scope.#params.includes(name)) return true;
    }
    return false;
  }

  definition(name: string): Definition | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const definition = scope.#definitions?.get(name);
      if (definition !== undefined) return definition;
    }
    return undefined;
  }

  /** Whether `path` is included here for the first time; a file is read once in a scope. */
  includes(path: string): boolean {
    this.#included ??= new Set();
    if (this.#included.has(path)) return false;
    this.#included.add(path);
    return true;
  }

  *variableNames(): Iterable<string> {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      yield* scope.#params;
      if (scope.#bindings !== undefined) yield* scope.#bindings.keys();
    }
  }

  *definitionNames(kind: "dictum" | "func" | undefined): Iterable<string> {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      for (const [name, definition] of scope.#definitions ?? []) {
        if (kind === undefined || definition.node.kind === kind) yield name;
      }
    }
  }
}

const NONE: readonly never[] = [];

/** How a source's directory is written from another. */
export type SourceView = (directory: WorkspacePath, path: WorkspacePath) => string;

/** Where a statement is being evaluated. */
export interface Frame {
  readonly scope: Scope;
  readonly source: SourceText;
  readonly directory: WorkspacePath;
  mounts: readonly ChoreMount[];
  readonly caller: Caller | undefined;
  readonly depth: number;
}

/** The `run`, call or `include` that led to a frame. */
export interface Caller {
  readonly frame: Frame;
  readonly at: number;
  /** `in compile(src/a.c), run here`. */
  readonly message: () => string;
  /** The func called, to notice that it calls itself. */
  readonly definition: Definition | undefined;
  /** The file included, for the same. */
  readonly file: string | undefined;
}
