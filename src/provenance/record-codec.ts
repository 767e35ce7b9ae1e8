import {
  BegatError,
  type CanonicalValue,
  canonicalJson,
  compareUtf8,
  InvariantViolation,
  parseCanonicalJson,
  type Sha256,
  sha256,
} from "../base/index.ts";
import type { LedgerRecord, RecordBody } from "./record.ts";
import { isRecordKind, shapeOfKind, shapeProblem } from "./record-shape.ts";

export type RecordErrorCode =
  | "RECORD_MALFORMED"
  | "RECORD_TOO_LARGE"
  /** Written by a later begat: cannot be checked here, which is not the same as wrong. */
  | "RECORD_UNKNOWN_KIND"
  | "RECORD_UNKNOWN_VERSION";

export class RecordError extends BegatError<RecordErrorCode> {}

/** An entry of a C2SP entry bundle carries its length in 16 bits. */
export const RECORD_LIMIT_BYTES = 65_535;

/** `prev` of the first record. */
export const NO_RECORD = "0".repeat(64) as Sha256;

/** Where a record is put behind its zero byte: thousands a second would each have a piece of memory of their own. */
const LEAF = Buffer.alloc(RECORD_LIMIT_BYTES + 1);

/** RFC 6962 section 2.1: SHA-256(0x00 || record). The chain's link and the Merkle tree's leaf are the same hash. */
export function leafHash(record: Uint8Array): Sha256 {
  const isShort = record.length < LEAF.length;
  const prefixed = isShort ? LEAF.subarray(0, record.length + 1) : Buffer.alloc(record.length + 1);
  prefixed.set(record, 1);
  return sha256(prefixed);
}

export interface EncodedRecord {
  readonly bytes: Buffer;
  readonly leaf: Sha256;
}

export type Wire = { readonly [member: string]: CanonicalValue | undefined };

/** Names may be anything in `props` and `vars`, but not as members of a record: they are written as sorted pairs. */
const toPairs = (values: { readonly [name: string]: string }): CanonicalValue =>
  Object.entries(values).sort((a, b) => compareUtf8(a[0], b[0]));

/** A body as it is written, with members of its frame. */
export function toWire(body: RecordBody, frame: Wire): Wire {
  const wire: { [member: string]: CanonicalValue | undefined } = { ...(body as unknown as Wire), ...frame };
  if (body.kind === "build.begin") wire.vars = toPairs(body.vars);
  if ((body.kind === "exec" || body.kind === "fail") && body.props) wire.props = toPairs(body.props);
  return wire;
}

/** Text cut in the middle of a character has no UTF-8 form; such a place becomes U+FFFD. */
function wellFormed(value: CanonicalValue): CanonicalValue {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  const entries = Object.entries(value as Wire).map(([name, member]) => [
    name,
    member === undefined ? undefined : wellFormed(member),
  ]);
  return Object.fromEntries(entries) as Wire;
}

/** @throws {RecordError} `RECORD_MALFORMED` */
export function canonicalText(wire: Wire): string {
  try {
    return canonicalJson(wire);
  } catch (first) {
    if (!(first instanceof InvariantViolation)) throw first;
    try {
      return canonicalJson(wellFormed(wire));
    } catch (cause) {
      throw new RecordError("RECORD_MALFORMED", `${wire.kind} record has no canonical form`, { cause });
    }
  }
}

export interface Frame {
  readonly log: string;
  readonly seq: number;
  readonly prev: Sha256;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/**
 * The bytes of `body` at its place in a ledger.
 *
 * @throws {RecordError} `RECORD_MALFORMED` when a member is missing or of the wrong type: what is appended once cannot be
 *   taken back. `RECORD_TOO_LARGE` above 65,535 bytes.
 */
export function encodeRecord(body: RecordBody, frame: Frame): EncodedRecord {
  const wire = toWire(body, {
    v: 1,
    log: frame.log,
    seq: frame.seq,
    prev: frame.prev,
    time: new Date(frame.atMs).toISOString(),
  });
  const problem = isRecordKind(body.kind) ? shapeProblem(body.kind, wire) : ".kind is unknown";
  if (problem !== undefined) throw new RecordError("RECORD_MALFORMED", `${body.kind} record: ${problem}`);
  // Verbatim: whoever knows such an entry from elsewhere finds the bytes he knows.
  const bytes = Buffer.from(canonicalText(body.kind === "rekor" ? (body.entry as unknown as Wire) : wire));
  if (bytes.length > RECORD_LIMIT_BYTES) {
    throw new RecordError(
      "RECORD_TOO_LARGE",
      `${body.kind} record has ${bytes.length} bytes; a record has at most ${RECORD_LIMIT_BYTES}`,
    );
  }
  return { bytes, leaf: leafHash(bytes) };
}

function named(pairs: unknown): { readonly [name: string]: string } {
  return Object.fromEntries(pairs as [string, string][]);
}

/** The inverse of `toWire`, of members whose shape was checked. */
export function fromWire(kind: LedgerRecord["kind"], wire: Wire): LedgerRecord {
  if (kind === "build.begin") return { ...wire, vars: named(wire.vars) } as unknown as LedgerRecord;
  if (wire.props === undefined) return wire as unknown as LedgerRecord;
  return { ...wire, props: named(wire.props) } as unknown as LedgerRecord;
}

/** Where a record stands. Only a Rekor leaf needs to be told; every other says so itself. */
export interface RecordPlace {
  readonly seq: number;
  readonly log: string;
  /** Leaf hash of the record before; 64 zeros stand for one that was not looked up. */
  readonly prev?: Sha256 | undefined;
}

const NO_PLACE: RecordPlace = { seq: 0, log: "" };

function parseRekor(entry: Wire, { seq, log, prev = NO_RECORD }: RecordPlace): LedgerRecord {
  const record = { kind: "rekor", entry, v: 1, log, seq, prev, time: "" };
  const problem = shapeProblem("rekor", record);
  if (problem !== undefined) throw new RecordError("RECORD_MALFORMED", `rekor record: ${problem}`);
  return record as unknown as LedgerRecord;
}

const isRecordOf = (bytes: Uint8Array, kind: unknown): boolean =>
  isRecordKind(kind) && shapeOfKind(kind).end(bytes, 0) === bytes.length;

/**
 * Reads a record. Its one verifying rule is that writing it again gives the same bytes; then every member is checked.
 *
 * @param place What a Rekor leaf is said to be at; of no meaning to any other.
 * @throws {RecordError} for anything else, whatever the bytes are.
 */
export function parseRecord(bytes: Uint8Array, place: RecordPlace = NO_PLACE): LedgerRecord {
  let wire: CanonicalValue;
  // Bytes that are exactly a record's canonical form say at once that nothing is wrong with its members either.
  let isSound = false;
  const isRecord = (value: CanonicalValue): boolean => {
    isSound = isRecordOf(bytes, (value as Wire).kind);
    return isSound;
  };
  try {
    wire = parseCanonicalJson(bytes, isRecord);
  } catch (cause) {
    throw new RecordError("RECORD_MALFORMED", "record does not parse", { cause });
  }
  if (typeof wire !== "object" || Array.isArray(wire)) {
    throw new RecordError("RECORD_MALFORMED", "record is not an object");
  }
  const members = wire as Wire;
  if (members.v === undefined && members.apiVersion !== undefined) return parseRekor(members, place);
  if (members.v !== 1) {
    throw new RecordError("RECORD_UNKNOWN_VERSION", `record is of version ${String(members.v)}; this begat reads 1`);
  }
  const kind = members.kind;
  if (!isRecordKind(kind) || kind === "rekor") {
    throw new RecordError(
      "RECORD_UNKNOWN_KIND",
      `record is of kind ${JSON.stringify(kind)}, which this begat does not know`,
    );
  }
  const problem = isSound ? undefined : shapeProblem(kind, members);
  if (problem !== undefined) throw new RecordError("RECORD_MALFORMED", `${kind} record: ${problem}`);
  return fromWire(kind, members);
}
