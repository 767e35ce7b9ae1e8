import * as crypto from "node:crypto";
import { createHash } from "node:crypto";

/**
 * The only file of `tree` and `note` that knows where hashes come from. A page for a browser is bundled with another file
 * in its place that exports the same name.
 */

/** Node 20.12 and later hash small inputs three times faster in one call; its types do not know that yet. */
const oneShot = (crypto as { hash?: (algorithm: string, data: Uint8Array, encoding: "buffer") => Buffer }).hash;

/** SHA-256: 32 bytes. */
export function sha256Bytes(bytes: Uint8Array): Uint8Array {
  return oneShot ? oneShot("sha256", bytes, "buffer") : createHash("sha256").update(bytes).digest();
}
