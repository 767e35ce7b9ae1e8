import { sha256 } from "../../base/index.ts";
import { type DsseEnvelope, dsseEnvelope, IN_TOTO_PAYLOAD, signDsse } from "../dsse.ts";
import type { Signer } from "../keys.ts";
import { TYPE_BASE } from "../type-base.ts";
import { jsonText } from "./verify-json.ts";
import type { ProofVerdict } from "./verify-proof.ts";

/** What a verification was of, by what rule, and when. */
export interface VsaFacts {
  readonly verdict: Extract<ProofVerdict, { verdict: "holds" | "not proven" }>;
  /** SHA-256 of the artifact at hand, which is what the summary is about. */
  readonly artifact: string;
  readonly proof: Uint8Array;
  /** Text of the policy; absent where the user's own word stood for one. */
  readonly policy: string | undefined;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Of begat. */
  readonly version: string;
}

/** A ledger of one user on one machine is Build L1: L2 asks for a hosted platform, however well the records are signed. */
const LEVELS = ["SLSA_BUILD_LEVEL_1"];

/**
 * A verification summary (SLSA VSA v1): the in-toto statement, canonical JSON.
 *
 * @see https://slsa.dev/spec/v1.1/verification_summary
 */
export function verificationSummary(facts: VsaFacts): string {
  const { verdict, artifact, proof, policy, atMs, version } = facts;
  const { shown } = verdict;
  const passed = verdict.verdict === "holds";
  const rule = policy ?? `trust: ${verdict.vouchedBy ?? "nobody"}`;
  return jsonText({
    _type: "https://in-toto.io/Statement/v1",
    predicateType: "https://slsa.dev/verification_summary/v1",
    subject: [{ name: shown.artifact.path, digest: { sha256: artifact } }],
    predicate: {
      verifier: { id: `${TYPE_BASE}/verifier/v1`, version: { begat: version } },
      timeVerified: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
      resourceUri: `${TYPE_BASE}/ledger/${shown.ledger}/${encodeURI(shown.artifact.path)}`,
      policy: { uri: `${TYPE_BASE}/policy/${sha256(rule)}`, digest: { sha256: sha256(rule) } },
      inputAttestations: [{ uri: `${TYPE_BASE}/proof/${sha256(proof)}`, digest: { sha256: sha256(proof) } }],
      verificationResult: passed ? "PASSED" : "FAILED",
      verifiedLevels: passed ? LEVELS : [],
      slsaVersion: "1.1",
    },
  });
}

/** The summary as an envelope, signed by whoever verified. */
export function signedSummary(facts: VsaFacts, signer: Signer): DsseEnvelope {
  const statement = verificationSummary(facts);
  return dsseEnvelope(IN_TOTO_PAYLOAD, statement, signer.key, signDsse(signer, IN_TOTO_PAYLOAD, statement));
}
