import { NumberRow, TextPool, type WorkspacePath } from "../base/index.ts";
import type { EvaluatedChore } from "./chore.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import { findCycle } from "./find-cycle.ts";
import type { Note } from "./report.ts";
import type { Frame } from "./scope.ts";
import type { Element } from "./syntax.ts";

interface Where {
  readonly at: number;
  readonly end: number;
}

interface PropertyUse {
  readonly chore: number;
  readonly frame: Frame;
  readonly where: Element | undefined;
}

/** At most so many places are told that one property is missing. */
const MOST_USES = 20;

/**
 * Who makes what, over all chores: two makers of one thing, things nobody makes, things that need themselves. Chores
 * themselves are not kept; there may be 100,000 of them, so what is kept stands in flat lists.
 */
export class ProductionCheck {
  readonly #context: EvaluationContext;
  readonly #labelOf: (chore: number) => string;
  #count = 0;
  /** Of the statement that ran each chore, and where it stands in the frame's file. */
  readonly #frames: Frame[] = [];
  readonly #wheres: Where[] = [];
  readonly #withFixpoint = new Set<number>();
  /** Inputs and outputs by number; which of them are made, in the order they were, by whom, and whether as trees. */
  readonly #paths = new TextPool();
  readonly #made = new NumberRow();
  /** Chore + 1; 0: nobody. */
  readonly #makers = new NumberRow();
  readonly #trees = new Set<number>();
  #treeOutputs = 0;
  /** Inputs of all chores, one after another, and which of them are trees. */
  readonly #inputs = new NumberRow();
  readonly #inputStarts = new NumberRow();
  readonly #treeInputs = new Set<number>();
  readonly #propertyMakers = new Map<string, number>();
  readonly #propertyUses = new Map<string, PropertyUse[]>();
  /** A chore without outputs is told from others by its label alone. */
  readonly #withoutOutputs = new Map<string, number>();
  #labelsMayRepeat = false;

  /** @param labelOf Of a chore that was added, by its number: a million labels need not be kept twice. */
  constructor(context: EvaluationContext, labelOf: (chore: number) => string) {
    this.#context = context;
    this.#labelOf = labelOf;
    this.#inputStarts.push(0);
  }

  /**
   * @param frame Of the statement that made it, which stands at `where`.
   * @param own The chore's own frame, for its imports.
   * @param isLocal Its dictum is defined in a block, so another block may have one of the same name.
   */
  add(
    chore: EvaluatedChore,
    frame: Frame,
    where: Where,
    imports: readonly Element[],
    own: Frame,
    isLocal: boolean,
  ): void {
    const index = this.#count++;
    this.#frames.push(frame);
    this.#wheres.push(where);
    if (chore.attributes.fixpoint > 0) this.#withFixpoint.add(index);
    if (isLocal) this.#labelsMayRepeat = true;
    if (chore.outputs.length === 0) this.#addWithoutOutputs(index, chore.label);
    for (const output of chore.outputs) this.#addOutput(index, output.path, output.kind === "tree");
    for (const name of chore.up) this.#addProperty(index, name);
    for (const input of chore.inputs) {
      if (input.kind === "tree") this.#treeInputs.add(this.#inputs.length);
      this.#inputs.push(this.#path(input.path));
    }
    this.#inputStarts.push(this.#inputs.length);
    for (const name of chore.properties) {
      const element = imports.find((item) => item.text === name) ?? imports[0];
      const use = { chore: index, frame: own, where: element };
      const uses = this.#propertyUses.get(name);
      if (uses === undefined) this.#propertyUses.set(name, [use]);
      else uses.push(use);
    }
  }

  /** Whether a chore makes `path`, and as what. */
  madeAs(path: string): "file" | "tree" | undefined {
    const output = this.#output(path);
    if (output === undefined) return undefined;
    return this.#trees.has(output) ? "tree" : "file";
  }

  #path(path: string): number {
    const id = this.#paths.id(path);
    if (id === this.#makers.length) this.#makers.push(0);
    return id;
  }

  #maker(path: number): number {
    return this.#makers.at(path) - 1;
  }

  /** The number of a path that some chore makes. */
  #output(path: string): number | undefined {
    const id = this.#paths.find(path);
    return id === undefined || this.#maker(id) === NOBODY ? undefined : id;
  }

  /** Whether a tree that some chore makes holds `path`. */
  isWithinMadeTree(path: string): boolean {
    return this.#treeAround(path) !== undefined;
  }

  *madePaths(): Iterable<string> {
    for (let i = 0; i < this.#made.length; i++) yield this.#paths.at(this.#made.at(i));
  }

  /**
   * The checks that need all chores.
   *
   * @param complete Every chore was made: without that, what nobody makes may only have been lost.
   */
  finish(complete: boolean): void {
    if (this.#labelsMayRepeat) this.#checkLabels();
    this.#checkNestedOutputs();
    if (complete) this.#checkProperties();
    this.#checkKinds();
    this.#checkGlobs();
    if (complete) this.#checkCycle();
  }

  #addWithoutOutputs(chore: number, label: string): void {
    const same = this.#withoutOutputs.get(label);
    if (same === undefined) this.#withoutOutputs.set(label, chore);
    else this.#reportRepeated(same, chore);
  }

  /** Two dictums of one name, each in its own block, may give chores that nobody could tell apart. */
  #checkLabels(): void {
    const first = new Map<string, number>();
    for (let chore = 0; chore < this.#count; chore++) {
      const same = first.get(this.#label(chore));
      if (same === undefined) first.set(this.#label(chore), chore);
      else this.#reportRepeated(same, chore);
    }
  }

  #reportRepeated(first: number, chore: number): void {
    const message = `expected each chore once, found ${this.#label(chore)} again`;
    this.#fail("EVAL_DUPLICATE_CHORE", chore, message, [this.#noteOf(first, "the first is run here")]);
  }

  #addOutput(chore: number, path: WorkspacePath, isTree: boolean): void {
    const output = this.#path(path);
    const other = this.#maker(output);
    if (other === NOBODY) {
      this.#makers.set(output, chore + 1);
      this.#made.push(output);
      if (isTree) this.#trees.add(output);
      if (isTree) this.#treeOutputs++;
      return;
    }
    const message =
      other === chore
        ? `expected each output once, found ${path} again in ${this.#label(chore)}`
        : `expected one producer of ${path}, found ${this.#label(other)} and ${this.#label(chore)}`;
    this.#fail("EVAL_TWO_PRODUCERS", chore, message, other === chore ? [] : [this.#runHere(other)]);
  }

  #addProperty(chore: number, name: string): void {
    const other = this.#propertyMakers.get(name);
    if (other === undefined) {
      this.#propertyMakers.set(name, chore);
      return;
    }
    const message = `expected one producer of the property ${name}, found ${this.#label(other)} and ${this.#label(chore)}`;
    this.#fail("EVAL_TWO_PRODUCERS", chore, message, [this.#runHere(other)]);
  }

  #checkNestedOutputs(): void {
    if (this.#treeOutputs === 0) return;
    for (let i = 0; i < this.#made.length; i++) {
      const output = this.#made.at(i);
      const path = this.#paths.at(output);
      const tree = this.#treeAround(path);
      if (tree === undefined) continue;
      const maker = this.#maker(output);
      const other = this.#maker(this.#output(tree) as number);
      const shown = this.#trees.has(output) ? `${path}/` : path;
      const message =
        other === maker
          ? `expected each output once, found ${shown} within ${tree}/ in ${this.#label(maker)}`
          : `expected one producer of ${shown}, found ${this.#label(other)}, which makes all of ${tree}/, and ${this.#label(maker)}`;
      this.#fail("EVAL_TWO_PRODUCERS", maker, message, other === maker ? [] : [this.#runHere(other)]);
    }
  }

  #checkProperties(): void {
    for (const [name, uses] of this.#propertyUses) {
      if (this.#propertyMakers.has(name) || this.#context.mayBeLost(name)) continue;
      for (const { frame, where } of uses.slice(0, MOST_USES)) {
        if (where === undefined) continue;
        const later = frame.scope.has(name);
        const known = [...this.#propertyMakers.keys(), ...frame.scope.variableNames()];
        const message = `expected a variable or property to import, found "${name}": no dictum produces property ${name}`;
        this.#context.fail(frame, "EVAL_UNKNOWN_PROPERTY", where, message, {
          hint: later ? `var ${name} is defined only after this dictum is run` : didYouMean(name, known),
        });
      }
    }
  }

  #checkKinds(): void {
    for (let chore = 0; chore < this.#count; chore++) {
      const end = this.#inputStarts.at(chore + 1);
      for (let i = this.#inputStarts.at(chore); i < end; i++) {
        const output = this.#inputs.at(i);
        const maker = this.#maker(output);
        if (maker === NOBODY || this.#trees.has(output) === this.#treeInputs.has(i)) continue;
        const path = this.#paths.at(output);
        const message = this.#trees.has(output)
          ? `expected "${path}/" in the inputs of ${this.#label(chore)}, found "${path}": ${this.#label(maker)} makes a directory`
          : `expected "${path}" in the inputs of ${this.#label(chore)}, found "${path}/": ${this.#label(maker)} makes a file`;
        this.#fail("EVAL_TREE_OR_FILE", chore, message, [this.#runHere(maker)]);
      }
    }
  }

  #checkGlobs(): void {
    for (const [path, { source, at, length }] of this.#context.globbed) {
      const output = this.#output(path) ?? this.#output(this.#treeAround(path) ?? "");
      if (output === undefined) continue;
      const maker = this.#label(this.#maker(output));
      this.#context.report.add({
        code: "EVAL_GLOB_OUTPUT",
        severity: "warning",
        source,
        at,
        length,
        message: `glob matches ${path}, which ${maker} makes: it gives something else before the first build`,
        hint: "leave outputs out of globs, by their place or with without(...), and name them where they are needed",
      });
    }
  }

  #checkCycle(): void {
    const count = this.#count;
    const inTrees = this.#makersInInputTrees();
    const properties = this.#propertyEdges();
    const starts = new Int32Array(count + 1);
    const successors = new NumberRow();
    let mayCycle = false;
    for (let chore = 0; chore < count; chore++) {
      const end = this.#inputStarts.at(chore + 1);
      for (let i = this.#inputStarts.at(chore); i < end; i++) {
        const maker = this.#makerOf(i, inTrees);
        for (const needed of typeof maker === "number" ? [maker] : (maker ?? NONE)) {
          if (needed === chore && this.#withFixpoint.has(chore)) continue;
          if (needed >= chore) mayCycle = true;
          successors.push(needed);
        }
      }
      for (const needed of properties?.get(chore) ?? NONE) {
        if (needed >= chore) mayCycle = true;
        successors.push(needed);
      }
      starts[chore + 1] = successors.length;
    }
    // Where every chore needs only earlier ones, there is no cycle to look for.
    if (mayCycle) this.#reportCycle(findCycle(starts, successors.done()), inTrees);
  }

  #propertyEdges(): ReadonlyMap<number, readonly number[]> | undefined {
    if (this.#propertyUses.size === 0) return undefined;
    const edges = new Map<number, number[]>();
    for (const [name, uses] of this.#propertyUses) {
      const maker = this.#propertyMakers.get(name);
      if (maker === undefined) continue;
      for (const { chore } of uses) {
        const known = edges.get(chore);
        if (known === undefined) edges.set(chore, [maker]);
        else known.push(maker);
      }
    }
    return edges;
  }

  /** The cycle, whole: `app needs lib, lib needs gen, gen needs app`. */
  #reportCycle(found: readonly number[] | undefined, inTrees: InputTrees): void {
    if (found === undefined) return;
    // Begins at the chore that was run first, wherever the search came upon the cycle.
    let first = 0;
    for (let i = 1; i < found.length; i++) if ((found[i] as number) < (found[first] as number)) first = i;
    const cycle = [...found.slice(first), ...found.slice(0, first)];
    const last = cycle.at(-1) as number;
    const names = cycle.map((chore, i) => this.#linkName(i === 0 ? last : (cycle[i - 1] as number), chore, inTrees));
    const shown = names.map((name, i) => `${name} needs ${names[(i + 1) % names.length]}`).join(", ");
    const start = cycle[0] as number;
    const notes = cycle.slice(1, 5).map((chore) => this.#runHere(chore));
    const hint = "attr[fixpoint=N] lets a chore read its own output, and runs it until that no longer changes";
    this.#fail(
      "EVAL_CYCLE",
      start,
      `expected chores in some order, found a cycle: ${shown}`,
      notes,
      cycle.length === 1 ? hint : undefined,
    );
  }

  /** By what `chore` is needed by `needer`: one of its outputs or properties. */
  #linkName(needer: number, chore: number, inTrees: InputTrees): string {
    const end = this.#inputStarts.at(needer + 1);
    for (let i = this.#inputStarts.at(needer); i < end; i++) {
      const maker = this.#makerOf(i, inTrees);
      if (maker === chore || (typeof maker === "object" && maker.includes(chore)))
        return this.#paths.at(this.#inputs.at(i));
    }
    for (const [name, maker] of this.#propertyMakers) {
      if (maker === chore && this.#propertyUses.get(name)?.some((use) => use.chore === needer))
        return `property ${name}`;
    }
    return this.#label(chore);
  }

  /** Who makes the input at `index`: the file or tree itself, the tree around it, or what is within it. */
  #makerOf(index: number, inTrees: InputTrees): number | readonly number[] | undefined {
    const input = this.#inputs.at(index);
    const maker = this.#maker(input);
    if (maker !== NOBODY) return maker;
    if (this.#treeOutputs === 0 && this.#treeInputs.size === 0) return undefined;
    const path = this.#paths.at(input);
    const tree = this.#treeAround(path);
    if (tree !== undefined) return this.#maker(this.#output(tree) as number);
    return this.#treeInputs.has(index) ? inTrees.get(path) : undefined;
  }

  /** For each tree that is an input: who makes something within it. */
  #makersInInputTrees(): InputTrees {
    const makers = new Map<string, number[]>();
    for (const index of this.#treeInputs) makers.set(this.#paths.at(this.#inputs.at(index)), []);
    if (makers.size === 0) return makers;
    for (let i = 0; i < this.#made.length; i++) {
      const output = this.#made.at(i);
      for (const parent of parentsOf(this.#paths.at(output))) makers.get(parent)?.push(this.#maker(output));
    }
    return makers;
  }

  /** The made tree that holds `path`, not being it. */
  #treeAround(path: string): string | undefined {
    if (this.#treeOutputs === 0) return undefined;
    for (const parent of parentsOf(path)) {
      const output = this.#output(parent);
      if (output !== undefined && this.#trees.has(output)) return parent;
    }
    return undefined;
  }

  #label(chore: number): string {
    return this.#labelOf(chore);
  }

  #runHere(chore: number): Note {
    return this.#noteOf(chore, `${this.#label(chore)} is run here`);
  }

  #noteOf(chore: number, message: string): Note {
    return { source: (this.#frames[chore] as Frame).source, at: (this.#wheres[chore] as Where).at, message };
  }

  #fail(
    code: "EVAL_DUPLICATE_CHORE" | "EVAL_TWO_PRODUCERS" | "EVAL_TREE_OR_FILE" | "EVAL_CYCLE",
    chore: number,
    message: string,
    notes: readonly Note[],
    hint?: string,
  ): void {
    this.#context.fail(this.#frames[chore] as Frame, code, this.#wheres[chore] as Where, message, { notes, hint });
  }
}

type InputTrees = ReadonlyMap<string, readonly number[]>;

const NONE: readonly number[] = [];
/** Instead of a chore: no chore makes it. */
const NOBODY = -1;

function* parentsOf(path: string): Iterable<string> {
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
    yield path.slice(0, slash);
}
