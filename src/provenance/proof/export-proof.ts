import { basename } from "node:path/posix";
import { BegatError, type Sha256, sha256 } from "../../base/index.ts";
import { dsseEnvelope, IN_TOTO_PAYLOAD, preAuthenticationEncoding } from "../dsse.ts";
import type { Signer } from "../keys.ts";
import { parseCheckpoint } from "../note/checkpoint.ts";
import { NOTE_KEY, parseNote } from "../note/note.ts";
import { formatTlogPolicy } from "../note/tlog-policy.ts";
import { formatTlogProof } from "../note/tlog-proof.ts";
import { formatVkey, vkeyOf } from "../note/vkey.ts";
import type { ExecutionRecord, PublicKeyEntry, RecordBody } from "../record.ts";
import { leafHash } from "../record-codec.ts";
import { rekorDsse } from "../rekor-body.ts";
import { type ActionListing, builderId, isComplete } from "../statement.ts";
import { GO_CHECK, SIGSTORE_CHECK } from "./foreign-programs.ts";
import { classicMetadata, inTotoKey } from "./in-toto-classic.ts";
import { makeProof, type ProvableLedger, recordBytes } from "./make-proof.ts";
import { proofReadme } from "./proof-readme.ts";
import { minisignSignature, publicKeyPem, signifyPublicKey, signifySignature } from "./signature-files.ts";
import { sigstoreBundle, trustedRoot } from "./sigstore-bundle.ts";
import { jsonText } from "./verify-json.ts";
import { POLICY_HEADER } from "./verify-policy.ts";

export type ProofErrorCode =
  /** Only executions whose result counts are proven. */
  | "PROOF_NOT_AN_EXECUTION"
  /** The checkpoint carries no signature of the log key at hand. */
  | "PROOF_NO_CHECKPOINT";

export class ProofError extends BegatError<ProofErrorCode> {}

/** What an export needs of a ledger. */
export interface ExportLedger extends ProvableLedger {
  readonly identity: Sha256;
  readonly origin: string;
  size(): number;
  append(
    entries: readonly { readonly body: RecordBody; readonly manifests: readonly never[] }[],
  ): Promise<readonly { readonly seq: number }[]>;
  /** Signs one for the present size where there is none. */
  checkpoint(): Promise<{ readonly size: number; readonly note: string }>;
}

export interface ExportRequest {
  readonly ledger: ExportLedger;
  readonly record: ExecutionRecord;
  readonly statement: string;
  readonly listing: ActionListing;
  /** Of `record.out`, the one to be proven. */
  readonly artifact: { readonly path: string; readonly sha256: Sha256 };
  /** Public key of the rnode that signed the record. */
  readonly rnodeKey: PublicKeyEntry;
  /** The ledger's own key: it signs the layout and minisign's comment besides the checkpoint. */
  readonly log: Signer;
  /** The rnode's key where it is at hand; in-toto's links need a signature of their own. */
  readonly rnode?: Signer | undefined;
  /** Bills of materials of the artifact, by the ending of their files' names. */
  readonly bills?: ReadonlyMap<string, string> | undefined;
  /** The page that checks proofs in a browser, where there is one. */
  readonly page?: Uint8Array | undefined;
  /** Records about keys and challenges of this execution, by seq, ascending. */
  readonly control: readonly number[];
  readonly agreeing: readonly number[];
  /** Seqs at which the leaf of the attestation may stand already. */
  readonly attested: readonly number[];
}

export interface ProofExport {
  /** By file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The single file that says it all. */
  readonly proof: Uint8Array;
  readonly proofName: string;
  readonly rekor: { readonly seq: number; readonly appended: boolean };
  readonly size: number;
}

const PAGE_NAME = "offline.html";

/** Ten years: a layout must end some time, and records do not. */
const LAYOUT_LIFE_MS = 3_650 * 86_400_000;

/** A file name that neither a shell nor another system takes for something else. */
export function plainName(path: string): string {
  const plain = basename(path).replace(/[^A-Za-z0-9._+-]/g, "_");
  return /^[-.]/.test(plain) ? `_${plain}` : plain;
}

/**
 * Everything a stranger needs to check an artifact, for begat and for tools of others. Appends the attestation's leaf to
 * the ledger unless it is there, and has a checkpoint signed.
 *
 * @throws {ProofError} @throws {LedgerError}
 */
export async function exportProof(request: ExportRequest): Promise<ProofExport> {
  const { ledger, record, artifact, rnodeKey, log, statement } = request;
  if (record.kind !== "exec") {
    throw new ProofError(
      "PROOF_NOT_AN_EXECUTION",
      `record ${record.seq} is of kind ${record.kind}; its result never counted`,
    );
  }
  const rekor = await rekorLeaf(request);
  const signed = await ledger.checkpoint();
  const note = parseNote(signed.note);
  const checkpoint = parseCheckpoint(note.text);
  const rawLog = Buffer.from(log.entry.pub, "base64");
  const vkey = vkeyOf(ledger.origin, NOTE_KEY.ed25519, rawLog);
  const line = note.signatures.find(({ name, keyId }) => name === vkey.name && keyId === vkey.keyId);
  if (line === undefined) {
    throw new ProofError(
      "PROOF_NO_CHECKPOINT",
      `the checkpoint at ${signed.size} has no signature by key ${vkey.keyId}`,
    );
  }
  const { control, agreeing } = request;
  const proof = makeProof(ledger, {
    artifact,
    seq: record.seq,
    statement,
    control: control.filter((seq) => seq < signed.size),
    agreeing: agreeing.filter((seq) => seq < signed.size),
    checkpoint: signed,
  });
  const name = plainName(artifact.path);
  const envelope = dsseEnvelope(IN_TOTO_PAYLOAD, statement, record.key, record.sig);
  const place = {
    seq: rekor.seq,
    path: ledger.inclusion(rekor.seq, signed.size),
    checkpoint,
    note: signed.note,
    log: vkey,
  };
  const sigstore = sigstoreBundle(envelope, { ...place, bytes: recordBytes(ledger, rekor.seq) });
  const path = ledger.inclusion(record.seq, signed.size);
  const comment = `${ledger.origin} at ${signed.size}`;
  const files = new Map<string, Uint8Array>();
  const put = (file: string, bytes: Uint8Array | string) => files.set(file, Buffer.from(bytes));
  put(`${name}.proof`, proof);
  put(`${name}.intoto.jsonl`, `${JSON.stringify(envelope)}\n`);
  put(`${name}.sigstore.json`, `${JSON.stringify(sigstore)}\n`);
  put(`${name}.pae`, preAuthenticationEncoding(IN_TOTO_PAYLOAD, statement));
  put(`${name}.sig`, Buffer.from(record.sig, "base64"));
  put(`${name}.record`, recordBytes(ledger, record.seq));
  put(`${name}.tlog-proof`, formatTlogProof({ index: record.seq, path, checkpoint: signed.note }));
  put("trusted-root.json", `${JSON.stringify(trustedRoot(vkey))}\n`);
  put("checkpoint", signed.note);
  put("checkpoint.text", note.text);
  put("checkpoint.text.ed25519", line.bytes);
  put("checkpoint.text.sig", signifySignature(rawLog, line.bytes, "verify with log.signify.pub"));
  put("checkpoint.text.minisig", minisignSignature(log, line.bytes, comment));
  put("log.vkey", `${formatVkey(vkey)}\n`);
  put("log.pub", publicKeyPem(rawLog));
  put("log.signify.pub", signifyPublicKey(rawLog, `log key of ${ledger.origin}`));
  put("log.minisign.pub", signifyPublicKey(rawLog, `minisign public key of ${ledger.origin}`));
  put("rnode.pub", publicKeyPem(Buffer.from(rnodeKey.pub, "base64")));
  put("policy", formatTlogPolicy({ logs: [vkey], witnesses: [], groups: [], quorum: "none" }));
  put("begat.policy", policyFor(request));
  const classic = request.rnode?.key === record.key ? classicFiles(request, request.rnode) : undefined;
  for (const [file, text] of classic ?? []) put(file, text);
  put("check.go", GO_CHECK);
  put("check.mjs", SIGSTORE_CHECK);
  for (const [ending, text] of request.bills ?? []) put(`${name}.${ending}`, text);
  if (request.page !== undefined) put(PAGE_NAME, request.page);
  put("README.md", readmeFor(request, name, signed.size, classic !== undefined));
  return { files, proof, proofName: `${name}.proof`, rekor, size: signed.size };
}

/** The attestation's leaf: its bytes follow from the record, so that it is known again by its hash. */
async function rekorLeaf(request: ExportRequest): Promise<{ seq: number; appended: boolean }> {
  const { ledger, record, rnodeKey, attested } = request;
  const body = rekorDsse(record.stmt, record.sig, rnodeKey.pub);
  const leaf = leafHash(Buffer.from(jsonText(JSON.parse(JSON.stringify(body.entry)))));
  for (const at of attested) {
    for (const row of ledger.read(at, at + 1)) if (row.leaf === leaf) return { seq: row.seq, appended: false };
  }
  const [appended] = await ledger.append([{ body, manifests: [] }]);
  return { seq: (appended as { seq: number }).seq, appended: true };
}

function policyFor({ ledger, record, log }: ExportRequest): string {
  const vkey = formatVkey(vkeyOf(ledger.origin, NOTE_KEY.ed25519, Buffer.from(log.entry.pub, "base64")));
  const lines = [
    POLICY_HEADER,
    "# The ledger, by its first record; a `log` line accepts it by its key instead:",
    `# log ${vkey}`,
    `ledger ${ledger.identity}`,
    `builder ${builderId(record)} ${record.key}`,
    `level ${record.level}`,
    ...(isComplete(record) ? ["complete"] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function classicFiles(request: ExportRequest, rnode: Signer): readonly (readonly [string, string])[] {
  const { record, listing, artifact, log } = request;
  const { layout, link, linkName } = classicMetadata(
    {
      command: listing.argv,
      materials: listing.inputs.map(({ path, digest }) => ({ path, sha256: digest })),
      products: record.out.map(({ p, d }) => ({ path: p, sha256: d })),
      exit: record.exit,
      artifact: artifact.path,
      expiresMs: record.t1 + LAYOUT_LIFE_MS,
    },
    log,
    rnode,
  );
  return [
    ["root.layout", layout],
    ["layout-key.json", inTotoKey(log.entry)],
    [linkName, link],
  ];
}

function readmeFor(
  { ledger, record, artifact, page, bills }: ExportRequest,
  name: string,
  size: number,
  classic: boolean,
): string {
  return proofReadme({
    name,
    path: artifact.path,
    fileName: basename(artifact.path),
    sha256: artifact.sha256,
    origin: ledger.origin,
    identity: ledger.identity,
    size,
    seq: record.seq,
    rnodeKey: record.key,
    builder: builderId(record),
    level: record.level,
    complete: isComplete(record),
    classic,
    bills: [...(bills?.keys() ?? [])].map((ending) => `${name}.${ending}`),
    page: page === undefined ? undefined : { name: PAGE_NAME, sha256: sha256(page) },
  });
}
