import { invariant, NumberRow, TextPool, type WorkspacePath } from "../base/index.ts";
import type { EvaluatedChore } from "../dictum-parser/index.ts";
import { StringColumn } from "./column-file.ts";
import { reverse } from "./edges.ts";
import { declarationHash, extrasText, FLAG, imageProperty, Plan, PROPERTY_PREFIX } from "./plan.ts";

/** A loop of chores, in order: each needs something the next one makes. */
export interface PlanCycle {
  readonly chores: readonly { readonly label: string; readonly needs: string }[];
}

export type PlanResult = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly cycle: PlanCycle };

/** Takes evaluated chores one at a time and lays them out as a plan. */
export class PlanBuilder {
  readonly #paths = new TextPool();
  readonly #strings = new TextPool();
  readonly #scalars = {
    label: new NumberRow(),
    dictum: new NumberRow(),
    place: new NumberRow(),
    directory: new NumberRow(),
  };
  readonly #more = {
    recipe: new NumberRow(),
    interpreter: new NumberRow(),
    image: new NumberRow(),
    extras: new NumberRow(),
  };
  readonly #depfile = new NumberRow();
  readonly #flags: number[] = [];
  readonly #fixpoint: number[] = [];
  readonly #timeoutMs: number[] = [];
  readonly #declared = new NumberRow();
  readonly #env = { offsets: new NumberRow(), list: new NumberRow() };
  readonly #in = { offsets: new NumberRow(), list: new NumberRow() };
  readonly #out = { offsets: new NumberRow(), list: new NumberRow() };
  readonly #producer: number[] = [];
  readonly #treeOutputs: number[] = [];

  constructor() {
    this.#strings.id("");
    for (const csr of [this.#env, this.#in, this.#out]) csr.offsets.push(0);
  }

  get choreCount(): number {
    return this.#flags.length;
  }

  /** Of a chore that was added. */
  label(chore: number): string {
    return this.#strings.at(this.#scalars.label.at(chore));
  }

  /** @param isImage It is no recipe but an image, which begat builds itself (`imageChore`). */
  add(chore: EvaluatedChore, isImage = false): void {
    const index = this.choreCount;
    const text = (s: string): number => this.#strings.id(s);
    const extras = extrasText(chore);
    this.#scalars.label.push(text(chore.label));
    this.#scalars.dictum.push(text(chore.dictum));
    this.#scalars.place.push(text(chore.at.file));
    this.#scalars.place.push(chore.at.line);
    this.#scalars.place.push(chore.at.column);
    this.#scalars.directory.push(text(chore.directory));
    this.#more.recipe.push(text(chore.recipe));
    this.#more.interpreter.push(text(chore.interpreter.join("\n")));
    this.#more.image.push(text(chore.image));
    this.#more.extras.push(text(extras));
    this.#depfile.push(text(chore.depfile ?? ""));
    const { volatile, nocache, interactive, exclusive, fixpoint, traced } = chore.attributes;
    this.#flags.push(
      (volatile ? FLAG.volatile : 0) |
        (nocache ? FLAG.nocache : 0) |
        (interactive ? FLAG.interactive : 0) |
        (exclusive ? FLAG.exclusive : 0) |
        (chore.network === "host" ? FLAG.network : 0) |
        (isImage ? FLAG.image : 0) |
        (traced ? FLAG.traced : 0),
    );
    this.#fixpoint.push(fixpoint);
    this.#timeoutMs.push(chore.timeoutMs);
    const declared = declarationHash(chore, extras);
    this.#declared.push(Number.parseInt(declared.slice(0, 8), 16));
    this.#declared.push(Number.parseInt(declared.slice(8, 16), 16));
    for (const [name, value] of chore.env) {
      this.#env.list.push(text(name));
      this.#env.list.push(text(value));
    }
    this.#env.offsets.push(this.#env.list.length / 2);
    for (const { path, kind } of chore.inputs) this.#in.list.push(this.#path(path) * 2 + (kind === "tree" ? 1 : 0));
    for (const { source } of chore.mounts) this.#in.list.push(this.#path(source) * 2 + 1);
    for (const name of chore.properties) this.#in.list.push(this.#path(PROPERTY_PREFIX + name) * 2);
    if (chore.image !== "host") this.#in.list.push(this.#path(PROPERTY_PREFIX + imageProperty(chore.image)) * 2);
    this.#in.offsets.push(this.#in.list.length);
    for (const { path, kind } of chore.outputs) this.#output(index, path, kind === "tree");
    for (const name of chore.up) this.#output(index, PROPERTY_PREFIX + name, false);
    this.#out.offsets.push(this.#out.list.length);
  }

  #path(path: string): number {
    const id = this.#paths.id(path);
    if (id === this.#producer.length) this.#producer.push(-1);
    return id;
  }

  #output(chore: number, path: string, tree: boolean): void {
    const id = this.#path(path);
    invariant(this.#producer[id] === -1, () => `two chores make ${path}; the evaluator lets none pass`);
    this.#producer[id] = chore;
    this.#out.list.push(id * 2 + (tree ? 1 : 0));
    if (tree) this.#treeOutputs.push(id);
  }

  /** Number of a path already met, for groups and targets. */
  pathId(path: WorkspacePath): number | undefined {
    return this.#paths.find(path);
  }

  finish(): PlanResult {
    const inputOffsets = this.#in.offsets.done();
    const inputs = this.#in.list.done();
    const producer = Int32Array.from(this.#producer);
    const makersBelow = this.#makersBelow(producer);
    const makersAbove = this.#makersAbove(producer);
    const dependencies = new NumberRow();
    const dependencyOffsets = new Uint32Array(this.choreCount + 1);
    const seenBy = new Int32Array(this.choreCount).fill(-1);
    for (let chore = 0; chore < this.choreCount; chore++) {
      const add = (maker: number): void => {
        // A fixpoint chore reads its own output; that is no edge.
        if (maker < 0 || maker === chore || seenBy[maker] === chore) return;
        seenBy[maker] = chore;
        dependencies.push(maker);
      };
      for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
        const path = (inputs[i] as number) >>> 1;
        let maker = producer[path] as number;
        if (maker < 0) {
          // What stands in a tree that a chore makes is made by that chore, though not declared by name.
          maker = makersAbove(path);
          producer[path] = maker;
        }
        add(maker);
        if ((inputs[i] as number) & 1) for (const maker of makersBelow(path)) add(maker);
      }
      dependencyOffsets[chore + 1] = dependencies.length;
    }
    const list = dependencies.done();
    const order = topologicalOrder(dependencyOffsets, list);
    if (order.length < this.choreCount)
      return { ok: false, cycle: this.#cycle(dependencyOffsets, list, order, inputOffsets, inputs, producer) };
    const columns = {
      label: this.#scalars.label.done(),
      dictum: this.#scalars.dictum.done(),
      place: this.#scalars.place.done(),
      directory: this.#scalars.directory.done(),
      recipe: this.#more.recipe.done(),
      interpreter: this.#more.interpreter.done(),
      image: this.#more.image.done(),
      extras: this.#more.extras.done(),
      depfile: this.#depfile.done(),
      flags: Uint8Array.from(this.#flags),
      fixpoint: Uint16Array.from(this.#fixpoint),
      timeoutMs: Float64Array.from(this.#timeoutMs),
      declared: this.#declared.done(),
      envOffsets: this.#env.offsets.done(),
      env: this.#env.list.done(),
      inputOffsets,
      inputs,
      outputOffsets: this.#out.offsets.done(),
      outputs: this.#out.list.done(),
      producer,
      dependencyOffsets,
      dependencies: list,
      order,
    };
    return {
      ok: true,
      plan: new Plan(columns, StringColumn.ofPool(this.#paths), StringColumn.ofPool(this.#strings)),
    };
  }

  /** For an input below a declared tree output: the tree's maker, else -1. */
  #makersAbove(producer: Int32Array): (path: number) => number {
    if (this.#treeOutputs.length === 0) return () => -1;
    const trees = new Map(this.#treeOutputs.map((id) => [this.#paths.at(id), producer[id] as number]));
    return (path) => {
      const text = this.#paths.at(path);
      for (let slash = text.lastIndexOf("/"); slash > 0; slash = text.lastIndexOf("/", slash - 1)) {
        const maker = trees.get(text.slice(0, slash));
        if (maker !== undefined) return maker;
      }
      return -1;
    };
  }

  /** For a tree that is an input: makers of outputs that stand in it. */
  #makersBelow(producer: Int32Array): (path: number) => readonly number[] {
    let sorted: { text: string; maker: number }[] | undefined;
    return (path) => {
      sorted ??= Array.from(producer, (maker, id) => ({ maker, id }))
        .filter(({ maker }) => maker >= 0)
        .map(({ maker, id }) => ({ text: this.#paths.at(id), maker }))
        .sort((a, b) => (a.text < b.text ? -1 : 1));
      const name = this.#paths.at(path);
      const prefix = name === "" ? "" : `${name}/`;
      let low = 0;
      for (let high = sorted.length; low < high; ) {
        const middle = (low + high) >>> 1;
        if ((sorted[middle] as { text: string }).text < prefix) low = middle + 1;
        else high = middle;
      }
      const makers: number[] = [];
      for (let i = low; i < sorted.length && (sorted[i] as { text: string }).text.startsWith(prefix); i++) {
        makers.push((sorted[i] as { maker: number }).maker);
      }
      return makers;
    };
  }

  #cycle(
    offsets: Uint32Array,
    list: Uint32Array,
    order: Uint32Array,
    inputOffsets: Uint32Array,
    inputs: Uint32Array,
    producer: Int32Array,
  ): PlanCycle {
    const sorted = new Uint8Array(this.choreCount);
    for (const chore of order) sorted[chore] = 1;
    const labels = this.#scalars.label.done();
    // Every unsorted chore waits for an unsorted one, so walking on must come round.
    const step = (chore: number): number => {
      for (let i = offsets[chore] as number; i < (offsets[chore + 1] as number); i++) {
        if (!sorted[list[i] as number]) return list[i] as number;
      }
      return chore;
    };
    const seen = new Map<number, number>();
    const walk: number[] = [];
    let at = sorted.indexOf(0);
    for (; !seen.has(at); at = step(at)) {
      seen.set(at, walk.length);
      walk.push(at);
    }
    const loop = walk.slice(seen.get(at));
    const chores = loop.map((chore, i) => {
      const next = loop[(i + 1) % loop.length] as number;
      const needed = Array.from(inputs.subarray(inputOffsets[chore], inputOffsets[chore + 1])).find(
        (entry) => producer[entry >>> 1] === next,
      );
      return {
        label: this.#strings.at(labels[chore] as number),
        needs: needed === undefined ? "" : this.#paths.at(needed >>> 1).replace(PROPERTY_PREFIX, ""),
      };
    });
    return { chores };
  }
}

/** Kahn's algorithm; shorter than the count of chores exactly when there is a cycle. O(V + E). */
function topologicalOrder(offsets: Uint32Array, list: Uint32Array): Uint32Array {
  const count = offsets.length - 1;
  const waiting = new Uint32Array(count);
  for (let chore = 0; chore < count; chore++)
    waiting[chore] = (offsets[chore + 1] as number) - (offsets[chore] as number);
  const order = new Uint32Array(count);
  let end = 0;
  for (let chore = 0; chore < count; chore++) if (waiting[chore] === 0) order[end++] = chore;
  const reversed = reverse(offsets, list);
  for (let start = 0; start < end; start++) {
    const chore = order[start] as number;
    for (let i = reversed.offsets[chore] as number; i < (reversed.offsets[chore + 1] as number); i++) {
      const dependant = reversed.list[i] as number;
      waiting[dependant] = (waiting[dependant] as number) - 1;
      if (waiting[dependant] === 0) order[end++] = dependant;
    }
  }
  return order.slice(0, end);
}
