import { sha256Bytes } from "../tree/cryptography.ts";
import { verifyEd25519 } from "../tree/ed25519.ts";
import type { ProofCrypto } from "./verify-bytes.ts";

/** Hash and curve of Node, for verifying proofs outside of a page. */
export const nodeProofCrypto: ProofCrypto = { sha256: sha256Bytes, verifyEd25519 };
