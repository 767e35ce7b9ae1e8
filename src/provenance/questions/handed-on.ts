import type { History } from "./evidence.ts";

/** Something an execution gave to later ones that is no file: an image they ran in, a variable they were given. */
export interface HandedOn {
  /** The property as its record names it: `image cc`, `VERSION`. */
  readonly property: string;
  readonly value: string;
  /** Executions that may have had it, by the index and the actions; to be proven. */
  readonly seqs: readonly number[];
}

/** Whether a property is an image, which others ran in. */
export const isImage = (property: string): boolean => property.startsWith("image ");

const uses = (property: string, value: string): string => `${property}=${value}`;

/** Finds where properties went. What it looks at it remembers: actions are read once, at the first property. */
export class PropertyUses {
  readonly #history: History;
  #variables: Map<string, number[]> | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  /** What the execution at `seq` handed on to later ones. */
  of(seq: number): readonly HandedOn[] {
    const { ledger, index } = this.#history;
    if (!index.makesProperties(seq)) return [];
    const record = ledger.record(seq);
    if (record?.kind !== "exec") return [];
    return Object.entries(record.props ?? {}).map(([property, value]) => {
      const all = isImage(property)
        ? index.executionsOfImage(value)
        : (this.#usesOfVariables().get(uses(property, value)) ?? []);
      return { property, value, seqs: all.filter((later) => later > seq) };
    });
  }

  /** Executions by the variables they were given that some execution made, in one pass over them all. */
  #usesOfVariables(): Map<string, number[]> {
    if (this.#variables !== undefined) return this.#variables;
    const { ledger, index, lister } = this.#history;
    const names = new Set<string>();
    for (const seq of index.propertyMakers()) {
      const record = ledger.record(seq);
      if (record?.kind === "exec") for (const name of Object.keys(record.props ?? {})) names.add(name);
    }
    this.#variables = new Map();
    for (const seq of index.executions()) {
      const record = ledger.record(seq);
      if (record?.kind !== "exec") continue;
      for (const [name, value] of environmentOf(record.action)) {
        if (!names.has(name)) continue;
        const key = uses(name, value);
        const seqs = this.#variables.get(key);
        if (seqs === undefined) this.#variables.set(key, [seq]);
        else seqs.push(seq);
      }
    }
    return this.#variables;

    function environmentOf(action: Parameters<typeof lister>[0]) {
      try {
        return lister(action, (hash) => ledger.manifest(hash)).env;
      } catch {
        // Nothing of it can be proven, so it can be no statement either; whoever asks counts it where it is reached.
        return [];
      }
    }
  }
}
