import { createPublicKey, verify } from "node:crypto";

/** RFC 8410: what stands before the 32 bytes of an Ed25519 public key in its SPKI DER. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/**
 * Whether `signature` (64 bytes) is Ed25519 over `message` by the raw 32-byte key. Malformed input is `false`. Nothing that
 * a page uses may import this: what verifies proofs is handed its curve.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}
