import { sha256, type WorkspacePath } from "../base/index.ts";
import type { ChoreAttributes, ChoreMount, ChorePath, EvaluatedChore, Place } from "../dictum-parser/index.ts";
import type { StringColumn } from "./column-file.ts";
import { Consumers } from "./consumers.ts";
import { reverse } from "./edges.ts";

/** A property stands among the paths under a name no path can have. */
export const PROPERTY_PREFIX = "\u0001";

/** An image is a property that begat itself makes; the blank keeps it apart from every name a begatfile can give. */
export const imageProperty = (name: string): string => `image ${name}`;

export const FLAG = {
  volatile: 1,
  nocache: 2,
  interactive: 4,
  exclusive: 8,
  network: 16,
  image: 32,
  traced: 64,
} as const;

/** What few chores have; kept as one JSON string, shared by all chores that have the same. */
export interface ChoreExtras {
  readonly tools: readonly string[];
  readonly resources: Readonly<Record<string, number>>;
  readonly mounts: readonly ChoreMount[];
  readonly up: readonly string[];
  readonly properties: readonly string[];
}

/** Columns of a plan. `N` chores, `P` paths; CSR pairs are offsets of N+1 and a flat list. */
export interface PlanColumns {
  readonly label: Uint32Array;
  readonly dictum: Uint32Array;
  /** file, line, column of each chore. */
  readonly place: Uint32Array;
  readonly directory: Uint32Array;
  readonly recipe: Uint32Array;
  readonly interpreter: Uint32Array;
  readonly image: Uint32Array;
  readonly flags: Uint8Array;
  readonly fixpoint: Uint16Array;
  readonly timeoutMs: Float64Array;
  readonly extras: Uint32Array;
  /** The file in which each recipe says what it read; empty: none. */
  readonly depfile: Uint32Array;
  /** First 8 bytes of a hash over everything declared about the chore: equal means declared alike. */
  readonly declared: Uint32Array;
  readonly envOffsets: Uint32Array;
  readonly env: Uint32Array;
  /** path * 2 + (1 for a tree). Properties are inputs too. */
  readonly inputOffsets: Uint32Array;
  readonly inputs: Uint32Array;
  readonly outputOffsets: Uint32Array;
  readonly outputs: Uint32Array;
  /** Chore that makes each path, by name or within a tree, or -1. */
  readonly producer: Int32Array;
  /** Chores each chore waits for, without duplicates. */
  readonly dependencyOffsets: Uint32Array;
  readonly dependencies: Uint32Array;
  /** Every chore after those it waits for. */
  readonly order: Uint32Array;
}

/** The graph of a build: chores and paths by number, everything in typed arrays, strings made when asked for. */
export class Plan {
  readonly columns: PlanColumns;
  readonly paths: StringColumn;
  readonly strings: StringColumn;
  #within: Map<number, number[]> | undefined;
  readonly #below = new Map<number, readonly number[]>();
  #outputTexts: readonly string[] | undefined;
  #properties: Map<string, number> | undefined;
  #successors: { offsets: Uint32Array; list: Uint32Array } | undefined;
  #consumers: Consumers | undefined;
  #positions: Uint32Array | undefined;
  #hasImages: boolean | undefined;
  #hostImage: number | undefined;

  constructor(columns: PlanColumns, paths: StringColumn, strings: StringColumn) {
    this.columns = columns;
    this.paths = paths;
    this.strings = strings;
  }

  get choreCount(): number {
    return this.columns.label.length;
  }

  get pathCount(): number {
    return this.paths.count;
  }

  label(chore: number): string {
    return this.strings.at(this.columns.label[chore] as number);
  }

  path(path: number): WorkspacePath {
    return this.paths.at(path) as WorkspacePath;
  }

  /** The number of a property. */
  propertyId(name: string): number | undefined {
    if (this.#properties === undefined) {
      this.#properties = new Map();
      for (let path = 0; path < this.pathCount; path++) {
        if (this.isProperty(path)) this.#properties.set(this.path(path).slice(PROPERTY_PREFIX.length), path);
      }
    }
    return this.#properties.get(name);
  }

  isProperty(path: number): boolean {
    return this.paths.bytes[this.paths.offsets[path] as number] === 1;
  }

  has(chore: number, flag: keyof typeof FLAG): boolean {
    return ((this.columns.flags[chore] as number) & FLAG[flag]) !== 0;
  }

  /** Of a chore that builds an image: which. */
  imageName(chore: number): string {
    return this.label(chore).slice("image(".length, -1);
  }

  /** Whether the chore's recipe runs with the host's own tools; asked for every chore of a null build. */
  runsOnHost(chore: number): boolean {
    return this.columns.image[chore] === this.hostImage;
  }

  /** The image a chore's recipe runs in; `host` for the host's own tools. */
  imageOf(chore: number): string {
    return this.strings.at(this.columns.image[chore] as number);
  }

  inputsOf(chore: number): Uint32Array {
    const { inputOffsets, inputs } = this.columns;
    return inputs.subarray(inputOffsets[chore], inputOffsets[chore + 1]);
  }

  outputsOf(chore: number): Uint32Array {
    const { outputOffsets, outputs } = this.columns;
    return outputs.subarray(outputOffsets[chore], outputOffsets[chore + 1]);
  }

  dependenciesOf(chore: number): Uint32Array {
    const { dependencyOffsets, dependencies } = this.columns;
    return dependencies.subarray(dependencyOffsets[chore], dependencyOffsets[chore + 1]);
  }

  /** Chores that wait for `chore`. The reverse graph is made at the first call. */
  dependantsOf(chore: number): Uint32Array {
    this.#successors ??= reverse(this.columns.dependencyOffsets, this.columns.dependencies);
    const { offsets, list } = this.#successors;
    return list.subarray(offsets[chore], offsets[chore + 1]);
  }

  /** Number of the text `host` where a chore's image stands; -1 where all chores run in images. */
  get hostImage(): number {
    if (this.#hostImage === undefined) {
      let last = -1;
      const isHost = (image: number): boolean => {
        if (image === last) return false;
        last = image;
        return this.strings.at(image) === "host";
      };
      this.#hostImage = this.columns.image.find(isHost) ?? -1;
    }
    return this.#hostImage;
  }

  /** The edges from paths to the chores that use them; made at the first call. */
  get consumers(): Consumers {
    this.#consumers ??= new Consumers(this);
    return this.#consumers;
  }

  /** Whether any chore builds an image: then others run in it, and what holds there is measured too. */
  get hasImages(): boolean {
    this.#hasImages ??= this.columns.flags.some((flags) => (flags & FLAG.image) !== 0);
    return this.#hasImages;
  }

  /** These chores, each after those it waits for. Where they are few, it takes no look at all the others. */
  inOrder(chores: readonly number[]): readonly number[] {
    const { order } = this.columns;
    if (chores.length < 2) return chores;
    if (chores.length > this.choreCount / 16) {
      const isAmong = new Uint8Array(this.choreCount);
      for (const chore of chores) isAmong[chore] = 1;
      const sorted: number[] = [];
      for (const chore of order) if (isAmong[chore]) sorted.push(chore);
      return sorted;
    }
    if (this.#positions === undefined) {
      this.#positions = new Uint32Array(order.length);
      for (let i = 0; i < order.length; i++) this.#positions[order[i] as number] = i;
    }
    const positions = this.#positions;
    return [...chores].sort((a, b) => (positions[a] as number) - (positions[b] as number));
  }

  extras(chore: number): ChoreExtras {
    const text = this.strings.at(this.columns.extras[chore] as number);
    return text === "" ? NO_EXTRAS : (JSON.parse(text) as ChoreExtras);
  }

  depfile(chore: number): WorkspacePath | undefined {
    const text = this.columns.depfile[chore] as number;
    return text === 0 ? undefined : (this.strings.at(text) as WorkspacePath);
  }

  place(chore: number): Place {
    const at = chore * 3;
    const { place } = this.columns;
    return {
      file: this.strings.at(place[at] as number),
      line: place[at + 1] as number,
      column: place[at + 2] as number,
    };
  }

  /** The chore as the parser gave it; made anew at each call. */
  chore(chore: number): EvaluatedChore {
    const c = this.columns;
    const paths = (entries: Uint32Array): ChorePath[] =>
      Array.from(entries, (entry) => ({
        path: this.path(entry >>> 1),
        kind: entry & 1 ? ("tree" as const) : ("file" as const),
      })).filter(({ path }) => !path.startsWith(PROPERTY_PREFIX));
    const env: [string, string][] = [];
    for (let i = c.envOffsets[chore] as number; i < (c.envOffsets[chore + 1] as number); i++) {
      env.push([this.strings.at(c.env[2 * i] as number), this.strings.at(c.env[2 * i + 1] as number)]);
    }
    const extras = this.extras(chore);
    const inputs = paths(this.inputsOf(chore));
    const attributes: ChoreAttributes = {
      volatile: this.has(chore, "volatile"),
      nocache: this.has(chore, "nocache"),
      interactive: this.has(chore, "interactive"),
      exclusive: this.has(chore, "exclusive"),
      fixpoint: c.fixpoint[chore] as number,
      traced: this.has(chore, "traced"),
    };
    return {
      dictum: this.strings.at(c.dictum[chore] as number),
      label: this.label(chore),
      at: this.place(chore),
      directory: this.strings.at(c.directory[chore] as number) as WorkspacePath,
      // Mounts follow the declared inputs in the list of edges.
      inputs: inputs.slice(0, inputs.length - extras.mounts.length),
      outputs: paths(this.outputsOf(chore)),
      env,
      interpreter: this.strings.at(c.interpreter[chore] as number).split("\n"),
      recipe: this.strings.at(c.recipe[chore] as number),
      image: this.strings.at(c.image[chore] as number),
      attributes,
      timeoutMs: c.timeoutMs[chore] as number,
      network: this.has(chore, "network") ? "host" : "none",
      depfile: this.depfile(chore),
      ...extras,
    };
  }

  /** Paths within trees, by the chore that makes the tree: inputs nobody declared as outputs by name. */
  pathsWithinTrees(): ReadonlyMap<number, readonly number[]> {
    if (this.#within === undefined) {
      this.#within = new Map();
      const declared = new Uint8Array(this.pathCount);
      for (const entry of this.columns.outputs) declared[entry >>> 1] = 1;
      for (let path = 0; path < this.pathCount; path++) {
        const maker = this.columns.producer[path] as number;
        if (maker < 0 || declared[path]) continue;
        const list = this.#within.get(maker);
        if (list) list.push(path);
        else this.#within.set(maker, [path]);
      }
    }
    return this.#within;
  }

  /**
   * Outputs of chores that stand in a directory of the checkout: as an input it holds them, whether or not they were
   * written there. path * 2 + (1 for a tree). None for a tree that a chore makes.
   */
  outputsBelow(tree: number): readonly number[] {
    if ((this.columns.producer[tree] as number) >= 0) return NONE;
    const known = this.#below.get(tree);
    if (known !== undefined) return known;
    const { outputs } = this.columns;
    this.#outputTexts ??= Array.from(outputs, (entry) => this.path(entry >>> 1));
    const texts = this.#outputTexts;
    const name = this.path(tree);
    const prefix = name === "" ? "" : `${name}/`;
    const below = Array.from(outputs).filter(
      (entry, i) => (texts[i] as string).startsWith(prefix) && !this.isProperty(entry >>> 1),
    );
    this.#below.set(tree, below);
    return below;
  }

  /** As `inputsOf`, with what other chores make in the directories among them. */
  everyInputOf(chore: number): ArrayLike<number> & Iterable<number> {
    const own = this.inputsOf(chore);
    let every: number[] | undefined;
    for (const entry of own) {
      if ((entry & 1) === 0) continue;
      for (const output of this.outputsBelow(entry >>> 1)) {
        if (this.columns.producer[output >>> 1] === chore) continue;
        every ??= [...own];
        every.push(output);
      }
    }
    return every ?? own;
  }

  /** A few outputs, for people. */
  outputNames(chore: number, limit = 4): string[] {
    const names: string[] = [];
    for (const entry of this.outputsOf(chore)) {
      if (names.length === limit) break;
      if (!this.isProperty(entry >>> 1)) names.push(this.path(entry >>> 1) + (entry & 1 ? "/" : ""));
    }
    return names;
  }
}

const NONE: readonly number[] = [];

export const NO_EXTRAS: ChoreExtras = { tools: [], resources: {}, mounts: [], up: [], properties: [] };

/** Text of the rare parts of a chore; empty where it has none, so that most chores share one string. */
export function extrasText(chore: EvaluatedChore): string {
  const { tools, resources, mounts, up, properties } = chore;
  const none =
    tools.length + mounts.length + up.length + properties.length === 0 && Object.keys(resources).length === 0;
  return none ? "" : JSON.stringify({ tools, resources, mounts, up, properties } satisfies ChoreExtras);
}

/** Everything declared about a chore but its place: what carries its settled state over an edit of the begatfile. */
export function declarationHash(chore: EvaluatedChore, extras: string): string {
  const pieces: string[] = [
    chore.depfile ?? "",
    chore.recipe,
    chore.directory,
    chore.image,
    extras,
    String(chore.timeoutMs),
    chore.network,
  ];
  pieces.push(chore.interpreter.join("\n"), JSON.stringify(chore.attributes));
  for (const { path, kind } of chore.inputs) pieces.push(path, kind);
  pieces.push("");
  for (const { path, kind } of chore.outputs) pieces.push(path, kind);
  pieces.push("");
  for (const [name, value] of chore.env) pieces.push(name, value);
  return sha256(pieces.join("\0"));
}
