import { type Checkpoint, parseCheckpoint } from "../note/checkpoint.ts";
import { cosignedBytes, parseCosignature } from "../note/cosignature.ts";
import { NOTE_KEY, NoteError, type NoteSignature, parseNote } from "../note/note.ts";
import { type Vkey, vkeyOf } from "../note/vkey.ts";
import { type ProofCrypto, utf8 } from "./verify-bytes.ts";
import { logKeysAt, type ProvenKey } from "./verify-keys.ts";
import type { ProofPolicy } from "./verify-policy.ts";

export type CheckpointRead =
  | {
      readonly ok: true;
      readonly checkpoint: Checkpoint;
      readonly text: string;
      readonly signatures: readonly NoteSignature[];
    }
  | { readonly ok: false; readonly because: string };

/** A signed note as a checkpoint; no signature is looked at. */
export function readCheckpoint(note: string): CheckpointRead {
  try {
    const { text, signatures } = parseNote(note);
    return { ok: true, checkpoint: parseCheckpoint(text), text, signatures };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return { ok: false, because: error.message };
  }
}

type Read = Extract<CheckpointRead, { ok: true }>;

export type LogSignatures =
  | { readonly ok: true; readonly logKeys: readonly Vkey[] }
  | { readonly ok: false; readonly because: string };

/**
 * Whether the ledger itself signed. Each line in the ledger's name must be of one of its log keys that counts at this
 * size, and good; a line in its name of any other key is refused, where a note in general would pass it over.
 */
export async function logSignatures(
  { checkpoint, text, signatures }: Read,
  keys: readonly ProvenKey[],
  crypto: ProofCrypto,
): Promise<LogSignatures> {
  const { origin, size } = checkpoint;
  const known = logKeysAt(keys, size).map(({ publicKey }) => vkeyOf(origin, NOTE_KEY.ed25519, publicKey));
  // What stands in another name is a witness's: a time and a signature. Anything else was not put there by begat.
  const strange = signatures.find((line) => line.name !== origin && parseCosignature(line.bytes) === undefined);
  if (strange !== undefined) return { ok: false, because: `the line of ${strange.name} is no cosignature` };
  const logKeys: Vkey[] = [];
  for (const { name, keyId, bytes } of signatures.filter((line) => line.name === origin)) {
    const key = known.find((one) => one.keyId === keyId);
    if (key === undefined) return { ok: false, because: `key ${keyId} of ${name} is no log key of the ledger` };
    if (!(await crypto.verifyEd25519(key.publicKey, utf8(text), bytes))) {
      return { ok: false, because: `the signature of ${name} (key ${keyId}) does not fit the checkpoint` };
    }
    logKeys.push(key);
  }
  return logKeys.length > 0 ? { ok: true, logKeys } : { ok: false, because: "the ledger did not sign it" };
}

/**
 * Names of the policy's witnesses that cosigned. Lines of others are passed over; a line of a witness the policy knows must
 * be good, else `undefined`.
 */
export async function witnessesOf(
  { text, signatures }: Read,
  policy: ProofPolicy,
  crypto: ProofCrypto,
): Promise<ReadonlySet<string> | undefined> {
  const found = new Set<string>();
  for (const { name, vkey } of policy.witnesses?.witnesses ?? []) {
    const line = signatures.find((one) => one.name === vkey.name && one.keyId === vkey.keyId);
    if (line === undefined || vkey.type !== NOTE_KEY.cosignature) continue;
    const cosignature = parseCosignature(line.bytes);
    if (cosignature === undefined) return undefined;
    const signed = cosignedBytes(cosignature.time, utf8(text));
    if (!(await crypto.verifyEd25519(vkey.publicKey, signed, cosignature.signature))) return undefined;
    found.add(name);
  }
  return found;
}
