import {
  type CanonicalValue,
  canonicalJson,
  compareUtf8,
  parseCanonicalJson,
  parseSha256,
  type Sha256,
  sha256,
} from "../base/index.ts";
import { type Entry, LedgerError, type ManifestBlob } from "./ledger.ts";
import type { LedgerRecord, RecordBody } from "./record.ts";

/** Longer lists are kept as manifests, so that a record stays far below its limit. */
export const INLINE_LIMIT = 64;

/** The member of each kind that may be long. */
const LONG_MEMBER: { readonly [kind in RecordBody["kind"]]?: string } = {
  "build.begin": "goal",
  exec: "out",
  fail: "out",
  "build.end": "artifacts",
  ingest: "files",
};

type Members = { readonly [name: string]: CanonicalValue };

/** Moves an overlong list out of the body into a manifest of its own. */
export function putListAway(entry: Entry): Entry {
  const member = LONG_MEMBER[entry.body.kind];
  if (member === undefined) return entry;
  const body = entry.body as unknown as Members;
  const list = body[member];
  if (!Array.isArray(list) || list.length <= INLINE_LIMIT) return entry;
  const manifest = manifestOf(list as CanonicalValue);
  return {
    body: { ...body, [member]: [], more: { n: list.length, root: manifest.hash } } as unknown as RecordBody,
    manifests: [...entry.manifests, manifest],
  };
}

/**
 * Puts the list back where `putListAway` took it from.
 *
 * @throws {LedgerError} `LEDGER_TAMPERED` when the manifest is missing or holds no such list.
 */
export function takeListBack(record: LedgerRecord, manifest: (hash: Sha256) => Buffer | undefined): LedgerRecord {
  const member = LONG_MEMBER[record.kind];
  if (member === undefined || !("more" in record) || record.more === undefined) return record;
  const { n, root } = record.more;
  const bytes = manifest(root);
  if (bytes === undefined) {
    throw new LedgerError(
      "LEDGER_TAMPERED",
      `record ${record.seq}: the manifest ${root} of its ${n} ${member} is missing`,
    );
  }
  const list = listIn(bytes, manifest);
  if (list?.length !== n) {
    throw new LedgerError("LEDGER_TAMPERED", `record ${record.seq}: manifest ${root} is not a list of ${n}`);
  }
  return { ...record, [member]: list } as unknown as LedgerRecord;
}

/** `undefined` where it is none, or one of its parts is not there. */
function listIn(bytes: Buffer, manifest: (hash: Sha256) => Buffer | undefined): CanonicalValue[] | undefined {
  const value = parseCanonicalJson(bytes);
  if (Array.isArray(value)) return value;
  const { parts } = value as Members;
  if (!Array.isArray(parts)) return undefined;
  const list: CanonicalValue[] = [];
  for (const name of parts) {
    const hash = parseSha256(name);
    const found = hash && manifest(hash);
    const part = found && parseCanonicalJson(found);
    if (!Array.isArray(part)) return undefined;
    for (const one of part) list.push(one);
  }
  return list;
}

/** The manifest of a list that stands in several. */
export const partsManifest = (parts: readonly Sha256[]): ManifestBlob => manifestOf({ parts: [...parts] });

function manifestOf(value: CanonicalValue): ManifestBlob {
  const bytes = Buffer.from(canonicalJson(value));
  return { hash: sha256(bytes), bytes };
}

/** One re-used result: the action, and the ledger seq of the travail it was taken from. */
export interface Hit {
  readonly action: Sha256;
  /** What it was used for, where that is another action: one with the same pruned key. */
  readonly for?: Sha256;
  readonly seq: number;
}

/**
 * The manifest behind a `hits` record: canonical JSON `[{"a":action,"f":action?,"s":seq},...]` sorted. Its hash is the
 * record's `root`, its length the record's `n`. What was asked for (`f`, else `a`) stands in it once.
 */
export function hitsManifest(hits: readonly Hit[]): { readonly n: number; readonly manifest: ManifestBlob } {
  const byAsked = new Map(hits.map((hit) => [hit.for ?? hit.action, hit]));
  const order = (hit: Hit): string => `${hit.action} ${hit.for ?? ""}`;
  const list = [...byAsked.values()]
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
    .map((hit) => ({ a: hit.action, ...(hit.for === undefined ? {} : { f: hit.for }), s: hit.seq }));
  return { n: list.length, manifest: manifestOf(list) };
}

/** The manifest of the inputs that an execution used; `paths` are sorted by their UTF-8 bytes. */
export function usedManifest(paths: readonly string[]): ManifestBlob {
  return manifestOf(paths);
}

/** Reads what `usedManifest` wrote; `undefined` when the bytes are something else. */
export function parseUsed(bytes: Uint8Array): readonly string[] | undefined {
  try {
    const list = parseCanonicalJson(bytes);
    return Array.isArray(list) && list.every((path) => typeof path === "string") ? (list as string[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what `hitsManifest` wrote; `undefined` when the bytes are something else. */
export function parseHits(bytes: Uint8Array): readonly Hit[] | undefined {
  let list: CanonicalValue;
  try {
    list = parseCanonicalJson(bytes);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const hits: Hit[] = [];
  for (const element of list as readonly Members[]) {
    const { a, f, s } = element;
    const action = parseSha256(a);
    const asked = f === undefined ? undefined : parseSha256(f);
    if (action === undefined || !Number.isSafeInteger(s) || (asked === undefined && f !== undefined)) return undefined;
    hits.push({ action, ...(asked === undefined ? {} : { for: asked }), seq: s as number });
  }
  return hits;
}

/**
 * What `build.begin` commits to: SHA-256 of the canonical JSON list of the planned chores' labels, sorted by their
 * UTF-8 bytes. Whoever has the plan can check it; the ledger keeps the hash alone, since plans are large and alike.
 */
export function planRoot(chores: readonly string[]): Sha256 {
  return sha256(JSON.stringify([...chores].sort(compareUtf8)));
}

/**
 * The label under which a chore's history is kept. Long ones (a dictum run with thousands of arguments) end in their
 * own hash, because a record has no room for them.
 */
export function choreKey(label: string): string {
  return label.length <= 512 ? label : `${label.slice(0, 430).toWellFormed()}... sha256:${sha256(label)}`;
}
