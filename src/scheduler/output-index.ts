import type { Plan } from "./plan.ts";

/**
 * Entries (path * 2 + tree bit) of a plan's outputs, by their texts. Those of `likely` are found without making a text of
 * each of the others: of a million outputs that takes seconds.
 */
export class OutputIndex {
  readonly #plan: Plan;
  readonly #likely: ReadonlySet<string>;
  readonly #found: ReadonlyMap<string, number>;
  #all: ReadonlyMap<string, number> | undefined;

  constructor(plan: Plan, likely: readonly string[]) {
    this.#plan = plan;
    this.#likely = new Set(likely);
    this.#found = findAmong(plan, this.#likely);
  }

  get(path: string): number | undefined {
    return this.#likely.has(path) ? this.#found.get(path) : this.all().get(path);
  }

  all(): ReadonlyMap<string, number> {
    if (this.#all === undefined) {
      const all = new Map<string, number>();
      for (const entry of this.#plan.columns.outputs) all.set(this.#plan.path(entry >>> 1), entry);
      this.#all = all;
    }
    return this.#all;
  }
}

function findAmong(plan: Plan, texts: ReadonlySet<string>): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  if (texts.size === 0) return found;
  const sums = new Set<number>();
  for (const text of texts) {
    const bytes = Buffer.from(text);
    sums.add(sumOf(bytes, 0, bytes.length));
  }
  const { bytes, offsets } = plan.paths;
  for (const entry of plan.columns.outputs) {
    const path = entry >>> 1;
    if (!sums.has(sumOf(bytes, offsets[path] as number, offsets[path + 1] as number))) continue;
    const text = plan.path(path);
    if (texts.has(text)) found.set(text, entry);
  }
  return found;
}

/** FNV-1a: equal texts have equal sums, and few others do. */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0x811c9dc5;
  for (let i = from; i < to; i++) sum = Math.imul(sum ^ (bytes[i] as number), 0x01000193);
  return sum >>> 0;
}
