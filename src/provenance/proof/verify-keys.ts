import { encodingOf, fromBase64, keyIdOf, type ProofCrypto, utf8 } from "./verify-bytes.ts";
import { isObject, type Json, type JsonObject, jsonText } from "./verify-json.ts";

/** A key as the ledger's own records vouch for it. Positions are of records, whose order is the only clock. */
export interface ProvenKey {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly role: string;
  /** Record that brought it in: it counts in records after that one, and if genesis lists it, in all. */
  readonly since: number;
  /** It counts in records before this one. */
  readonly until: number;
  /** Ids of the keys that brought it in, the nearest first; of a key that genesis lists, none. */
  readonly by: readonly string[];
}

export type KeyHistory =
  | { readonly ok: true; readonly keys: readonly ProvenKey[] }
  | { readonly ok: false; readonly because: string };

/** What signs for control records and for proofs of possession, docs/formats.md "Control records". */
const CONTROL_TYPE = "application/vnd.begat.control+json";
const POSSESSION_TYPE = "application/vnd.begat.key+json";

/** Frame members that a control record's signature leaves out: the ledger decides them after it was signed. */
const UNSIGNED = new Set(["bysig", "prev", "seq", "time", "v"]);

const always = Number.MAX_SAFE_INTEGER;

/** Whether `key` counts for what stands in record `seq`. */
const countsAt = (key: ProvenKey, seq: number): boolean => (key.since === 0 || key.since < seq) && seq < key.until;

/** The keys that count for a checkpoint of `size` records. */
export const logKeysAt = (keys: readonly ProvenKey[], size: number): readonly ProvenKey[] =>
  keys.filter(({ role, since, until }) => role === "log" && since < size && size <= until);

/** The key of this id and role that counts at `seq`. */
export function keyAt(keys: readonly ProvenKey[], id: string, role: string, seq: number): ProvenKey | undefined {
  return keys.find((key) => key.id === id && key.role === role && countsAt(key, seq));
}

interface Entry {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly role: string;
  readonly pub: string;
  readonly rnode: Json | undefined;
}

/** A key as genesis or an endorsement writes it; `undefined` where its id is not the hash of its bytes. */
function entryOf(value: Json | undefined, crypto: ProofCrypto): Entry | undefined {
  if (!isObject(value) || value.alg !== "ed25519") return undefined;
  const { pub, role, id, rnode } = value;
  if (typeof pub !== "string" || typeof role !== "string" || typeof id !== "string") return undefined;
  const publicKey = fromBase64(pub, 32);
  if (publicKey === undefined || keyIdOf(crypto, publicKey) !== id) return undefined;
  return { id, publicKey, role, pub, rnode };
}

/** The signature in `text` under `key` over the encoding of `type` and `payload`. */
export async function signedAs(
  crypto: ProofCrypto,
  key: Uint8Array,
  type: string,
  payload: Uint8Array,
  text: Json | undefined,
): Promise<boolean> {
  const signature = typeof text === "string" ? fromBase64(text, 64) : undefined;
  return signature !== undefined && (await crypto.verifyEd25519(key, encodingOf(type, payload), signature));
}

/** A record without some of its members, as it was signed. */
export function withoutMembers(record: JsonObject, left: ReadonlySet<string>): Uint8Array {
  return utf8(jsonText(Object.fromEntries(Object.entries(record).filter(([name]) => !left.has(name)))));
}

/**
 * The keys of a ledger, from genesis and from those control records that say something about keys, in the ledger's order.
 * Only a root or admin key endorses, rotates or revokes; a log key never does, whatever it put into its ledger.
 *
 * @param genesis Record 0, already found in the ledger. @param control Already found in it as well.
 */
export async function keyHistory(
  genesis: JsonObject,
  control: readonly JsonObject[],
  crypto: ProofCrypto,
): Promise<KeyHistory> {
  const first = await replay(genesis, control, crypto);
  if (!first.ok) return first;
  // An admin whose key was revoked from an earlier record on has decided nothing since; that is known only at the end.
  const retracted = (record: JsonObject): boolean =>
    first.keys.some(({ id, role, until }) => role === "admin" && id === record.by && until <= (record.seq as number));
  const left = control.filter((record) => !retracted(record));
  return left.length === control.length ? first : replay(genesis, left, crypto);
}

async function replay(genesis: JsonObject, control: readonly JsonObject[], crypto: ProofCrypto): Promise<KeyHistory> {
  const refuse = (because: string): KeyHistory => ({ ok: false, because });
  const listed = Array.isArray(genesis.keys) ? (genesis.keys as readonly Json[]) : [];
  const keys: ProvenKey[] = [];
  for (const value of listed) {
    const entry = entryOf(value, crypto);
    if (entry === undefined) return refuse("genesis lists a key whose id is not its hash");
    keys.push({ id: entry.id, publicKey: entry.publicKey, role: entry.role, since: 0, until: always, by: [] });
  }
  let before = 0;
  const counted = new Set<string>();
  for (const record of control) {
    const seq = record.seq as number;
    const name = `record ${seq}`;
    if (seq <= before) return refuse(`${name} does not come after record ${before}`);
    before = seq;
    const authority = keyAt(keys, String(record.by), "root", seq) ?? keyAt(keys, String(record.by), "admin", seq);
    if (authority === undefined) return refuse(`${name} is by a key with no authority over keys`);
    const signed = withoutMembers(record, UNSIGNED);
    if (!(await signedAs(crypto, authority.publicKey, CONTROL_TYPE, signed, record.bysig))) {
      return refuse(`${name} is not signed by the key it names`);
    }
    if (counted.has(String(record.bysig))) return refuse(`${name} repeats an earlier decision`);
    counted.add(String(record.bysig));
    const problem = await takeIn(keys, record, authority, crypto);
    if (problem !== undefined) return refuse(`${name} ${problem}`);
  }
  return { ok: true, keys };
}

async function takeIn(
  keys: ProvenKey[],
  record: JsonObject,
  authority: ProvenKey,
  crypto: ProofCrypto,
): Promise<string | undefined> {
  const seq = record.seq as number;
  const cut = (id: Json | undefined, until: Json | undefined): string | undefined => {
    if (typeof until !== "number") return "does not say from where on";
    for (const [i, key] of keys.entries()) {
      if (key.id !== id) continue;
      const high = key.role === "root" || key.role === "admin";
      if (high && authority.role !== "root") return `lets an ${authority.role} key decide about a ${key.role} key`;
      // A root that fell could else take away what it decided itself; a rotation takes nothing back.
      const end = key.role === "root" || record.kind === "key.rotate" ? Math.max(until, seq) : until;
      if (end < key.until) keys[i] = { ...key, until: end };
    }
    return undefined;
  };
  if (record.kind === "key.revoke") return cut(record.id, record.fromSeq);
  const entry = entryOf(record.kind === "key.endorse" ? record.subject : record.new, crypto);
  if (entry === undefined) return "names a key whose id is not its hash";
  if (authority.role !== "root" && (entry.role === "root" || entry.role === "admin")) {
    return `lets an ${authority.role} key decide about a ${entry.role} key`;
  }
  const possession = { log: record.log as string, pub: entry.pub, role: entry.role };
  const claimed = utf8(jsonText(entry.rnode === undefined ? possession : { ...possession, rnode: entry.rnode }));
  if (!(await signedAs(crypto, entry.publicKey, POSSESSION_TYPE, claimed, record.pop))) {
    return "brings in a key that did not sign for itself";
  }
  if (record.kind === "key.rotate") {
    if (entry.role !== record.role) return `rotates a ${String(record.role)} key into a ${entry.role} key`;
    const problem = cut(record.old, record.until);
    if (problem !== undefined) return problem;
  } else if (record.kind !== "key.endorse") {
    return `is of kind ${String(record.kind)}, which says nothing about keys`;
  }
  const by = [authority.id, ...authority.by];
  keys.push({ id: entry.id, publicKey: entry.publicKey, role: entry.role, since: seq, until: always, by });
  return undefined;
}
