/**
 * The syntax tree of a begatfile. `at` and `end` are offsets into the file's text; everything else is meaning, and two
 * files that differ only in layout and comments have trees that differ only in offsets.
 */
export interface Begatfile {
  readonly statements: readonly Statement[];
}

export type Statement =
  | VarStatement
  | IncludeStatement
  | FuncStatement
  | DictumStatement
  | CallStatement
  | CdStatement
  | MountStatement
  | ImageStatement
  | SourceStatement
  | GroupStatement;

/** A name where it stands. */
export interface Name {
  readonly at: number;
  readonly text: string;
}

/** One written value: a word, a string, several of them without a blank between, or a call. */
export interface Element {
  readonly at: number;
  readonly end: number;
  /** What it is, where nothing in it is to be expanded. */
  readonly text: string | undefined;
  /** What it is made of, where something is. */
  readonly parts: readonly Part[] | undefined;
  readonly call: FunctionCall | undefined;
  /** A `*` or `?` stands in it outside quotes. */
  readonly glob: boolean;
}

export type Part = LiteralPart | VariablePart;

export interface LiteralPart {
  readonly kind: "literal";
  readonly text: string;
  readonly quoted: boolean;
}

export interface VariablePart {
  readonly kind: "variable";
  readonly at: number;
  readonly end: number;
  readonly name: string;
  /** Inside a string: joined by blanks. Otherwise it distributes. */
  readonly quoted: boolean;
  /** `${x:from=to}`. */
  readonly from: readonly Part[] | undefined;
  readonly to: readonly Part[] | undefined;
}

/** `[a b]`, or a single element without brackets. */
export interface Value {
  readonly at: number;
  readonly end: number;
  readonly items: readonly Element[];
}

/** `glob("src/*.c")`. */
export interface FunctionCall {
  readonly name: string;
  readonly args: readonly Value[];
}

/** `fixpoint=3`, `volatile`. */
export interface Setting {
  readonly at: number;
  readonly name: string;
  readonly value: Value | undefined;
}

export interface Recipe {
  readonly at: number;
  /** The text between the markers, as offsets. */
  readonly from: number;
  readonly to: number;
  /** Without its lines' common indentation; every line ends in LF. */
  readonly text: string;
}

export interface VarStatement {
  readonly kind: "var";
  readonly at: number;
  readonly name: Name;
  /** `?=` */
  readonly overridable: boolean;
  readonly value: Value;
}

export interface IncludeStatement {
  readonly kind: "include";
  readonly at: number;
  readonly file: Element;
}

export interface FuncStatement {
  readonly kind: "func";
  readonly at: number;
  readonly name: Name;
  readonly params: readonly Name[];
  readonly body: readonly Statement[];
}

export interface DictumStatement {
  readonly kind: "dictum";
  readonly at: number;
  readonly name: Name;
  readonly params: readonly Name[];
  readonly sections: DictumSections;
  /** Something in it could not be read, so it cannot be instantiated. */
  readonly broken: boolean;
}

export interface DictumSections {
  in: readonly Element[];
  out: readonly Element[];
  up: readonly Element[];
  import: readonly Element[];
  tools: readonly Element[];
  down: readonly Setting[];
  attr: readonly Setting[];
  resources: readonly Setting[];
  image: Element | undefined;
  timeout: Element | undefined;
  network: Element | undefined;
  depfile: Element | undefined;
  interpreter: readonly Element[] | undefined;
  recipe: Recipe | undefined;
}

/** `N(x)` calls a func, `run N(x)` instantiates a dictum, `apply(N xs)` does either once for each element. */
export interface CallStatement {
  readonly kind: "call" | "run" | "apply";
  readonly at: number;
  readonly end: number;
  readonly name: Name;
  readonly args: readonly Value[];
}

export interface CdStatement {
  readonly kind: "cd";
  readonly at: number;
  readonly directory: Element;
  readonly body: readonly Statement[];
}

export interface MountStatement {
  readonly kind: "mount";
  readonly at: number;
  readonly end: number;
  readonly args: readonly Value[];
}

/** `image` and `source` have the same shape: kinds, each with its words. */
export interface ImageStatement {
  readonly kind: "image";
  readonly at: number;
  readonly name: Name;
  readonly parts: readonly DeclarationPart[];
}

export interface SourceStatement {
  readonly kind: "source";
  readonly at: number;
  readonly name: Name;
  readonly parts: readonly DeclarationPart[];
}

export interface DeclarationPart {
  readonly at: number;
  readonly kind: string;
  readonly value: Value;
}

export interface GroupStatement {
  readonly kind: "group";
  readonly at: number;
  readonly name: Name;
  readonly value: Value;
}
