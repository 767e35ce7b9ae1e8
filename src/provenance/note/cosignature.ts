import { NOTE_KEY, type NoteSignature, noteKeyId } from "./note.ts";

/** Timestamped Ed25519 cosignatures of C2SP tlog-cosignature: a witness saw this checkpoint, and none that conflicts. */

export interface Cosignature {
  /** Seconds since 1970, as the witness's clock had it. */
  readonly time: number;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** What is signed: two lines, then the checkpoint's whole text. */
export function cosignedBytes(time: number, checkpointText: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`cosignature/v1\ntime ${time}\n`);
  const bytes = new Uint8Array(head.length + checkpointText.length);
  bytes.set(head);
  bytes.set(checkpointText, head.length);
  return bytes;
}

/** `bytes` of a signature line; `undefined` unless it is a time and 64 bytes. */
export function parseCosignature(bytes: Uint8Array): Cosignature | undefined {
  if (bytes.length !== 72) return undefined;
  const time = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { time: Number(time), signature: bytes.subarray(8) };
}

/** A witness: its name, its own key (used for nothing else), and its signing. */
export interface Cosigner {
  readonly name: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** The line by which `cosigner` vouches for a checkpoint at `time` (seconds since 1970). */
export function cosign(cosigner: Cosigner, checkpointText: string, time: number): NoteSignature {
  const { name, publicKey } = cosigner;
  const signature = cosigner.sign(cosignedBytes(time, new TextEncoder().encode(checkpointText)));
  const bytes = new Uint8Array(8 + signature.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time));
  bytes.set(signature, 8);
  return { name, keyId: noteKeyId(name, NOTE_KEY.cosignature, publicKey), bytes };
}
