import { BegatError, canonicalJson, parseCanonicalJson, type Sha256 } from "../../base/index.ts";
import { LedgerError } from "../ledger.ts";
import { parseCheckpoint } from "../note/checkpoint.ts";
import { type NoteVerifier, openNote } from "../note/note.ts";
import { noteVerifier, parseVkey } from "../note/vkey.ts";
import type { PublicKeyEntry } from "../record.ts";
import { leafHash, parseRecord } from "../record-codec.ts";
import { base64Of, bytesOfBase64, hexOf, sameBytes } from "../tree/byte-text.ts";
import { leafHashOf, verifyConsistency, verifyInclusion } from "../tree/merkle.ts";
import { checkpointOfNote, vkeyOfEntry } from "./signed-checkpoint.ts";

/** Two signed checkpoints of one log that cannot both be true, with what anybody needs to see it. */
export interface ForkProof {
  /** Bytes of the genesis record, which names the log's key; its leaf hash is the ledger's identity. */
  readonly genesis: Uint8Array;
  /** Shows that `other` begins with that record: else anybody could name a ledger of his choice. */
  readonly first: readonly Uint8Array[];
  /** Verifier keys beyond those of genesis, of log keys that took over. */
  readonly keys: readonly string[];
  /** The note of the smaller size, or either where sizes are equal. */
  readonly one: string;
  readonly other: string;
  /** What the history of `other` has for a root at the size of `one`. */
  readonly root: Uint8Array;
  /** Shows that `other` begins with `root`; empty where sizes are equal. */
  readonly path: readonly Uint8Array[];
}

export class ForkProofError extends BegatError<"FORK_PROOF_MALFORMED"> {}

export function formatForkProof(proof: ForkProof): string {
  const { genesis, first, keys, one, other, root, path } = proof;
  const wire = { v: 1, kind: "fork-proof", genesis: base64Of(genesis), first: first.map(base64Of), keys, one, other };
  return `${canonicalJson({ ...wire, root: base64Of(root), path: path.map(base64Of) })}\n`;
}

/** @throws {ForkProofError} */
export function parseForkProof(text: string): ForkProof {
  const malformed = (cause?: unknown) => new ForkProofError("FORK_PROOF_MALFORMED", "not a fork proof", { cause });
  try {
    const value = parseCanonicalJson(Buffer.from(text.trimEnd())) as unknown as { readonly [name: string]: unknown };
    const { v, kind, keys, one, other, path } = value;
    const [genesis, root] = [value.genesis, value.root].map((part) => bytesOfBase64(String(part)));
    const first = hashesOf(value.first);
    const hashes = hashesOf(path);
    const texts = Array.isArray(keys) && keys.every((key) => typeof key === "string") ? (keys as string[]) : undefined;
    if (v !== 1 || kind !== "fork-proof" || !genesis || root?.length !== 32 || texts === undefined) throw malformed();
    if (typeof one !== "string" || typeof other !== "string" || !first || !hashes) throw malformed();
    return { genesis, first, keys: texts, one, other, root, path: hashes };
  } catch (error) {
    throw error instanceof ForkProofError ? error : malformed(error);
  }
}

function hashesOf(value: unknown): Uint8Array[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const hashes = value.map((hash) => bytesOfBase64(String(hash)));
  return hashes.every((hash) => hash?.length === 32) ? (hashes as Uint8Array[]) : undefined;
}

export interface ForkVerdict {
  /** Identity of the ledger whose log key signed two histories. */
  readonly ledger: Sha256;
  readonly log: string;
  readonly sizes: readonly [number, number];
  /** Roots at the smaller size, as either history has it. */
  readonly roots: readonly [string, string];
}

/**
 * Whether a proof shows a fork, from its bytes alone. Keys beyond genesis are taken only where `trusted` names them:
 * anybody can write a key into a file.
 *
 * @returns The fork, or why the file proves none.
 * @throws {ForkProofError} when it is no proof at all.
 */
export function judgeForkProof(proof: ForkProof, trusted: readonly string[] = []): ForkVerdict | { because: string } {
  try {
    const genesis = parseRecord(Buffer.from(proof.genesis));
    if (genesis.kind !== "genesis") return { because: "its first record is no genesis" };
    const keys = proof.keys.filter((key) => trusted.includes(key)).map((key) => noteVerifier(parseVkey(key)));
    const verifiers = [...logVerifiers(genesis.log, genesis.keys), ...keys];
    const [one, other] = [proof.one, proof.other].map((note) => parseCheckpoint(openNote(note, verifiers).text));
    if (one === undefined || other === undefined) return { because: "a checkpoint is missing" };
    if (one.origin !== genesis.log || other.origin !== genesis.log)
      return { because: "a checkpoint is of another log" };
    if (one.size > other.size) return { because: "its checkpoints are not in order" };
    const begins = { leaf: leafHashOf(proof.genesis), index: 0, size: other.size, path: proof.first, root: other.root };
    if (!verifyInclusion(begins)) return { because: "nothing shows that the second history begins with its genesis" };
    const claim = { first: one.size, firstRoot: proof.root, second: other.size, secondRoot: other.root };
    if (!verifyConsistency({ ...claim, path: proof.path })) {
      return { because: `nothing shows what the second history had at ${one.size} records` };
    }
    if (sameBytes(one.root, proof.root))
      return { because: "the second history begins with the first: there is no fork" };
    return {
      ledger: leafHash(proof.genesis),
      log: genesis.log,
      sizes: [one.size, other.size],
      roots: [hexOf(one.root), hexOf(proof.root)],
    };
  } catch (error) {
    if (!(error instanceof BegatError)) throw error;
    return { because: error.message };
  }
}

/** What checks the checkpoints of a log whose keys are `entries`. */
export function logVerifiers(origin: string, entries: readonly PublicKeyEntry[]): NoteVerifier[] {
  const logs = entries.filter(({ role }) => role === "log");
  return logs.map((entry) => noteVerifier(vkeyOfEntry(origin, entry)));
}

export interface ComparedLedger {
  readonly origin: string;
  readonly identity: Sha256;
  size(): number;
  root(size?: number): Sha256;
  inclusion(seq: number, size: number): Uint8Array[];
  consistency(first: number, second: number): Uint8Array[];
  read(from: number, to: number): IterableIterator<{ readonly bytes: Uint8Array }>;
}

export type Comparison =
  /** What was seen elsewhere is the beginning of this ledger, or all of it. */
  | { readonly relation: "agrees"; readonly size: number; readonly root: Sha256 }
  /** Longer than this ledger: it cannot be told from here whether one continues the other. Records may be missing here. */
  | { readonly relation: "ahead"; readonly size: number; readonly root: Sha256 }
  /** Another history. The proof needs a signed note of this side too. */
  | {
      readonly relation: "forked";
      readonly size: number;
      readonly root: Sha256;
      readonly own: Sha256;
      readonly proof?: ForkProof;
    };

/**
 * Compares a checkpoint from elsewhere with this ledger.
 *
 * @param own A signed checkpoint of this ledger of no smaller size, which the proof of a fork needs.
 * @throws {NoteError} when it is not signed by one of `verifiers`.
 * @throws {LedgerError} `LEDGER_FOREIGN` when it is of another log.
 */
export function compareCheckpoint(
  ledger: ComparedLedger,
  note: string,
  verifiers: readonly NoteVerifier[],
  own: { readonly size: number; readonly note: string } | undefined,
): Comparison {
  const { origin } = checkpointOfNote(note);
  if (origin !== ledger.origin) {
    throw new LedgerError("LEDGER_FOREIGN", `the checkpoint is of log ${origin}, this ledger is ${ledger.origin}`);
  }
  openNote(note, verifiers);
  const { size, root } = checkpointOfNote(note);
  if (size > ledger.size()) return { relation: "ahead", size, root };
  const mine = ledger.root(size);
  if (mine === root) return { relation: "agrees", size, root };
  const found = { relation: "forked", size, root, own: mine } as const;
  if (own === undefined || own.size < size) return found;
  const [genesis] = ledger.read(0, 1);
  if (genesis === undefined) return found;
  const first = ledger.inclusion(0, own.size);
  const path = ledger.consistency(size, own.size);
  const bytes = Buffer.from(mine, "hex");
  return {
    ...found,
    proof: { genesis: genesis.bytes, first, keys: [], one: note, other: own.note, root: bytes, path },
  };
}
