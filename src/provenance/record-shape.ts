import type { LedgerRecord } from "./record.ts";

/** Says what is wrong with a value, from the member's name on: `is missing`, `is not a SHA-256`; `undefined` if nothing. */
type Shape = (value: unknown) => string | undefined;

type Members = { readonly [name: string]: Shape };

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const text: Shape = (value) => (typeof value === "string" ? undefined : "is not a string");
const integer: Shape = (value) => (Number.isSafeInteger(value) ? undefined : "is not an integer");
const count: Shape = (value) => (Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : "is not a count");
const truth: Shape = (value) => (typeof value === "boolean" ? undefined : "is not true or false");

const digest: Shape = (value) =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? undefined : "is not a SHA-256";

/** Standard padded base64, and only its one spelling: two texts for one signature would be two records for one fact. */
const base64 =
  (lengthBytes: number): Shape =>
  (value) => {
    if (typeof value !== "string") return "is not base64";
    const bytes = Buffer.from(value, "base64");
    return bytes.length === lengthBytes && bytes.toString("base64") === value
      ? undefined
      : `is not ${lengthBytes} bytes in base64`;
  };

const oneOf =
  (...words: readonly string[]): Shape =>
  (value) =>
    words.includes(value as string) ? undefined : `is none of ${words.join(", ")}`;

const listOf =
  (element: Shape): Shape =>
  (value) => {
    if (!Array.isArray(value)) return "is not a list";
    for (let i = 0; i < value.length; i++) {
      const problem = element(value[i]);
      if (problem !== undefined) return `[${i}] ${problem}`;
    }
    return undefined;
  };

/** Members that are not named here are let pass: a later begat may say more, and ignoring it proves nothing less. */
const object = (required: Members, optional: Members = {}): Shape => {
  const must = Object.entries(required);
  const may = Object.entries(optional);
  return (value) => {
    if (!isObject(value)) return "is not an object";
    for (let i = 0; i < must.length; i++) {
      const [name, shape] = must[i] as [string, Shape];
      const member = value[name];
      const problem = member === undefined ? "is missing" : shape(member);
      if (problem !== undefined) return `.${name} ${problem}`;
    }
    for (let i = 0; i < may.length; i++) {
      const [name, shape] = may[i] as [string, Shape];
      const member = value[name];
      const problem = member === undefined ? undefined : shape(member);
      if (problem !== undefined) return `.${name} ${problem}`;
    }
    return undefined;
  };
};

/** Names and values as pairs, sorted, since a variable may have any name and a member of a record may not. */
const pairs: Shape = (value) => {
  if (!Array.isArray(value)) return "is not a list";
  for (const pair of value) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string" || typeof pair[1] !== "string") {
      return "is not a list of names and values";
    }
  }
  return undefined;
};

const texts = listOf(text);

const sandboxFacts: Shape = (value) => {
  if (!isObject(value)) return "is not an object";
  for (const name of Object.keys(value)) {
    const fact = value[name];
    const isFact = typeof fact === "string" || typeof fact === "boolean" || texts(fact) === undefined;
    if (!isFact) return `.${name} is neither text, list of texts, nor true or false`;
  }
  return undefined;
};

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
const signedContext = object({ log: text, build: text, chore: text, dictum: text, attempt: count }, { cached: truth });
const usedInputs = object({ n: count, root: digest, key: digest });
const executedOptional: Members = { props: pairs, used: usedInputs, from: signedContext, more: listReference };

const nonce: Shape = (value) =>
  typeof value === "string" && /^[0-9a-f]{32}$/.test(value) ? undefined : "is not 16 bytes in hexadecimal";
const authority: Members = { ...frame, by: digest, at: count, before: count, nonce, bysig: base64(64) };
const target = object({ t: oneOf("action", "digest", "image", "key", "records", "rnode") }, { is: text });

const rekorDigest = object({ algorithm: oneOf("SHA2_256"), digest: base64(32) });
const rekorSignature = object({
  content: base64(64),
  verifier: object({ keyDetails: oneOf("PKIX_ED25519"), publicKey: object({ rawBytes: base64(44) }) }),
});
const rekorVersion = oneOf("0.0.2");
const rekorEntry: Shape = (value) =>
  isObject(value) && value.kind === "hashedrekord"
    ? object({
        apiVersion: rekorVersion,
        spec: object({ hashedRekordV002: object({ data: rekorDigest, signature: rekorSignature }) }),
      })(value)
    : object({
        apiVersion: rekorVersion,
        kind: oneOf("dsse"),
        spec: object({ dsseV002: object({ payloadHash: rekorDigest, signatures: listOf(rekorSignature) }) }),
      })(value);

const dispositions = object({ exec: count, hit: count, fail: count, skip: count, settled: count });

/** Every kind of record and its members, as docs/formats.md lists them. */
const SHAPES: { readonly [kind in LedgerRecord["kind"]]: Shape } = {
  genesis: object({ ...frame, cluster: text, keys: listOf(publicKey), policy: text }),
  "build.begin": object(
    { ...frame, build: text, goal: listOf(text), plan: listReference, vars: pairs, who: text },
    { source: object({}, { git: text, tree: digest }), more: listReference },
  ),
  exec: object({ ...frame, ...executed, cacheable: truth }, executedOptional),
  fail: object({ ...frame, ...executed, verdict: text, detail: text }, executedOptional),
  hits: object({ ...frame, build: text, n: count, root: digest }),
  "build.end": object(
    {
      ...frame,
      build: text,
      begin: count,
      n: dispositions,
      outcome: oneOf("ok", "failed", "cancelled"),
      artifacts: listOf(object({ p: text, d: digest })),
    },
    { more: listReference },
  ),
  ingest: object(
    {
      ...frame,
      name: text,
      uri: text,
      version: text,
      files: listOf(object({ p: text, d: digest, n: count })),
      by: text,
    },
    { tree: digest, more: listReference },
  ),
  challenge: object(
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
  ),
  "key.endorse": object({ ...authority, subject: publicKey, pop: base64(64) }),
  "key.rotate": object({ ...authority, role: roles, old: digest, new: publicKey, pop: base64(64), until: count }),
  "key.revoke": object({ ...authority, id: digest, fromSeq: count, reason: text }),
  quarantine: object({ ...authority, target, fromSeq: count, reason: text }, { toSeq: count }),
  release: object({ ...authority, of: count, reason: text }),
  property: object({ ...authority, subject: text, name: text, value: text }, { evidence: digest }),
  restore: object({
    ...authority,
    lost: object({ size: count, root: digest }),
    size: count,
    root: digest,
    reason: text,
  }),
  recovery: object({ ...frame, size: count, reason: text }),
  "checkpoint.seen": object({ ...frame, of: object({ log: text, size: count, root: digest }) }, { note: text }),
  rekor: object({ entry: rekorEntry }),
};

/** Whether begat knows this kind of record. */
export function isRecordKind(kind: unknown): kind is LedgerRecord["kind"] {
  return typeof kind === "string" && Object.hasOwn(SHAPES, kind);
}

/** What is wrong with a record of `kind` in its wire form, naming the member; `undefined` when nothing is. */
export function shapeProblem(kind: LedgerRecord["kind"], record: unknown): string | undefined {
  return SHAPES[kind](record);
}
