import { BegatError } from "../../base/index.ts";
import { base64Of, bytesOfBase64, hexOf } from "../tree/byte-text.ts";
import { sha256Bytes } from "../tree/cryptography.ts";

/** Signed notes of C2SP signed-note: a text and, below an empty line, signatures over it. */

export type NoteErrorCode =
  /** Not laid out as the format says. */
  | "NOTE_MALFORMED"
  /** A line of a known key does not verify. */
  | "NOTE_BAD_SIGNATURE"
  /** No line is of a known key. */
  | "NOTE_UNVERIFIED";

export class NoteError extends BegatError<NoteErrorCode> {}

/** Kinds of keys a note may be signed with. */
export const NOTE_KEY = { ed25519: 1, cosignature: 4 } as const;

export interface NoteSignature {
  readonly name: string;
  /** 8 hexadecimal digits; names a key, proves nothing. */
  readonly keyId: string;
  /** What follows the key id: for an Ed25519 key, the 64-byte signature. */
  readonly bytes: Uint8Array;
}

export interface Note {
  /** Ends in a line feed. */
  readonly text: string;
  /** At least one. */
  readonly signatures: readonly NoteSignature[];
}

/** Whoever can tell whether a line of `name` and `keyId` is good. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: string;
  verify(text: Uint8Array, bytes: Uint8Array): boolean;
}

const LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const LIMIT_CHARACTERS = 1_000_000;
/** The format asks for 16; a ledger with many witnesses may have more. */
const LIMIT_SIGNATURES = 100;
const utf8 = new TextEncoder();

export const isNoteName = (name: string): boolean => /^[^\s+]+$/u.test(name) && !hasControls(name);

/** Control characters other than the line feed; half a surrogate pair has no UTF-8 form and is as bad. */
function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) return true;
  }
  return !text.isWellFormed();
}

/** First four bytes of SHA-256(name || LF || type || public key), in hexadecimal. */
export function noteKeyId(name: string, type: number, publicKey: Uint8Array): string {
  const head = utf8.encode(`${name}\n`);
  const bytes = new Uint8Array(head.length + 1 + publicKey.length);
  bytes.set(head);
  bytes[head.length] = type;
  bytes.set(publicKey, head.length + 1);
  return hexOf(sha256Bytes(bytes).subarray(0, 4));
}

/** @throws {NoteError} `NOTE_MALFORMED`. */
export function parseNote(note: string): Note {
  const malformed = (what: string) => new NoteError("NOTE_MALFORMED", `not a signed note: ${what}`);
  if (note.length > LIMIT_CHARACTERS) throw malformed(`${note.length} characters`);
  if (hasControls(note)) throw malformed("it has control characters or half characters");
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw malformed("no empty line stands between text and signatures");
  if (!note.endsWith("\n")) throw malformed("its last line is not ended");
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > LIMIT_SIGNATURES) throw malformed(`${lines.length} signatures`);
  return { text, signatures: lines.map((line) => parseSignature(line, malformed)) };
}

function parseSignature(line: string, malformed: (what: string) => NoteError): NoteSignature {
  const [, name, base64] = LINE.exec(line) ?? [];
  const bytes = base64 === undefined ? undefined : bytesOfBase64(base64);
  if (name === undefined || bytes === undefined || bytes.length < 5) throw malformed("a line is not a signature");
  return { name, keyId: hexOf(bytes.subarray(0, 4)), bytes: bytes.subarray(4) };
}

/** The line of one signature, with its line feed. */
export function signatureLine({ name, keyId, bytes }: NoteSignature): string {
  const payload = new Uint8Array(4 + bytes.length);
  for (let i = 0; i < 4; i++) payload[i] = Number.parseInt(keyId.slice(2 * i, 2 * i + 2), 16);
  payload.set(bytes, 4);
  return `\u2014 ${name} ${base64Of(payload)}\n`;
}

/** @throws {NoteError} `NOTE_MALFORMED` when what it was given would not be read back. */
export function formatNote({ text, signatures }: Note): string {
  const note = `${text}\n${signatures.map(signatureLine).join("")}`;
  const back = parseNote(note);
  if (back.text !== text || back.signatures.length !== signatures.length) {
    throw new NoteError("NOTE_MALFORMED", "a note of these parts would be read as another one");
  }
  return note;
}

/** `note` with more lines; those it has already are not repeated. */
export function withSignatures(note: string, more: readonly NoteSignature[]): string {
  const { text, signatures } = parseNote(note);
  const lines = new Set([...signatures, ...more].map(signatureLine));
  return `${text}\n${[...lines].join("")}`;
}

/**
 * The lines that `verifiers` vouch for, one for each of them at most. Lines of keys nobody knows are passed over; a line
 * of a known key must be good, or the note is refused.
 *
 * @throws {NoteError} `NOTE_BAD_SIGNATURE`, or `NOTE_UNVERIFIED` when no line is left.
 */
export function openNote(
  note: string | Note,
  verifiers: readonly NoteVerifier[],
): { readonly text: string; readonly verified: readonly NoteSignature[] } {
  const { text, signatures } = typeof note === "string" ? parseNote(note) : note;
  const bytes = utf8.encode(text);
  const verified = new Map<NoteVerifier, NoteSignature>();
  for (const signature of signatures) {
    const known = verifiers.filter(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (known.length === 0) continue;
    // Key ids have 32 bits: two keys of one name may share theirs, and the line is good if either made it.
    const by = known.find((verifier) => verifier.verify(bytes, signature.bytes));
    if (by === undefined) {
      const { name, keyId } = signature;
      throw new NoteError("NOTE_BAD_SIGNATURE", `the signature of ${name} (key ${keyId}) does not fit the note`);
    }
    if (!verified.has(by)) verified.set(by, signature);
  }
  if (verified.size === 0) throw new NoteError("NOTE_UNVERIFIED", "the note has no signature of a key that is known");
  return { text, verified: [...verified.values()] };
}
