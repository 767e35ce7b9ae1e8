import type { Signer } from "../keys.ts";
import { spkiOf } from "../keys.ts";

/** One Ed25519 signature over one file, in the wrappings of tools that everybody has. */

/** SPKI PEM, as openssl reads it. */
export function publicKeyPem(raw: Uint8Array): string {
  return `-----BEGIN PUBLIC KEY-----\n${spkiOf(raw).toString("base64")}\n-----END PUBLIC KEY-----\n`;
}

/** signify and minisign tell keys apart by eight bytes; any that go with the key will do. */
const wrapped = (raw: Uint8Array, payload: Uint8Array): string =>
  Buffer.concat([Buffer.from("Ed"), raw.subarray(0, 8), payload]).toString("base64");

/** A public key of signify (OpenBSD); minisign's differs by its comment only. */
export const signifyPublicKey = (raw: Uint8Array, comment: string): string =>
  `untrusted comment: ${comment}\n${wrapped(raw, raw)}\n`;

export const signifySignature = (raw: Uint8Array, signature: Uint8Array, comment: string): string =>
  `untrusted comment: ${comment}\n${wrapped(raw, signature)}\n`;

/** minisign signs a comment as well: a second signature over the first and that comment. */
export function minisignSignature(signer: Signer, signature: Uint8Array, comment: string): string {
  const raw = Buffer.from(signer.entry.pub, "base64");
  const whole = signer.sign(Buffer.concat([signature, Buffer.from(comment)])).toString("base64");
  return `${signifySignature(raw, signature, "signature of a checkpoint")}trusted comment: ${comment}\n${whole}\n`;
}
