import type { LedgerRecord } from "./record.ts";
import {
  base64,
  count,
  digest,
  ELSEWHERE,
  integer,
  listOf,
  type Members,
  mapOf,
  nonce,
  type ObjectShape,
  object,
  oneOf,
  only,
  pairs,
  type Shape,
  text,
  texts,
  truth,
} from "./shape.ts";

type Kind = LedgerRecord["kind"];

const sandboxFacts = mapOf([text, truth, texts], "is neither text, list of texts, nor true or false");

const listReference = object({ n: count, root: digest });
const printed = object({ out: digest, err: digest });
const inputs = object({ n: count, root: digest });
const output = object({ p: text, d: digest, n: count }, { m: oneOf("x", "t", "l"), l: text });
const why = object({ r: text }, { was: count, what: text, from: text, to: text, on: text });
const difference = object(
  { p: text, w: oneOf("bytes", "extra", "failed", "kind", "link", "missing", "mode") },
  { m: text, at: count, a: count, b: count, t: text },
);
const roles = oneOf("admin", "log", "rnode", "root", "witness");
const publicKey = object({ alg: oneOf("ed25519"), id: digest, pub: base64(32), role: roles }, { rnode: text });

const frame: Members = { log: text, prev: digest, seq: count, time: text };

const executed: Members = {
  build: text,
  action: digest,
  asize: count,
  dictum: text,
  chore: text,
  image: text,
  in: inputs,
  out: listOf(output),
  io: printed,
  exit: integer,
  t0: integer,
  t1: integer,
  ms: count,
  rnode: text,
  level: oneOf("none", "contained", "hermetic"),
  sandbox: sandboxFacts,
  ver: text,
  why,
  attempt: count,
  stmt: digest,
  key: digest,
  sig: base64(64),
};
export const signedContext = object(
  { log: text, build: text, chore: text, dictum: text, attempt: count },
  { cached: truth },
);
export const usedInputs = object({ n: count, root: digest, key: digest });
const executedOptional: Members = { props: pairs, used: usedInputs, from: signedContext, more: listReference };

const authority: Members = { ...frame, by: digest, at: count, before: count, nonce, bysig: base64(64) };
const target = object({ t: oneOf("action", "digest", "image", "key", "records", "rnode") }, { is: text });

const rekorDigest = object({ algorithm: oneOf("SHA2_256"), digest: base64(32) });
const rekorSignature = object({
  content: base64(64),
  verifier: object({ keyDetails: oneOf("PKIX_ED25519"), publicKey: object({ rawBytes: base64(44) }) }),
});
const rekorVersion = oneOf("0.0.2");
const hashedRekord = object({
  apiVersion: rekorVersion,
  kind: oneOf("hashedrekord"),
  spec: object({ hashedRekordV002: object({ data: rekorDigest, signature: rekorSignature }) }),
});
const dsseRekord = object({
  apiVersion: rekorVersion,
  kind: oneOf("dsse"),
  spec: object({ dsseV002: object({ payloadHash: rekorDigest, signatures: listOf(rekorSignature) }) }),
});
const rekorEntry: Shape = {
  problem: (value) => {
    const isHashed = (value as { readonly kind?: unknown } | null | undefined)?.kind === "hashedrekord";
    return (isHashed ? hashedRekord : dsseRekord).problem(value);
  },
  end: () => ELSEWHERE,
};

const dispositions = object({ exec: count, hit: count, fail: count, skip: count, settled: count });

/** Every kind of record and its members, as docs/formats.md lists them. */
const MEMBERS: { readonly [kind in Kind]: readonly [required: Members, optional?: Members] } = {
  genesis: [{ ...frame, cluster: text, keys: listOf(publicKey), policy: text }],
  "build.begin": [
    { ...frame, build: text, goal: listOf(text), plan: listReference, vars: pairs, who: text },
    { source: object({}, { git: text, tree: digest }), more: listReference },
  ],
  exec: [{ ...frame, ...executed, cacheable: truth }, executedOptional],
  fail: [{ ...frame, ...executed, verdict: text, detail: text }, executedOptional],
  hits: [{ ...frame, build: text, n: count, root: digest }],
  "build.end": [
    {
      ...frame,
      build: text,
      begin: count,
      n: dispositions,
      outcome: oneOf("ok", "failed", "cancelled"),
      artifacts: listOf(object({ p: text, d: digest })),
    },
    { more: listReference },
  ],
  ingest: [
    {
      ...frame,
      name: text,
      uri: text,
      version: text,
      files: listOf(object({ p: text, d: digest, n: count })),
      by: text,
    },
    { tree: digest, more: listReference },
  ],
  challenge: [
    {
      ...frame,
      build: text,
      of: count,
      action: digest,
      chore: text,
      verdict: oneOf("differ", "match"),
      seed: count,
      out: listOf(output),
      rnode: text,
      level: oneOf("none", "contained", "hermetic"),
      t0: integer,
      t1: integer,
      ms: count,
      ver: text,
      key: digest,
      sig: base64(64),
    },
    { again: count, diff: difference },
  ],
  "key.endorse": [{ ...authority, subject: publicKey, pop: base64(64) }],
  "key.rotate": [{ ...authority, role: roles, old: digest, new: publicKey, pop: base64(64), until: count }],
  "key.revoke": [{ ...authority, id: digest, fromSeq: count, reason: text }],
  quarantine: [{ ...authority, target, fromSeq: count, reason: text }, { toSeq: count }],
  release: [{ ...authority, of: count, reason: text }],
  property: [{ ...authority, subject: text, name: text, value: text }, { evidence: digest }],
  restore: [
    {
      ...authority,
      lost: object({ size: count, root: digest }),
      size: count,
      root: digest,
      reason: text,
    },
  ],
  recovery: [{ ...frame, size: count, reason: text }],
  rekor: [{ entry: rekorEntry }],
};

/** Nothing in a Rekor leaf is ours: it has no frame. */
const shapeOf = (kind: string, [required, optional]: (typeof MEMBERS)[Kind]): ObjectShape =>
  object(kind === "rekor" ? required : { v: only(1), kind: only(kind), ...required }, optional);

const SHAPES = Object.fromEntries(Object.entries(MEMBERS).map(([kind, members]) => [kind, shapeOf(kind, members)])) as {
  readonly [kind in Kind]: ObjectShape;
};

/** Whether begat knows this kind of record. */
export function isRecordKind(kind: unknown): kind is Kind {
  return typeof kind === "string" && Object.hasOwn(SHAPES, kind);
}

/** What a record of `kind` consists of. */
export function shapeOfKind(kind: Kind): ObjectShape {
  return SHAPES[kind];
}

/** What is wrong with a record of `kind` in its wire form, naming the member; `undefined` when nothing is. */
export function shapeProblem(kind: Kind, record: unknown): string | undefined {
  return SHAPES[kind].problem(record);
}
