import type { Sha256 } from "../base/index.ts";
import { spkiOf } from "./keys.ts";

/** Who signed, as Rekor v2 writes it. */
interface RekorSignature {
  /** Signature, base64. */
  readonly content: string;
  readonly verifier: {
    readonly keyDetails: "PKIX_ED25519";
    /** SPKI DER, base64. */
    readonly publicKey: { readonly rawBytes: string };
  };
}

/** A digest as Rekor v2 writes it: base64. */
interface RekorDigest {
  readonly algorithm: "SHA2_256";
  readonly digest: string;
}

/** An attestation given out, in the shape of a Rekor v2 entry: the leaf's bytes are its canonical JSON and nothing else. */
export type RekorEntry =
  | {
      readonly apiVersion: "0.0.2";
      readonly kind: "dsse";
      readonly spec: {
        readonly dsseV002: { readonly payloadHash: RekorDigest; readonly signatures: readonly RekorSignature[] };
      };
    }
  | {
      readonly apiVersion: "0.0.2";
      readonly kind: "hashedrekord";
      readonly spec: { readonly hashedRekordV002: { readonly data: RekorDigest; readonly signature: RekorSignature } };
    };

/** A leaf without `v`, `log`, `seq`, `prev` and `time`: a verifier of others would not know them. */
export interface RekorBody {
  readonly kind: "rekor";
  readonly entry: RekorEntry;
}

const inBase64 = (digest: Sha256): RekorDigest => ({
  algorithm: "SHA2_256",
  digest: Buffer.from(digest, "hex").toString("base64"),
});

/**
 * The leaf that lets Sigstore's verifiers find an envelope in this ledger.
 *
 * @param payload SHA-256 of the envelope's payload (not of its encoding).
 * @param sig Base64, over the DSSE encoding.
 * @param publicKey The raw 32 bytes, base64.
 */
export function rekorDsse(payload: Sha256, sig: string, publicKey: string): RekorBody {
  const rawBytes = spkiOf(Buffer.from(publicKey, "base64")).toString("base64");
  const signature: RekorSignature = { content: sig, verifier: { keyDetails: "PKIX_ED25519", publicKey: { rawBytes } } };
  const spec = { dsseV002: { payloadHash: inBase64(payload), signatures: [signature] } };
  return { kind: "rekor", entry: { apiVersion: "0.0.2", kind: "dsse", spec } };
}
