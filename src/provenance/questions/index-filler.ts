import type BetterSqlite from "better-sqlite3";
import type { Sha256 } from "../../base/index.ts";
import { BulkInsert } from "./bulk-insert.ts";
import { PAIR_TABLES, TRAIT } from "./index-schema.ts";
import type { IndexSource } from "./index-source.ts";
import { type ScannedExecution, scanExecution } from "./record-scan.ts";
import { SortedPairs } from "./sorted-pairs.ts";

/** What a manifest names, see `manifestReferences` of the protocol, which this room does not know. */
export type ReferenceReader = (
  manifest: Uint8Array,
) => { readonly kind: "directory" | "tree"; readonly names: readonly number[] } | undefined;

/** First 48 bits of a digest, as the tables hold it. */
export function keyOf(hash: string): number {
  return Number.parseInt(hash.slice(0, 12), 16);
}

type PairTable = (typeof PAIR_TABLES)[number]["name"];

/** Copies what questions need from a ledger into the tables; inside a transaction of the caller. */
export class IndexFiller {
  readonly #source: IndexSource;
  readonly #words: Words;
  readonly #image: CommonWord;
  readonly #rnode: CommonWord;
  readonly #executions: BulkInsert;
  readonly #builds: BulkInsert;
  readonly #pairs: { readonly [table in PairTable]: SortedPairs };
  readonly #references: ReferenceReader;
  /** Chore last seen to make a path: most rows would say the same again. */
  readonly #makers = new Map<number, number>();

  constructor(database: BetterSqlite.Database, source: IndexSource, references: ReferenceReader) {
    this.#source = source;
    this.#references = references;
    this.#executions = new BulkInsert(database, "execution", 5);
    this.#builds = new BulkInsert(database, "build", 3);
    const pairs = PAIR_TABLES.map(({ name }) => [name, new SortedPairs(new BulkInsert(database, name, 2))] as const);
    this.#pairs = Object.fromEntries(pairs) as { readonly [table in PairTable]: SortedPairs };
    this.#words = new Words(database, new BulkInsert(database, "word", 2));
    this.#image = new CommonWord(this.#words);
    this.#rnode = new CommonWord(this.#words);
  }

  /** @returns The place of the last manifest read. */
  fill(fromSeq: number, afterManifest: number): number {
    for (const { firstSeq, lengths, bytes } of this.#source.records(fromSeq)) {
      let at = 0;
      lengths.forEach((length, i) => {
        this.#record(firstSeq + i, bytes, at, at + length);
        at += length;
      });
    }
    let lastPlace = afterManifest;
    for (const packed of this.#source.manifests(afterManifest)) {
      let at = 0;
      packed.lengths.forEach((length, i) => {
        this.#manifest(packed.hashes.readUIntBE(i * 6, 6), packed.bytes.subarray(at, at + length));
        at += length;
      });
      lastPlace = packed.lastPlace;
    }
    this.#words.flush();
    this.#executions.flush();
    this.#builds.flush();
    for (const pairs of Object.values(this.#pairs)) pairs.flush();
    return lastPlace;
  }

  #record(seq: number, packed: Buffer, from: number, to: number): void {
    const scanned = scanExecution(packed.toString("latin1", from, to));
    if (scanned === undefined) this.#otherRecord(seq, packed.subarray(from, to));
    else this.#execution(seq, scanned);
  }

  #execution(seq: number, found: ScannedExecution): void {
    const { of_action, of_root, of_chore, made, output, makes } = this.#pairs;
    const traits =
      (found.failed ? TRAIT.failed : 0) |
      (found.complete ? TRAIT.complete : 0) |
      (found.properties ? TRAIT.properties : 0);
    this.#executions.add(seq, this.#image.id(found.image), this.#rnode.id(found.rnode), keyOf(found.key), traits);
    const chore = this.#words.id(found.chore);
    of_chore.add(chore, seq);
    if (found.failed) return;
    of_action.add(keyOf(found.action), seq);
    of_root.add(keyOf(found.root), seq);
    const outputs = found.more === undefined ? found.outputs : this.#outputsOf(found.more);
    for (let i = 0; i + 1 < outputs.length; i += 2) {
      const artifact = keyOf(outputs[i] as string);
      made.add(artifact, seq);
      output.add(seq, artifact);
      const path = this.#words.id(outputs[i + 1] as string);
      if (this.#makers.get(path) === chore) continue;
      this.#makers.set(path, chore);
      makes.add(path, chore);
    }
  }

  #outputsOf(root: Sha256): readonly string[] {
    const list = this.#list(root);
    return list.flatMap(({ d, p }) => (typeof d === "string" && typeof p === "string" ? [d, p] : []));
  }

  /** @param member What the list must have somewhere to be worth parsing. */
  #list(root: unknown, member = ""): readonly { readonly [member: string]: unknown }[] {
    const bytes = typeof root === "string" ? this.#source.manifest(root as Sha256) : undefined;
    const list = bytes?.includes(member) ? tryParse(bytes) : undefined;
    return Array.isArray(list) ? list : [];
  }

  /** Few, so they are parsed. What cannot be read, or is of a kind unknown here, is left out. */
  #otherRecord(seq: number, bytes: Buffer): void {
    const record = tryParse(bytes) as { readonly [member: string]: unknown } | undefined;
    switch (record?.kind) {
      case "challenge":
        if (Number.isSafeInteger(record.of)) this.#pairs.challenged.add(record.of as number, seq);
        return;
      case "hits":
        // Most have thousands of members, and none of these.
        for (const { f, s } of this.#list(record.root, '"f":')) {
          if (typeof f === "string" && Number.isSafeInteger(s)) this.#pairs.kept.add(s as number, seq);
        }
        return;
      case "build.begin":
      case "build.end":
        if (typeof record.build === "string") {
          this.#builds.add(record.build, seq, record.kind === "build.end" ? 1 : 0);
        }
        return;
      case "ingest": {
        const more = record.more as { readonly root?: unknown } | undefined;
        const files = more === undefined ? record.files : this.#list(more.root);
        for (const { d } of Array.isArray(files) ? (files as { d?: unknown }[]) : []) {
          if (typeof d === "string") this.#pairs.ingested.add(keyOf(d), seq);
        }
        if (typeof record.tree === "string") this.#pairs.ingested.add(keyOf(record.tree), seq);
        return;
      }
      case "dsse": {
        const spec = record.spec as { readonly dsseV002?: { readonly payloadHash?: { readonly digest?: unknown } } };
        const digest = spec?.dsseV002?.payloadHash?.digest;
        if (typeof digest !== "string") return;
        this.#pairs.attested.add(keyOf(Buffer.from(digest, "base64").toString("hex")), seq);
        return;
      }
    }
  }

  #manifest(key: number, bytes: Buffer): void {
    const found = this.#references(bytes);
    if (found === undefined) return;
    for (const name of found.names) {
      this.#pairs.holds.add(name, key);
      if (found.kind === "tree") this.#pairs.tree_file.add(key, name);
    }
  }
}

function tryParse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** Numbers for texts that come again and again: labels, paths, images. */
class Words {
  readonly #ids = new Map<string, number>();
  readonly #known: BetterSqlite.Statement | undefined;
  readonly #insert: BulkInsert;
  #next: number;

  constructor(database: BetterSqlite.Database, insert: BulkInsert) {
    this.#insert = insert;
    this.#next = (database.prepare("SELECT coalesce(max(id), 0) + 1 FROM word").pluck().get() as number) ?? 1;
    if (this.#next > 1) this.#known = database.prepare("SELECT id FROM word WHERE text = ?").pluck();
  }

  id(text: string): number {
    let id = this.#ids.get(text) ?? (this.#known?.get(text) as number | undefined);
    if (id === undefined) {
      id = this.#next++;
      this.#insert.add(id, text);
    }
    this.#ids.set(text, id);
    return id;
  }

  flush(): void {
    this.#insert.flush();
  }
}

/** A word that many rows after each other have. */
class CommonWord {
  readonly #words: Words;
  #text: string | undefined;
  #id = 0;

  constructor(words: Words) {
    this.#words = words;
  }

  id(text: string): number {
    if (text !== this.#text) {
      this.#id = this.#words.id(text);
      this.#text = text;
    }
    return this.#id;
  }
}
