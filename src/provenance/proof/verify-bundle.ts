import { fromBase64 } from "./verify-bytes.ts";
import { isObject, type Json, type JsonObject, readJson } from "./verify-json.ts";

/** `type` of a proof: its format and version (docs/formats.md, "Proofs"). */
export const PROOF_TYPE = "application/vnd.begat.proof.v1+json";

/** A record and what leads from it to the checkpoint's root. Its bytes are those of its canonical text. */
export interface ProvenRecord {
  readonly record: JsonObject;
  readonly seq: number;
  readonly path: readonly Uint8Array[];
}

/** A proof as it was read; nothing in it is believed yet. */
export interface Proof {
  readonly artifact: { readonly path: string; readonly sha256: string };
  /** The statement about the execution; the bytes that were signed are its canonical text. */
  readonly statement: JsonObject;
  readonly execution: ProvenRecord;
  readonly genesis: ProvenRecord;
  /** Records about keys, in the ledger's order. */
  readonly control: readonly ProvenRecord[];
  /** Challenges of the execution. */
  readonly agreeing: readonly ProvenRecord[];
  /** A signed note. */
  readonly checkpoint: string;
}

export type ProofRead =
  | { readonly ok: true; readonly proof: Proof }
  /** `foreign`: no proof of this version at all. `altered`: it says it is one, and is not as begat writes it. */
  | { readonly ok: false; readonly reason: "foreign" | "altered"; readonly because: string };

/** Members an object has and may have; any other makes it another thing than what was written. */
const hasOnly = (value: JsonObject, required: readonly string[], optional: readonly string[] = []): boolean =>
  required.every((name) => name in value) &&
  Object.keys(value).every((name) => required.includes(name) || optional.includes(name));

function provenRecord(value: Json | undefined): ProvenRecord | undefined {
  if (!isObject(value) || !hasOnly(value, ["path", "record"])) return undefined;
  const { path, record } = value;
  if (!Array.isArray(path) || path.length > 63 || !isObject(record)) return undefined;
  const { seq } = record;
  if (typeof seq !== "number" || seq < 0) return undefined;
  const hashes = path.map((hash: Json) => (typeof hash === "string" ? fromBase64(hash, 32) : undefined));
  return hashes.every((hash) => hash !== undefined) ? { record, seq, path: hashes } : undefined;
}

function provenRecords(value: Json | undefined): readonly ProvenRecord[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const records = value.map(provenRecord);
  return records.every((record) => record !== undefined) ? records : undefined;
}

/** Reads a proof, strictly: canonical JSON with exactly the members of the format. */
export function readProof(bytes: Uint8Array): ProofRead {
  const read = readJson(bytes);
  const altered = (because: string): ProofRead => ({ ok: false, reason: "altered", because });
  if (!read.ok) {
    return read.reason === "no-json" ? { ok: false, reason: "foreign", because: read.because } : altered(read.because);
  }
  const { value } = read;
  if (value.type !== PROOF_TYPE) {
    const what = typeof value.type === "string" ? `its type is ${value.type.slice(0, 80)}` : "it has no type";
    return { ok: false, reason: "foreign", because: `${what}; a proof is ${PROOF_TYPE}` };
  }
  const required = ["artifact", "checkpoint", "execution", "genesis", "statement", "type"];
  if (!hasOnly(value, required, ["agreeing", "control"])) return altered("a member is missing, or is one too many");
  const { artifact, checkpoint, statement } = value;
  const execution = provenRecord(value.execution);
  const genesis = provenRecord(value.genesis);
  const control = provenRecords(value.control);
  const agreeing = provenRecords(value.agreeing);
  const parts = execution !== undefined && genesis !== undefined && control !== undefined && agreeing !== undefined;
  if (!parts) return altered("one of its records is not written as a proof writes it");
  if (typeof checkpoint !== "string" || !isObject(statement)) return altered("checkpoint or statement is not one");
  if (!isObject(artifact) || !hasOnly(artifact, ["path", "sha256"])) return altered("it names no artifact");
  const { path, sha256 } = artifact;
  if (typeof path !== "string" || typeof sha256 !== "string") return altered("it names no artifact");
  return {
    ok: true,
    proof: { artifact: { path, sha256 }, statement, execution, genesis, control, agreeing, checkpoint },
  };
}
