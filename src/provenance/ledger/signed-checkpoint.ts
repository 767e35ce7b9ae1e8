import type { Sha256 } from "../../base/index.ts";
import { checkpointText, parseCheckpoint } from "../note/checkpoint.ts";
import { formatNote, NOTE_KEY, type NoteSignature, parseNote } from "../note/note.ts";
import { type Vkey, vkeyOf } from "../note/vkey.ts";
import type { PublicKeyEntry } from "../record.ts";

/** What a ledger says about itself at one size: a C2SP checkpoint, signed with its log key. */
export interface SignedCheckpoint {
  readonly size: number;
  /** Merkle root of the first `size` records. */
  readonly root: Sha256;
  /** The whole signed note, with every cosignature that came in. */
  readonly note: string;
}

/** Who may sign for a log. */
export interface LogSigner {
  readonly entry: PublicKeyEntry;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The verifier key of a log's or a witness's key under the name it signs notes with. */
export function vkeyOfEntry(name: string, entry: PublicKeyEntry): Vkey {
  const type = entry.role === "witness" ? NOTE_KEY.cosignature : NOTE_KEY.ed25519;
  return vkeyOf(name, type, Buffer.from(entry.pub, "base64"));
}

/** A checkpoint with one line of each signer; more than one while a log key is being replaced. */
export function signCheckpoint(
  origin: string,
  size: number,
  root: Sha256,
  signers: readonly LogSigner[],
): SignedCheckpoint {
  const text = checkpointText(origin, size, Buffer.from(root, "hex"));
  const bytes = new TextEncoder().encode(text);
  const signatures = signers.map((signer): NoteSignature => {
    const { name, keyId } = vkeyOfEntry(origin, signer.entry);
    return { name, keyId, bytes: signer.sign(bytes) };
  });
  return { size, root, note: formatNote({ text, signatures }) };
}

/** The checkpoint a note holds, whoever signed it. @throws {NoteError} */
export function checkpointOfNote(note: string): { origin: string; size: number; root: Sha256 } {
  const { origin, size, root } = parseCheckpoint(parseNote(note).text);
  return { origin, size, root: Buffer.from(root).toString("hex") as Sha256 };
}
