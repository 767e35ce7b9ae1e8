import { createHash, createPublicKey, verify } from "node:crypto";
import type { ProofCrypto } from "../../src/provenance/index.ts";
import { spkiOf } from "../../src/provenance/index.ts";

/** Hash and curve of node:crypto, for a verifier that has none of its own. */
export const nodeCrypto: ProofCrypto = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  verifyEd25519: (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      return verify(null, message, createPublicKey({ key: spkiOf(publicKey), format: "der", type: "spki" }), signature);
    } catch {
      return false;
    }
  },
};
