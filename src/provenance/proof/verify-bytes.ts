import { bytesOfBase64, hexOf } from "../tree/byte-text.ts";

/**
 * What a verifier needs of the world besides the bytes: nothing of Node, so that a page in a browser brings its own.
 */
export interface ProofCrypto {
  /** The 32 bytes of SHA-256. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** RFC 8032 Ed25519 without prehashing: 32 bytes of key, 64 of signature. A malformed key or signature is `false`. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text of `bytes`; `undefined` where they are no UTF-8. A byte order mark stays, so that it is not overlooked. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Standard padded base64 in its one spelling, of `length` bytes; `undefined` for any other text. */
export function fromBase64(text: string, length: number): Uint8Array | undefined {
  const bytes = bytesOfBase64(text);
  return bytes?.length === length ? bytes : undefined;
}

/** DSSE 1.0.2 pre-authentication encoding, what is really signed. Lengths are of bytes, decimal. */
export function encodingOf(payloadType: string, payload: Uint8Array): Uint8Array {
  return joined(utf8(`DSSEv1 ${utf8(payloadType).length} ${payloadType} ${payload.length} `), payload);
}

/** RFC 8410: an Ed25519 public key's SPKI DER is these twelve bytes and the raw 32. */
const SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/** The id a ledger knows a key by: SHA-256 of its SPKI DER, hexadecimal. */
export function keyIdOf(crypto: ProofCrypto, publicKey: Uint8Array): string {
  return hexOf(crypto.sha256(joined(SPKI_PREFIX, publicKey)));
}
