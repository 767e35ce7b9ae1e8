import type { Sha256 } from "../../base/index.ts";
import type { History } from "../questions/evidence.ts";
import type { Origin } from "../questions/prov-show.ts";

type Ingest = Extract<Origin, { kind: "ingest" }>;

const INGEST = Buffer.from('"kind":"ingest"');

/**
 * The outside inputs whose unpacked files recipes used, by the name that a begatfile gives them. Recipes list single files
 * of them, `.begat/source/NAME/...`, which no record names; what NAME was then, the newest `ingest` record says.
 */
export class FetchedSources {
  readonly #history: History;
  #known: Map<string, Ingest[]> | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  /** What `path` was unpacked from, as it stood at record `before`. */
  of(path: string, before: number): Ingest | undefined {
    const [, name] = /^\.begat\/source\/([^/]+)\//.exec(path) ?? [];
    if (name === undefined) return undefined;
    return this.#all()
      .get(name)
      ?.findLast(({ seq }) => seq < before);
  }

  /** Read once, from the ledger itself: the index finds digests only. */
  #all(): Map<string, Ingest[]> {
    if (this.#known !== undefined) return this.#known;
    const { ledger, index } = this.#history;
    this.#known = new Map();
    for (const { seq, bytes, leaf } of ledger.read(0, index.size)) {
      if (!bytes.includes(INGEST)) continue;
      const record = ledger.record(seq);
      if (record?.kind !== "ingest" || record.tree === undefined) continue;
      const ingest: Ingest = { kind: "ingest", seq, leaf: leaf as Sha256, record };
      this.#known.set(record.name, [...(this.#known.get(record.name) ?? []), ingest]);
    }
    return this.#known;
  }
}
