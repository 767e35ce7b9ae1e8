import { sha256 } from "@noble/hashes/sha2.js";

/**
 * SHA-256: 32 bytes. Takes the place of `provenance/tree/cryptography.ts` in a page. Not Web Crypto's: the tree is hashed
 * without waiting, and a file piece by piece.
 */
export const sha256Bytes = (bytes: Uint8Array): Uint8Array => sha256(bytes);
