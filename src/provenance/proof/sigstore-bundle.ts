import type { DsseEnvelope } from "../dsse.ts";
import { spkiOf } from "../keys.ts";
import type { Checkpoint } from "../note/checkpoint.ts";
import type { Vkey } from "../note/vkey.ts";
import { base64Of, bytesOfHex } from "../tree/byte-text.ts";

/** Where the leaf of an attestation stands in the ledger. */
export interface TlogPlace {
  readonly seq: number;
  /** The leaf's exact bytes: a Rekor v2 entry. */
  readonly bytes: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
  /** The signed note. */
  readonly note: string;
  readonly log: Vkey;
}

const keyIdBytes = (log: Vkey): string => base64Of(bytesOfHex(log.keyId) as Uint8Array);

/**
 * A Sigstore bundle v0.3 whose transparency log is begat's own ledger: Sigstore's verifiers take it for a Rekor v2.
 *
 * @see https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
 */
export function sigstoreBundle(envelope: DsseEnvelope, place: TlogPlace): object {
  const { seq, bytes, path, checkpoint, note, log } = place;
  const logIndex = String(seq);
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      // Must equal the envelope's keyid.
      publicKey: { hint: envelope.signatures[0]?.keyid ?? "" },
      tlogEntries: [
        {
          logIndex,
          logId: { keyId: keyIdBytes(log) },
          kindVersion: { kind: "dsse", version: "0.0.2" },
          integratedTime: "0",
          inclusionProof: {
            logIndex,
            rootHash: base64Of(checkpoint.root),
            treeSize: String(checkpoint.size),
            hashes: path.map(base64Of),
            checkpoint: { envelope: note },
          },
          canonicalizedBody: base64Of(bytes),
        },
      ],
    },
    dsseEnvelope: envelope,
  };
}

/** What Sigstore's verifiers need to know of the ledger: a trusted root with one transparency log. */
export function trustedRoot(log: Vkey): object {
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [
      {
        baseUrl: `https://${log.name}`,
        hashAlgorithm: "SHA2_256",
        publicKey: {
          rawBytes: spkiOf(log.publicKey).toString("base64"),
          keyDetails: "PKIX_ED25519",
          validFor: { start: "1970-01-01T00:00:00Z" },
        },
        logId: { keyId: keyIdBytes(log) },
        checkpointKeyId: { keyId: keyIdBytes(log) },
      },
    ],
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  };
}
