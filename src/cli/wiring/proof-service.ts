import { join } from "node:path/posix";
import { BegatError, digestOf, type Sha256, sha256 } from "../../base/index.ts";
import {
  type ArtifactQuery,
  billOfArtifact,
  type ControlRecord,
  cycloneDx,
  type ExportRequest,
  evidenceAt,
  exportProof,
  type History,
  isControlRecord,
  KeyError,
  keyRecords,
  loadSigner,
  newestMaking,
  nodeProofCrypto,
  type ProofPolicy,
  type ProofVerdict,
  proofFacts,
  readKeyHistory,
  readPin,
  readPolicy,
  regenerateStatement,
  type Signer,
  type SqliteLedger,
  signedSummary,
  spdx,
  unknownArtifact,
  verificationSummary,
  verifyProof,
  witnessNames,
} from "../../provenance/index.ts";
import type { PageView, ProveRequest, ProveView, VerifyRequest, VerifyView } from "../proof-services.ts";
import { openHistory } from "./history.ts";
import { artifactQuery } from "./history-service.ts";
import type { Machine } from "./machine.ts";
import { offlinePage, PageError } from "./offline-page.ts";
import { lister } from "./records.ts";
import { treeDigest } from "./tree-digest.ts";

export class ProveError extends BegatError<
  "PROOF_NOT_PROVEN" | "PROOF_BUNDLE_UNREADABLE" | "PROOF_POLICY_UNREADABLE" | "PROOF_ARTIFACT_UNREADABLE"
> {}

type LocalHistory = History & { readonly ledger: SqliteLedger };

export async function prove(machine: Machine, request: ProveRequest): Promise<ProveView> {
  const history = await openHistory(machine);
  const { ledger } = history;
  const { evidence, output } = subjectOf(machine, history, request);
  const { record, listing } = evidence;
  const key = history.keys.get(record.key)?.entry;
  if (listing === undefined || key === undefined) {
    throw new ProveError("PROOF_NOT_PROVEN", `record ${evidence.seq} does not hold: ${evidence.because}`);
  }
  const { files, proof, proofName, rekor, size } = await exportProof({
    ledger,
    record,
    statement: regenerateStatement(record, ledger, lister),
    listing,
    artifact: { path: output.p, sha256: output.d },
    rnodeKey: key,
    log: ledger.signer("log"),
    rnode: rnodeSigner(ledger, record.key),
    page: offlinePage(machine),
    bills: billsOf(history, { path: output.p, digest: output.d }, machine.host.version.version),
    ...aboutKeys(history, record.key, evidence.seq),
    attested: history.index.attestationsOf(record.stmt),
  } satisfies ExportRequest);
  // Nobody is given what does not hold: not even after a mistake in begat.
  const own = await verifyProof({ proof, crypto: nodeProofCrypto, artifact: output.d, ownLedgers: [ledger.identity] });
  if (own.verdict !== "holds") {
    throw new ProveError("PROOF_NOT_PROVEN", `the proof does not hold: ${own.problems.join("; ")}`);
  }
  machine.fs.makeDirectory(request.output);
  for (const [name, bytes] of files) machine.fs.replaceFile(join(request.output, name), bytes);
  const note = Buffer.from(files.get("checkpoint") ?? "").toString();
  const keys = readKeyHistory(ledger).keys();
  return {
    path: output.p,
    hash: output.d,
    seq: evidence.seq,
    size,
    directory: request.output,
    files: [...files.keys()],
    proof: proofName,
    proofBytes: proof.length,
    ledger: ledger.identity,
    attestation: rekor,
    witnessed:
      witnessNames(
        note,
        keys.map(({ entry }) => entry),
      ).length > 0,
  };
}

/** The execution that is meant, and the output of it. */
function subjectOf(machine: Machine, history: LocalHistory, request: ProveRequest) {
  if (/^(0|[1-9]\d{0,14})$/.test(request.artifact)) {
    const evidence = evidenceAt(history, Number(request.artifact));
    if (evidence === undefined) {
      throw new ProveError("PROOF_NOT_PROVEN", `record ${request.artifact} is no execution`);
    }
    const [output, ...others] = evidence.record.out;
    if (output === undefined) throw new ProveError("PROOF_NOT_PROVEN", `record ${evidence.seq} made nothing`);
    if (others.length > 0) {
      const names = evidence.record.out.slice(0, 5).map(({ p }) => p);
      throw new ProveError("PROOF_NOT_PROVEN", `record ${evidence.seq} made ${others.length + 1} artifacts`, {
        hint: `name one of them: ${names.join(", ")}`,
      });
    }
    return { evidence, output };
  }
  const { inCheckout, ...asked } = artifactQuery(machine, request, history);
  const query = inCheckout === undefined ? asked : { ...asked, digest: inCheckout };
  const making = newestMaking(history, query);
  if (making === undefined) {
    const { because, hint } = unknownArtifact(history, query) as { because: string; hint: string | undefined };
    throw new ProveError("PROOF_NOT_PROVEN", because, { hint });
  }
  return making;
}

/** Bills of materials beside a proof; none where what it was made from does not hold. */
function billsOf(history: History, query: ArtifactQuery, version: string): ReadonlyMap<string, string> {
  const found = billOfArtifact(history, query);
  if (!found.found) return new Map();
  return new Map([
    ["cdx.json", cycloneDx(found.answer, version)],
    ["spdx.json", spdx(found.answer, version)],
  ]);
}

/** The rnode's private key, where it is this machine's. */
function rnodeSigner(ledger: SqliteLedger, key: Sha256): Signer | undefined {
  try {
    const signer = ledger.signer("rnode");
    return signer.key === key ? signer : undefined;
  } catch (error) {
    if (error instanceof BegatError) return undefined;
    throw error;
  }
}

/** Seqs of the records that say why the keys count, and of the challenges of this execution. */
function aboutKeys(
  { ledger, index }: LocalHistory,
  signer: Sha256,
  seq: number,
): { control: number[]; agreeing: number[] } {
  const history = readKeyHistory(ledger);
  const idle = new Set(history.problems.filter(({ counts }) => !counts).map((problem) => problem.seq));
  const records = ledger
    .controlSeqs()
    .map((at) => ledger.record(at))
    .filter((record): record is ControlRecord => record !== undefined && isControlRecord(record))
    .filter((record) => !idle.has(record.seq));
  const logs = history
    .keys()
    .filter(({ entry }) => entry.role === "log")
    .map(({ entry }) => entry.id);
  return {
    control: keyRecords(records, [signer, ...logs]),
    agreeing: challengesOf(ledger, seq, index.challengesOf(seq)),
  };
}

/** A proof with more of them would be no smaller than the doubt it removes. */
const MOST_CHALLENGES = 8;

function challengesOf(ledger: SqliteLedger, of: number, places: readonly number[]): number[] {
  const found: { seq: number; differs: boolean }[] = [];
  for (const seq of places) {
    const record = ledger.record(seq);
    if (record?.kind === "challenge" && record.of === of) found.push({ seq, differs: record.verdict === "differ" });
  }
  // One that came out otherwise is never left out.
  const differing = found.find(({ differs }) => differs);
  const kept = differing === undefined ? found.slice(-MOST_CHALLENGES) : [differing];
  return kept.map(({ seq }) => seq);
}

export async function verify(machine: Machine, request: VerifyRequest): Promise<VerifyView> {
  const { fs } = machine;
  const proof = readBundle(machine, request.bundle);
  const policyText = request.policy === undefined ? undefined : readPolicyFile(machine, request.policy);
  const policy = policyText === undefined ? undefined : understood(policyText, request.policy as string);
  const artifact = artifactDigest(machine, request.artifact);
  const pin = readPin(fs, machine.directories.stateHome);
  const verdict = await verifyProof({
    proof,
    artifact,
    crypto: nodeProofCrypto,
    ...(policy === undefined ? {} : { policy }),
    ownLedgers: pin.state === "present" ? [pin.pin.ledger] : [],
    trustBundleKeys: request.trustBundleKeys,
  });
  const { vsa } = request;
  const view = viewOf(verdict);
  if (!("shown" in verdict)) return view;
  const { shown } = verdict;
  if (pin.state === "present" && pin.pin.ledger === shown.ledger && pin.pin.size === shown.size) {
    if (pin.pin.root !== undefined && pin.pin.root !== shown.root) {
      const problem = `this user's pin has another root for ledger ${shown.ledger.slice(0, 12)} at ${shown.size} records`;
      return { ...view, verdict: "rolled back", problems: [problem, ...view.problems] };
    }
  }
  if (vsa === undefined) return view;
  const facts = {
    verdict,
    artifact,
    proof,
    policy: policyText,
    atMs: machine.clock.nowMs(),
    version: machine.host.version.version,
  };
  const signer = ownSigner(machine);
  const text = signer === undefined ? verificationSummary(facts) : JSON.stringify(signedSummary(facts, signer));
  fs.replaceFile(vsa, `${text}\n`);
  return { ...view, vsa: { path: vsa, signedBy: signer?.key } };
}

/** Of the bytes of a file; of a directory, what names a tree. */
function artifactDigest({ fs }: Machine, path: string): Sha256 {
  const stat = fs.stat(path);
  if (stat?.kind === "file") return digestOf(fs.readFile(path)).hash;
  if (stat?.kind === "directory") return treeDigest(fs, path);
  const what = stat === undefined ? "is not there" : "is neither a file nor a directory";
  throw new ProveError("PROOF_ARTIFACT_UNREADABLE", `${path} ${what}`);
}

/** Writes the page that checks proofs in a browser: the same bytes for everybody who has this begat. */
export async function verifyPage(machine: Machine, output: string): Promise<PageView> {
  const page = offlinePage(machine);
  if (page === undefined) {
    throw new PageError("PAGE_MISSING", "this begat runs from its sources, without the page that its bundle has", {
      hint: "npm run build makes the bundle",
    });
  }
  machine.fs.replaceFile(output, page);
  return { path: output, sha256: sha256(page), bytes: page.length, version: machine.host.version.version };
}

/** A proof's bytes: of the file, or of the only `.proof` in the directory. */
function readBundle({ fs }: Machine, path: string): Buffer {
  const stat = fs.stat(path);
  if (stat === undefined) throw new ProveError("PROOF_BUNDLE_UNREADABLE", `there is no proof ${path}`);
  if (stat.kind !== "directory") return fs.readFile(path);
  const proofs = fs.readDirectory(path).filter(({ name }) => name.endsWith(".proof"));
  if (proofs.length === 1) return fs.readFile(join(path, (proofs[0] as { name: string }).name));
  const names = proofs.map(({ name }) => name);
  throw new ProveError("PROOF_BUNDLE_UNREADABLE", `${path} holds ${proofs.length} proofs, and one is looked for`, {
    hint: names.length > 0 ? `name one: ${names.slice(0, 5).join(", ")}` : undefined,
  });
}

function readPolicyFile({ fs }: Machine, path: string): string {
  if (fs.stat(path)?.kind !== "file") throw new ProveError("PROOF_POLICY_UNREADABLE", `there is no policy ${path}`);
  return fs.readFile(path).toString();
}

function understood(text: string, path: string): ProofPolicy {
  const read = readPolicy(text);
  if (read.ok) return read.policy;
  const where = read.line === undefined ? path : `${path}:${read.line}`;
  throw new ProveError("PROOF_POLICY_UNREADABLE", `${where}: ${read.because}`);
}

function ownSigner({ fs, directories }: Machine): Signer | undefined {
  try {
    return loadSigner(fs, directories.stateHome, "rnode");
  } catch (error) {
    if (error instanceof KeyError && error.code === "KEY_MISSING") return undefined;
    throw error;
  }
}

function viewOf(verdict: ProofVerdict): VerifyView {
  if (!("shown" in verdict)) {
    return {
      verdict: verdict.verdict,
      problems: verdict.problems,
      shown: undefined,
      vouchedBy: undefined,
      vsa: undefined,
    };
  }
  const { shown, vouchedBy, problems } = verdict;
  return {
    verdict: verdict.verdict,
    problems,
    shown: proofFacts(shown),
    vouchedBy,
    vsa: undefined,
  };
}
