import { counted, type Sha256 } from "../../base/index.ts";
import type { IngestBody, RecordFrame } from "../record.ts";
import { type Answer, evidenceAt, type History, leafAt, type Making, makingOf, noAnswer } from "./evidence.ts";
import { keyOf } from "./index-filler.ts";

/** What is asked about. With both, the digest decides and the path tells equal artifacts apart. */
export interface ArtifactQuery {
  /** Workspace path. */
  readonly path?: string;
  /** Of the bytes in the checkout, or as the user wrote it. */
  readonly digest?: Sha256;
}

/** Where a file came from. */
export type Origin =
  | { readonly kind: "execution"; readonly making: Making }
  | { readonly kind: "ingest"; readonly seq: number; readonly leaf: Sha256; readonly record: IngestBody & RecordFrame }
  /** No record made it: a file of the checkout. */
  | { readonly kind: "source" };

export interface ProvAnswer {
  readonly path: string;
  readonly digest: Sha256;
  readonly making: Making;
  /** Every input, by path; complete as far as the execution's level says. */
  readonly inputs: readonly {
    readonly path: string;
    readonly digest: Sha256;
    /** Ledger seq of the record it came from; `undefined` for a source. */
    readonly madeBy: number | undefined;
  }[];
}

/** Who, how, when and from what: the execution that made one artifact. */
export function provShow(history: History, query: ArtifactQuery): Answer<ProvAnswer> {
  const making = newestMaking(history, query);
  if (making === undefined) return unknownArtifact(history, query);
  const { evidence, output } = making;
  if (evidence.listing === undefined) {
    return noAnswer(`record ${evidence.seq} names this artifact, but does not hold: ${evidence.because}`);
  }
  const origins = new OriginFinder(history);
  const inputs = evidence.listing.inputs.map(({ path, digest }) => {
    const origin = origins.find(path, digest, evidence.seq);
    const madeBy =
      origin.kind === "execution" ? origin.making.evidence.seq : origin.kind === "ingest" ? origin.seq : undefined;
    return { path, digest, madeBy };
  });
  return { found: true, answer: { path: output.p, digest: output.d, making, inputs } };
}

/** The travail the question is about; its signature may still be found broken. */
export function newestMaking(history: History, query: ArtifactQuery): Making | undefined {
  if (query.digest !== undefined) return makingOf(history, query.digest, query.path);
  if (query.path === undefined) return undefined;
  for (const seq of history.index.producersOfPath(query.path, 8)) {
    const evidence = evidenceAt(history, seq);
    const output = evidence?.record.out.find(({ p }) => p === query.path);
    if (evidence !== undefined && output !== undefined) return { evidence, output };
  }
  return undefined;
}

/** Why nothing is known, and what is known instead. */
export function unknownArtifact(history: History, query: ArtifactQuery): Answer<never> {
  const { path, digest } = query;
  if (digest === undefined) return noAnswer(madeByNone(history, path ?? "anything without a name"));
  const ingested = new OriginFinder(history).ingested(digest);
  if (ingested !== undefined) {
    return noAnswer(`${digest.slice(0, 12)} came from outside: record ${ingested.seq}, ${ingested.record.uri}`);
  }
  const last = path === undefined ? undefined : newestMaking(history, { path });
  const what = path ?? digest;
  if (last === undefined) {
    const [user] = history.index.consumers(keyOf(digest), -1);
    return noAnswer(
      madeByNone(history, what),
      user === undefined ? undefined : `it is a source, used from record ${user} on: begat prov affected says for what`,
    );
  }
  return noAnswer(
    `${what} has digest ${digest.slice(0, 12)}, which no execution made; record ${last.evidence.seq} made it with digest ${last.output.d.slice(0, 12)}`,
    "it was changed after it was made; build it again to have it proven",
  );
}

function madeByNone({ index }: History, what: string): string {
  const looked = `${counted(index.counts().executions, "execution")} in ${counted(index.size, "record")}`;
  return `no execution made ${what} (${looked})`;
}

/** Finds where inputs came from; remembers what it looked at. */
export class OriginFinder {
  readonly #history: History;
  readonly #trees = new Map<Sha256, ReadonlyMap<string, Sha256> | undefined>();

  constructor(history: History) {
    this.#history = { seen: new Map(), ...history };
  }

  /** Origin of the file at `path` as an execution at `before` found it. */
  find(path: string, digest: Sha256, before: number): Origin {
    const making = makingOf(this.#history, digest, path, before) ?? this.#insideTree(path, digest, before);
    if (making !== undefined) return { kind: "execution", making };
    const ingested = this.ingested(digest);
    return ingested === undefined || ingested.seq >= before ? { kind: "source" } : { kind: "ingest", ...ingested };
  }

  /** The newest `ingest` record that brought this file or tree in. */
  ingested(digest: Sha256): { seq: number; leaf: Sha256; record: IngestBody & RecordFrame } | undefined {
    const { ledger, index } = this.#history;
    for (const seq of index.ingests(digest)) {
      const record = ledger.record(seq);
      const leaf = leafAt(ledger, seq);
      if (record?.kind !== "ingest" || leaf === undefined) continue;
      if (record.tree === digest || record.files.some(({ d }) => d === digest)) return { seq, leaf, record };
    }
    return undefined;
  }

  /** A file of a directory that an execution made as one tree. Believed only where the tree's own listing has it. */
  #insideTree(path: string, digest: Sha256, before: number): Making | undefined {
    if (this.#history.treeLister === undefined) return undefined;
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const directory = path.slice(0, slash);
      for (const seq of this.#history.index.producersOfPath(directory, 8, before)) {
        const evidence = evidenceAt(this.#history, seq);
        const tree = evidence?.record.out.find(({ p, m }) => p === directory && m === "t");
        if (evidence === undefined || tree === undefined) continue;
        if (this.#filesOf(tree.d)?.get(path.slice(slash + 1)) === digest) return { evidence, output: tree };
      }
    }
    return undefined;
  }

  #filesOf(tree: Sha256): ReadonlyMap<string, Sha256> | undefined {
    if (!this.#trees.has(tree)) {
      const { ledger, treeLister } = this.#history;
      const files = treeLister?.(tree, (hash) => ledger.manifest(hash));
      this.#trees.set(tree, files && new Map(files.map(({ path, digest }) => [path, digest])));
    }
    return this.#trees.get(tree);
  }
}
