import { type Sha256, sha256 } from "../../base/index.ts";
import { base64Of } from "../tree/byte-text.ts";
import { PROOF_TYPE } from "./verify-bundle.ts";
import { type Json, type JsonObject, jsonText, readJson } from "./verify-json.ts";

/** What a proof is made from: a ledger that is its own Merkle tree. */
export interface ProvableLedger {
  read(
    from: number,
    to: number,
  ): IterableIterator<{ readonly seq: number; readonly bytes: Uint8Array; readonly leaf: Sha256 }>;
  inclusion(seq: number, size: number): readonly Uint8Array[];
}

/** What is to be shown about one output. */
export interface ProofSubject {
  readonly artifact: { readonly path: string; readonly sha256: Sha256 };
  /** Seq of the execution. */
  readonly seq: number;
  /** The statement its record names, as it was signed. */
  readonly statement: string;
  /** Records about the keys concerned, and challenges of the execution, by seq, ascending. */
  readonly control: readonly number[];
  readonly agreeing: readonly number[];
  readonly checkpoint: { readonly size: number; readonly note: string };
}

/** The exact bytes of a record. @throws {RangeError} where there is none. */
export function recordBytes(ledger: ProvableLedger, seq: number): Uint8Array {
  for (const { bytes } of ledger.read(seq, seq + 1)) return bytes;
  throw new RangeError(`the ledger has no record ${seq}`);
}

/**
 * One file that shows where an artifact is from. Records and statement stand in it as JSON, not as text in JSON: being
 * canonical themselves they keep their bytes, and nothing is escaped or encoded a second time.
 */
export function makeProof(ledger: ProvableLedger, subject: ProofSubject): Uint8Array {
  const { size, note } = subject.checkpoint;
  const proven = (seq: number): JsonObject => ({
    path: ledger.inclusion(seq, size).map((hash) => base64Of(hash)),
    record: asJson(recordBytes(ledger, seq), `record ${seq}`),
  });
  const several = (seqs: readonly number[]): Json | undefined => (seqs.length === 0 ? undefined : seqs.map(proven));
  const control = several(subject.control);
  const agreeing = several(subject.agreeing);
  const proof: JsonObject = {
    ...(agreeing === undefined ? {} : { agreeing }),
    artifact: subject.artifact,
    checkpoint: note,
    ...(control === undefined ? {} : { control }),
    execution: proven(subject.seq),
    genesis: proven(0),
    statement: asJson(Buffer.from(subject.statement), "the statement"),
    type: PROOF_TYPE,
  };
  return Buffer.from(jsonText(proof));
}

function asJson(bytes: Uint8Array, what: string): JsonObject {
  const read = readJson(bytes);
  if (!read.ok) throw new TypeError(`${what} (SHA-256 ${sha256(bytes)}): ${read.because}`);
  return read.value;
}
