import { type Sha256, sha256 } from "../../src/base/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import {
  type Appended,
  consistencyPath,
  type Entry,
  encodeRecord,
  foldHashes,
  type GenesisBody,
  inclusionPath,
  isControlKind,
  type Ledger,
  LedgerError,
  type LedgerRecord,
  leafHash,
  NO_RECORD,
  type NoteSignature,
  parseRecord,
  putListAway,
  rootOf,
  type SignedCheckpoint,
  type Signer,
  type SubtreeReader,
  signCheckpoint,
  signerFromSeed,
  takeListBack,
  withSignatures,
} from "../../src/provenance/index.ts";

/** A ledger that forgets everything when it goes. Durable at once, so it never waits for a window. */
export class MemoryLedger implements Ledger {
  readonly origin: string;
  readonly identity: Sha256;
  readonly signer: Signer;
  /** Open to tests that tamper. */
  readonly rows: { bytes: Buffer; leaf: Sha256 }[] = [];
  readonly manifests = new Map<Sha256, Buffer>();
  readonly signed: SignedCheckpoint[] = [];
  readonly #clock: Pick<Clock, "nowMs">;
  #closed = false;

  constructor(clock: Pick<Clock, "nowMs"> = { nowMs: () => 1_767_225_600_000 }, origin = "memory.test/ledger/1") {
    this.#clock = clock;
    this.origin = origin;
    this.signer = signerFromSeed(Buffer.alloc(32, 2), "rnode", "frodo");
    const genesis: GenesisBody = {
      kind: "genesis",
      cluster: "shire",
      keys: [signerFromSeed(Buffer.alloc(32, 1), "log").entry, this.signer.entry],
      policy: "test",
    };
    this.rows.push(encodeRecord(genesis, { log: origin, seq: 0, prev: NO_RECORD, atMs: clock.nowMs() }));
    this.identity = this.rows[0]!.leaf;
  }

  size(): number {
    return this.rows.length;
  }

  async append(entries: readonly Entry[]): Promise<readonly Appended[]> {
    if (this.#closed) throw new LedgerError("LEDGER_CLOSED", "the ledger was closed");
    const kept = entries.map(putListAway);
    const added: { bytes: Buffer; leaf: Sha256 }[] = [];
    let prev = this.rows[this.rows.length - 1]!.leaf;
    for (const { body } of kept) {
      const seq = this.rows.length + added.length;
      const record = encodeRecord(body, { log: this.origin, seq, prev, atMs: this.#clock.nowMs() });
      added.push(record);
      prev = record.leaf;
    }
    const first = this.rows.length;
    this.rows.push(...added);
    for (const { manifests } of kept)
      for (const { hash, bytes } of manifests) this.manifests.set(hash, Buffer.from(bytes));
    return added.map(({ leaf }, i) => ({ seq: first + i, leaf }));
  }

  async flush(): Promise<void> {}

  *read(from: number, to: number): IterableIterator<{ seq: number; bytes: Buffer; leaf: Sha256 }> {
    for (let seq = Math.max(0, from); seq < Math.min(to, this.rows.length); seq++) yield { seq, ...this.rows[seq]! };
  }

  record(seq: number): LedgerRecord | undefined {
    const row = this.rows[seq];
    if (row === undefined) return undefined;
    if (leafHash(row.bytes) !== row.leaf) throw new LedgerError("LEDGER_TAMPERED", `record ${seq} was changed`);
    return takeListBack(parseRecord(row.bytes, { seq, log: this.origin }), (hash) => this.manifest(hash));
  }

  manifest(hash: Sha256): Buffer | undefined {
    const bytes = this.manifests.get(hash);
    if (bytes !== undefined && sha256(bytes) !== hash) {
      throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} was changed`);
    }
    return bytes;
  }

  manifestWalk(): (hash: Sha256) => Buffer | undefined {
    return (hash) => this.manifest(hash);
  }

  hasManifests(hashes: readonly Sha256[]): boolean {
    return hashes.every((hash) => {
      const bytes = this.manifests.get(hash);
      return bytes !== undefined && sha256(bytes) === hash;
    });
  }

  controlSeqs(): readonly number[] {
    // Whatever a test made of a row: its kind is looked at, nothing else.
    const kindOf = (bytes: Buffer) => /"kind":"([a-z.]+)","log"/.exec(bytes.toString())?.[1] ?? "";
    return [...this.rows.keys()].filter((seq) => isControlKind(kindOf(this.rows[seq]!.bytes)));
  }

  root(size = this.rows.length): Sha256 {
    return Buffer.from(rootOf(this.#within(size), this.#tree)).toString("hex") as Sha256;
  }

  inclusion(seq: number, size: number): Uint8Array[] {
    return inclusionPath(seq, this.#within(size), this.#tree);
  }

  consistency(first: number, second: number): Uint8Array[] {
    return consistencyPath(first, this.#within(second), this.#tree);
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    if (this.#closed) throw new LedgerError("LEDGER_CLOSED", "the ledger was closed");
    const newest = this.signed.at(-1);
    if (newest?.size === this.rows.length) return newest;
    const log = signerFromSeed(Buffer.alloc(32, 1), "log");
    const checkpoint = signCheckpoint(this.origin, this.rows.length, this.root(), [log]);
    this.signed.push(checkpoint);
    return checkpoint;
  }

  checkpoints(): readonly SignedCheckpoint[] {
    return [...this.signed];
  }

  cosign(size: number, lines: readonly NoteSignature[]): void {
    const i = this.signed.findIndex((checkpoint) => checkpoint.size === size);
    const checkpoint = this.signed[i];
    if (checkpoint === undefined) throw new LedgerError("LEDGER_FOREIGN", `no checkpoint of ${size} records`);
    this.signed[i] = { ...checkpoint, note: withSignatures(checkpoint.note, lines) };
  }

  get #tree(): SubtreeReader {
    const leaves = (first: number, count: number) =>
      this.rows.slice(first, first + count).map(({ leaf }) => Buffer.from(leaf, "hex"));
    return { subtree: (level, index) => foldHashes(leaves(index * 2 ** level, 2 ** level)) };
  }

  #within(size: number): number {
    if (Number.isSafeInteger(size) && size >= 0 && size <= this.rows.length) return size;
    throw new RangeError(`there are ${this.rows.length} records, not ${size}`);
  }

  close(): void {
    this.#closed = true;
  }
}
