import { formatVkey } from "../note/vkey.ts";
import { hexOf } from "../tree/byte-text.ts";
import { leafHashOf, verifyInclusion } from "../tree/merkle.ts";
import { type Proof, type ProvenRecord, readProof } from "./verify-bundle.ts";
import { type ProofCrypto, utf8 } from "./verify-bytes.ts";
import { type CheckpointRead, logSignatures, readCheckpoint, witnessesOf } from "./verify-checkpoint.ts";
import { type JsonObject, jsonText } from "./verify-json.ts";
import { keyAt, keyHistory, type ProvenKey, signedAs, withoutMembers } from "./verify-keys.ts";
import { breaches, type ProofPolicy } from "./verify-policy.ts";
import { checkStatement, type StatedFacts } from "./verify-statement.ts";

/** Payload types of what rnodes sign. */
const STATEMENT_TYPE = "application/vnd.in-toto+json";
const CHALLENGE_TYPE = "application/vnd.begat.challenge.v1+json";

/** Members of a challenge that its signature leaves out. */
const CHALLENGE_UNSIGNED = new Set(["key", "prev", "seq", "sig", "time", "v"]);

export interface ProofQuestion {
  /** Bytes of the proof. */
  readonly proof: Uint8Array;
  /** SHA-256 of the artifact at hand, hexadecimal; absent: only the proof itself is looked at. */
  readonly artifact?: string;
  /** Whom to believe. */
  readonly policy?: ProofPolicy;
  /** Identities of ledgers that count without a policy: the user's own. */
  readonly ownLedgers?: readonly string[];
  /** Believe the keys in the proof because somebody asked to: trust at first use. */
  readonly trustBundleKeys?: boolean;
  readonly crypto: ProofCrypto;
}

/** What the proof shows, relative to its ledger. */
export interface ShownFacts extends StatedFacts {
  readonly artifact: { readonly path: string; readonly sha256: string };
  /** Leaf hash of the ledger's first record. */
  readonly ledger: string;
  readonly origin: string;
  readonly size: number;
  /** Merkle root at that size, hexadecimal. */
  readonly root: string;
  readonly seq: number;
  readonly leaf: string;
  /** Key ids of the signer and of those that endorsed it, the nearest first. */
  readonly signer: readonly string[];
  /** Verifier keys that signed the checkpoint. */
  readonly log: readonly string[];
  readonly witnesses: readonly string[];
  /** Executions that gave this result: this one and the challenges it passed. */
  readonly agreeing: number;
}

export type ProofVerdict =
  | {
      readonly verdict: "holds" | "not proven";
      readonly shown: ShownFacts;
      /** Who says that the ledger and its keys are to be believed; `undefined`: nobody. */
      readonly vouchedBy: "policy" | "own ledger" | "bundle keys" | undefined;
      /** Why it is not proven; empty where it holds. */
      readonly problems: readonly string[];
    }
  | { readonly verdict: "tampered" | "could not check"; readonly problems: readonly string[] };

/** Ends a check: what was found wrong. */
class Altered extends Error {}

/**
 * Checks a proof from nothing but its bytes: structure, records in the tree, keys, checkpoint, attestation; then the
 * artifact's digest and the policy. Needs no ledger and no network, and never throws at what it was given.
 */
export async function verifyProof(question: ProofQuestion): Promise<ProofVerdict> {
  const read = readProof(question.proof);
  if (!read.ok) {
    if (read.reason === "foreign") return { verdict: "could not check", problems: [`not a proof: ${read.because}`] };
    return { verdict: "tampered", problems: [`the proof was altered: ${read.because}`] };
  }
  const checkpoint = readCheckpoint(read.proof.checkpoint);
  if (!checkpoint.ok) return { verdict: "tampered", problems: [`the checkpoint was altered: ${checkpoint.because}`] };
  try {
    return await judge(question, read.proof, checkpoint);
  } catch (error) {
    if (!(error instanceof Altered)) throw error;
    return { verdict: "tampered", problems: [error.message] };
  }
}

type SignedCheckpoint = Extract<CheckpointRead, { ok: true }>;

async function judge(question: ProofQuestion, proof: Proof, signed: SignedCheckpoint): Promise<ProofVerdict> {
  const { crypto, policy } = question;
  const { execution, genesis, statement, artifact } = proof;
  const { origin, size } = signed.checkpoint;
  const leaves = recordsInTree(proof, signed, crypto);
  if (genesis.record.kind !== "genesis" || genesis.seq !== 0) throw new Altered("its first record is no genesis");
  const history = await keyHistory(
    genesis.record,
    proof.control.map(({ record }) => record),
    crypto,
  );
  if (!history.ok) throw new Altered(history.because);
  const log = await logSignatures(signed, history.keys, crypto);
  if (!log.ok) throw new Altered(log.because);
  const signer = await signedStatement(proof, history.keys, crypto);
  const stated = checkStatement(execution.record, statement);
  if (!stated.ok) throw new Altered(stated.because);
  const made = stated.facts.outputs.some(({ path, sha256 }) => path === artifact.path && sha256 === artifact.sha256);
  if (!made)
    throw new Altered(`the execution did not make ${artifact.path} with digest ${artifact.sha256.slice(0, 12)}`);
  const agreeing = await agreeingExecutions(proof, history.keys, crypto);
  const witnesses = policy === undefined ? new Set<string>() : await witnessesOf(signed, policy, crypto);
  if (witnesses === undefined)
    throw new Altered("a cosignature by a witness of the policy does not fit the checkpoint");

  const ledger = leaves.get(0) as string;
  const { facts } = stated;
  const shown: ShownFacts = {
    ...facts,
    artifact,
    ledger,
    origin,
    size,
    root: hexOf(signed.checkpoint.root),
    seq: execution.seq,
    leaf: leaves.get(execution.seq) as string,
    signer: [signer.id, ...signer.by],
    log: log.logKeys.map(formatVkey),
    witnesses: [...witnesses],
    agreeing,
  };
  const problems: string[] = [];
  if (question.artifact !== undefined && question.artifact !== artifact.sha256) {
    problems.push(
      `the artifact has digest ${question.artifact.slice(0, 12)}; the proof is about ${artifact.sha256.slice(0, 12)}`,
    );
  }
  if (policy !== undefined) {
    const { builder, level, complete } = facts;
    problems.push(
      ...breaches(policy, { ledger, logKeys: log.logKeys, signer, builder, level, complete, agreeing, witnesses }),
    );
  }
  const vouchedBy = whoVouches(question, ledger);
  if (vouchedBy === undefined) {
    problems.push(
      `nobody vouches for the keys of ledger ${ledger.slice(0, 12)}: no policy names it, and it is none that is known here`,
    );
  }
  return { verdict: problems.length === 0 ? "holds" : "not proven", shown, vouchedBy, problems };
}

function whoVouches(question: ProofQuestion, ledger: string): "policy" | "own ledger" | "bundle keys" | undefined {
  if (question.policy !== undefined) return "policy";
  if (question.ownLedgers?.includes(ledger)) return "own ledger";
  return question.trustBundleKeys === true ? "bundle keys" : undefined;
}

/** Leaf hash by seq, of every record of the proof; each is shown to stand in the tree, at its place, once. */
function recordsInTree(proof: Proof, { checkpoint }: SignedCheckpoint, crypto: ProofCrypto): Map<number, string> {
  const leaves = new Map<number, string>();
  const all: ProvenRecord[] = [proof.genesis, ...proof.control, proof.execution, ...proof.agreeing];
  const { origin, size, root } = checkpoint;
  for (const { record, seq, path } of all) {
    if (record.v !== 1 || record.log !== origin) throw new Altered(`record ${seq} is not of the ledger ${origin}`);
    if (leaves.has(seq)) throw new Altered(`record ${seq} is there twice`);
    const leaf = leafHashOf(utf8(jsonText(record)), crypto.sha256);
    if (!verifyInclusion({ leaf, index: seq, size, path, root }, crypto.sha256)) {
      throw new Altered(`record ${seq} is not in the ledger of ${size} records that the checkpoint signs`);
    }
    leaves.set(seq, hexOf(leaf));
  }
  return leaves;
}

/** The rnode key that signed the statement the record names, and counted when it did. */
async function signedStatement(proof: Proof, keys: readonly ProvenKey[], crypto: ProofCrypto): Promise<ProvenKey> {
  const { record, seq } = proof.execution;
  const payload = utf8(jsonText(proof.statement));
  if (hexOf(crypto.sha256(payload)) !== record.stmt) throw new Altered("the record names another attestation");
  const signer = keyAt(keys, String(record.key), "rnode", seq);
  if (signer === undefined) {
    throw new Altered(`key ${String(record.key).slice(0, 12)} was no endorsed rnode key at record ${seq}`);
  }
  if (!(await signedAs(crypto, signer.publicKey, STATEMENT_TYPE, payload, record.sig))) {
    throw new Altered("the attestation is not signed by the key its record names");
  }
  return signer;
}

/** One for the execution, one for every challenge it passed; a challenge that came out otherwise leaves none. */
async function agreeingExecutions(
  { execution, agreeing }: Proof,
  keys: readonly ProvenKey[],
  crypto: ProofCrypto,
): Promise<number> {
  const signatures = new Set<string>();
  let differs = false;
  for (const { record, seq } of agreeing) {
    const about =
      record.kind === "challenge" && record.of === execution.seq && record.action === execution.record.action;
    if (!about) throw new Altered(`record ${seq} is no challenge of record ${execution.seq}`);
    const key = keyAt(keys, String(record.key), "rnode", seq);
    if (key === undefined || !(await isChallengeOf(record, key, crypto))) {
      throw new Altered(`the challenge at record ${seq} is not signed by an endorsed rnode key`);
    }
    if (record.verdict !== "match") differs = true;
    signatures.add(String(record.sig));
  }
  return differs ? 0 : 1 + signatures.size;
}

const isChallengeOf = (record: JsonObject, key: ProvenKey, crypto: ProofCrypto): Promise<boolean> =>
  signedAs(crypto, key.publicKey, CHALLENGE_TYPE, withoutMembers(record, CHALLENGE_UNSIGNED), record.sig);
