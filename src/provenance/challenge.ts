import { type CanonicalValue, canonicalJson } from "../base/index.ts";
import { signDsse, verifyDsse } from "./dsse.ts";
import type { KeyRing, SignatureProblem } from "./execution-signing.ts";
import type { Signer } from "./keys.ts";
import { choreKey } from "./long-lists.ts";
import type { ChallengeBody, RecordFrame } from "./record.ts";

/** Payload type of what is signed about a challenge. */
export const CHALLENGE_PAYLOAD = "application/vnd.begat.challenge.v1+json";
/** Outputs that differ named in a record. */
const MOST_OUTPUTS = 64;

export type ChallengeFacts = Omit<ChallengeBody, "kind" | "key" | "sig">;

/** The line that is signed: every member of the record but those of the ledger, the key and the signature. */
function statement(body: Omit<ChallengeBody, "key" | "sig">, origin: string): string {
  const { kind, build, of, again, action, chore, verdict, seed, out, diff, rnode, level, t0, t1, ms, ver } = body;
  const members = { kind, build, of, again, action, chore, verdict, seed, out, diff, rnode, level, t0, t1, ms, ver };
  return canonicalJson({ ...members, log: origin } as unknown as CanonicalValue);
}

/** Text as a record can hold it. */
function wellFormed<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_key, part) => (typeof part === "string" ? part.toWellFormed() : part)),
  ) as T;
}

/** The body of a `challenge` record, signed by the rnode that executed again. */
export function signChallenge(facts: ChallengeFacts, origin: string, signer: Signer): ChallengeBody {
  const body = wellFormed({
    ...facts,
    kind: "challenge" as const,
    chore: choreKey(facts.chore),
    out: facts.out.slice(0, MOST_OUTPUTS),
    t0: Math.round(facts.t0),
    t1: Math.round(facts.t1),
    ms: Math.max(0, Math.round(facts.ms)),
  });
  return { ...body, key: signer.key, sig: signDsse(signer, CHALLENGE_PAYLOAD, statement(body, origin)) };
}

export type ChallengeVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: Exclude<SignatureProblem, "manifest-missing">; readonly because: string };

/** Whether an endorsed rnode key signed exactly what the record says. */
export function verifyChallenge(record: ChallengeBody & RecordFrame, keys: KeyRing): ChallengeVerdict {
  const valid = keys.validAt(record.key, record.seq, "rnode");
  if (!valid.ok) return { ok: false, reason: "unendorsed-key", because: valid.because };
  if (verifyDsse(valid.key.publicKey, CHALLENGE_PAYLOAD, statement(record, record.log), record.sig))
    return { ok: true };
  return { ok: false, reason: "bad-signature", because: `the signature is not by key ${record.key.slice(0, 12)}` };
}
