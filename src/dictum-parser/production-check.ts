import type { WorkspacePath } from "../base/index.ts";
import type { EvaluatedChore } from "./chore.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import { findCycle } from "./find-cycle.ts";
import type { Note } from "./report.ts";
import type { Frame } from "./scope.ts";
import type { Element } from "./syntax.ts";

/** What is kept of a chore after it was handed on. */
interface Kept {
  readonly label: string;
  readonly frame: Frame;
  readonly where: { readonly at: number; readonly end: number };
  readonly fixpoint: boolean;
}

interface PropertyUse {
  readonly chore: number;
  readonly frame: Frame;
  readonly where: Element | undefined;
}

/** At most so many places are told that one property is missing. */
const MOST_USES = 20;

/** Who makes what, over all chores: two makers of one thing, things nobody makes, things that need themselves. */
export class ProductionCheck {
  readonly #context: EvaluationContext;
  readonly #chores: Kept[] = [];
  readonly #labels = new Map<string, number>();
  /** Paths that are read or made, numbered. */
  readonly #ids = new Map<string, number>();
  readonly #paths: WorkspacePath[] = [];
  /** By path number: the chore that makes it, or -1; and whether it makes a tree. */
  readonly #makers: number[] = [];
  readonly #isTree: boolean[] = [];
  /** Inputs of all chores, one after another: path number * 2, + 1 where a tree is meant. */
  readonly #inputs: number[] = [];
  readonly #inputStarts: number[] = [0];
  readonly #propertyMakers = new Map<string, number>();
  readonly #propertyUses = new Map<string, PropertyUse[]>();
  #treeOutputs = 0;
  #treeInputs = 0;

  constructor(context: EvaluationContext) {
    this.#context = context;
  }

  /**
   * @param frame Of the statement that made it, which stands at `where`.
   * @param own The chore's own frame, for its imports.
   */
  add(
    chore: EvaluatedChore,
    frame: Frame,
    where: { readonly at: number; readonly end: number },
    imports: readonly Element[],
    own: Frame,
  ): void {
    const index = this.#chores.length;
    this.#chores.push({ label: chore.label, frame, where, fixpoint: chore.attributes.fixpoint > 0 });
    const same = this.#labels.get(chore.label);
    if (same !== undefined) {
      const message = `expected each chore once, found ${chore.label} again`;
      this.#fail("EVAL_DUPLICATE_CHORE", index, message, [this.#noteOf(same, "the first is here")]);
    } else {
      this.#labels.set(chore.label, index);
      for (const output of chore.outputs) this.#addOutput(index, output.path, output.kind === "tree");
      for (const name of chore.up) this.#addProperty(index, name);
    }
    for (const input of chore.inputs) {
      const isTree = input.kind === "tree";
      if (isTree) this.#treeInputs++;
      this.#inputs.push(this.#idOf(input.path) * 2 + (isTree ? 1 : 0));
    }
    this.#inputStarts.push(this.#inputs.length);
    for (const name of chore.properties) {
      const uses = this.#propertyUses.get(name);
      const where = imports.find((element) => element.text === name) ?? imports[0];
      if (uses === undefined) this.#propertyUses.set(name, [{ chore: index, frame: own, where }]);
      else uses.push({ chore: index, frame: own, where });
    }
  }

  /** Whether a chore makes `path`, and as what. */
  madeAs(path: string): "file" | "tree" | undefined {
    const id = this.#ids.get(path);
    if (id === undefined || (this.#makers[id] as number) < 0) return undefined;
    return this.#isTree[id] === true ? "tree" : "file";
  }

  /** Whether a tree that some chore makes holds `path`. */
  isWithinMadeTree(path: string): boolean {
    return this.#treeAround(path) !== undefined;
  }

  *madePaths(): Iterable<string> {
    for (let id = 0; id < this.#paths.length; id++) {
      if ((this.#makers[id] as number) >= 0) yield this.#paths[id] as string;
    }
  }

  /**
   * The checks that need all chores.
   *
   * @param complete Every chore was made: without that, what nobody makes may only have been lost.
   */
  finish(complete: boolean): void {
    this.#checkNestedOutputs();
    if (complete) this.#checkProperties();
    this.#checkKinds();
    this.#checkGlobs();
    if (complete) this.#checkCycle();
  }

  #idOf(path: WorkspacePath): number {
    const known = this.#ids.get(path);
    if (known !== undefined) return known;
    const id = this.#paths.length;
    this.#ids.set(path, id);
    this.#paths.push(path);
    this.#makers.push(-1);
    this.#isTree.push(false);
    return id;
  }

  #addOutput(chore: number, path: WorkspacePath, isTree: boolean): void {
    const id = this.#idOf(path);
    const other = this.#makers[id] as number;
    if (other >= 0) {
      const message =
        other === chore
          ? `expected each output once, found ${path} again in ${this.#label(chore)}`
          : `expected one producer of ${path}, found ${this.#label(other)} and ${this.#label(chore)}`;
      this.#fail("EVAL_TWO_PRODUCERS", chore, message, [this.#noteOf(other, `${this.#label(other)} is run here`)]);
      return;
    }
    this.#makers[id] = chore;
    this.#isTree[id] = isTree;
    if (isTree) this.#treeOutputs++;
  }

  #addProperty(chore: number, name: string): void {
    const other = this.#propertyMakers.get(name);
    if (other === undefined) {
      this.#propertyMakers.set(name, chore);
      return;
    }
    const message = `expected one producer of the property ${name}, found ${this.#label(other)} and ${this.#label(chore)}`;
    this.#fail("EVAL_TWO_PRODUCERS", chore, message, [this.#noteOf(other, `${this.#label(other)} is run here`)]);
  }

  #checkNestedOutputs(): void {
    for (let id = 0; id < this.#paths.length; id++) {
      const maker = this.#makers[id] as number;
      if (maker < 0) continue;
      const around = this.#treeAround(this.#paths[id] as string);
      if (around === undefined) continue;
      const other = this.#makers[around] as number;
      const tree = `${this.#paths[around]}/`;
      const path = `${this.#paths[id]}${this.#isTree[id] === true ? "/" : ""}`;
      const message = `expected one producer of ${path}, found ${this.#label(other)}, which makes all of ${tree}, and ${this.#label(maker)}`;
      this.#fail("EVAL_TWO_PRODUCERS", maker, message, [this.#noteOf(other, `${this.#label(other)} is run here`)]);
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
    for (let chore = 0; chore < this.#chores.length; chore++) {
      const end = this.#inputStarts[chore + 1] as number;
      for (let i = this.#inputStarts[chore] as number; i < end; i++) {
        const input = this.#inputs[i] as number;
        const id = input >> 1;
        const maker = this.#makers[id] as number;
        if (maker < 0 || this.#isTree[id] === ((input & 1) === 1)) continue;
        const path = this.#paths[id] as string;
        const message = this.#isTree[id]
          ? `expected "${path}/" in the inputs of ${this.#label(chore)}, found "${path}": ${this.#label(maker)} makes a directory`
          : `expected "${path}" in the inputs of ${this.#label(chore)}, found "${path}/": ${this.#label(maker)} makes a file`;
        this.#fail("EVAL_TREE_OR_FILE", chore, message, [this.#noteOf(maker, `${this.#label(maker)} is run here`)]);
      }
    }
  }

  #checkGlobs(): void {
    for (const [path, { source, at, length }] of this.#context.globbed) {
      const id = this.#ids.get(path);
      const exact = id === undefined ? -1 : (this.#makers[id] as number);
      const around = exact >= 0 ? undefined : this.#treeAround(path);
      const maker = exact >= 0 ? exact : around === undefined ? -1 : (this.#makers[around] as number);
      if (maker < 0) continue;
      this.#context.report.add({
        code: "EVAL_GLOB_OUTPUT",
        severity: "warning",
        source,
        at,
        length,
        message: `glob matches ${path}, which ${this.#label(maker)} makes: it gives something else before the first build`,
        hint: "leave outputs out of globs, by their place or with without(...), and name them where they are needed",
      });
    }
  }

  #checkCycle(): void {
    const count = this.#chores.length;
    const starts = new Int32Array(count + 1);
    const successors: number[] = [];
    let mayCycle = false;
    const needed = this.#neededInTrees();
    for (let chore = 0; chore < count; chore++) {
      const end = this.#inputStarts[chore + 1] as number;
      for (let i = this.#inputStarts[chore] as number; i < end; i++) {
        for (const maker of this.#makersOf(this.#inputs[i] as number, needed)) {
          if (maker === chore && (this.#chores[chore] as Kept).fixpoint) continue;
          // Where every chore needs only earlier ones, there is no cycle to look for.
          if (maker >= chore) mayCycle = true;
          successors.push(maker);
        }
      }
      starts[chore + 1] = successors.length;
    }
    if (this.#propertyUses.size > 0) {
      this.#checkCycleWithProperties(starts, successors);
    } else if (mayCycle) {
      this.#reportCycle(findCycle(starts, successors), needed);
    }
  }

  #checkCycleWithProperties(starts: Int32Array, successors: readonly number[]): void {
    const extra = new Map<number, number[]>();
    for (const [name, uses] of this.#propertyUses) {
      const maker = this.#propertyMakers.get(name);
      if (maker === undefined) continue;
      for (const { chore } of uses) {
        const list = extra.get(chore);
        if (list === undefined) extra.set(chore, [maker]);
        else list.push(maker);
      }
    }
    const allStarts = new Int32Array(starts.length);
    const all: number[] = [];
    for (let chore = 0; chore < starts.length - 1; chore++) {
      for (let i = starts[chore] as number; i < (starts[chore + 1] as number); i++) all.push(successors[i] as number);
      for (const maker of extra.get(chore) ?? []) all.push(maker);
      allStarts[chore + 1] = all.length;
    }
    this.#reportCycle(findCycle(allStarts, all), this.#neededInTrees());
  }

  /** The cycle, whole: `app needs lib, lib needs gen, gen needs app`. */
  #reportCycle(found: readonly number[] | undefined, inTrees: ReadonlyMap<number, readonly number[]>): void {
    if (found === undefined) return;
    // Begins at the chore that was run first, wherever the search came upon the cycle.
    const first = found.indexOf(Math.min(...found.slice(0, 10_000)));
    const cycle = [...found.slice(first), ...found.slice(0, first)];
    const names = cycle.map((chore, i) =>
      this.#linkName(cycle[(i + cycle.length - 1) % cycle.length] as number, chore, inTrees),
    );
    const shown = names.map((name, i) => `${name} needs ${names[(i + 1) % names.length]}`);
    const notes = cycle.slice(1, 5).map((chore) => this.#noteOf(chore, `${this.#label(chore)} is run here`));
    const alone = cycle.length === 1;
    const start = cycle[0] as number;
    const kept = this.#chores[start] as Kept;
    this.#context.fail(
      kept.frame,
      "EVAL_CYCLE",
      kept.where,
      `expected chores in some order, found a cycle: ${shown.join(", ")}`,
      {
        notes,
        hint: alone
          ? "attr[fixpoint=N] lets a chore read its own output, and runs it until that no longer changes"
          : undefined,
      },
    );
  }

  /** By what `chore` is needed by `needer`: one of its outputs or properties. */
  #linkName(needer: number, chore: number, inTrees: ReadonlyMap<number, readonly number[]>): string {
    const end = this.#inputStarts[needer + 1] as number;
    for (let i = this.#inputStarts[needer] as number; i < end; i++) {
      const input = this.#inputs[i] as number;
      if (this.#makersOf(input, inTrees).includes(chore)) return this.#paths[input >> 1] as string;
    }
    for (const [name, maker] of this.#propertyMakers) {
      if (maker === chore && this.#propertyUses.get(name)?.some((use) => use.chore === needer))
        return `property ${name}`;
    }
    return this.#label(chore);
  }

  #makersOf(input: number, inTrees: ReadonlyMap<number, readonly number[]>): readonly number[] {
    const id = input >> 1;
    const maker = this.#makers[id] as number;
    if (maker >= 0) return [maker];
    const around = this.#treeAround(this.#paths[id] as string);
    if (around !== undefined) return [this.#makers[around] as number];
    return (input & 1) === 1 ? (inTrees.get(id) ?? NONE) : NONE;
  }

  /** For each tree that is read as an input: who makes something within it. */
  #neededInTrees(): ReadonlyMap<number, readonly number[]> {
    const makers = new Map<number, number[]>();
    if (this.#treeInputs === 0) return makers;
    for (const input of this.#inputs) if ((input & 1) === 1) makers.set(input >> 1, []);
    for (let id = 0; id < this.#paths.length; id++) {
      const maker = this.#makers[id] as number;
      if (maker < 0) continue;
      for (const parent of parentsOf(this.#paths[id] as string)) {
        const tree = this.#ids.get(parent);
        if (tree !== undefined) makers.get(tree)?.push(maker);
      }
    }
    return makers;
  }

  /** Number of the made tree that holds `path`, not being it. */
  #treeAround(path: string): number | undefined {
    if (this.#treeOutputs === 0) return undefined;
    for (const parent of parentsOf(path)) {
      const id = this.#ids.get(parent);
      if (id !== undefined && this.#isTree[id] === true) return id;
    }
    return undefined;
  }

  #label(chore: number): string {
    return (this.#chores[chore] as Kept).label;
  }

  #noteOf(chore: number, message: string): Note {
    const { frame, where } = this.#chores[chore] as Kept;
    return { source: frame.source, at: where.at, message };
  }

  #fail(
    code: "EVAL_DUPLICATE_CHORE" | "EVAL_TWO_PRODUCERS" | "EVAL_TREE_OR_FILE",
    chore: number,
    message: string,
    notes: Note[],
  ): void {
    const kept = this.#chores[chore] as Kept;
    this.#context.fail(kept.frame, code, kept.where, message, { notes });
  }
}

const NONE: readonly number[] = [];

function* parentsOf(path: string): Iterable<string> {
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
    yield path.slice(0, slash);
}
