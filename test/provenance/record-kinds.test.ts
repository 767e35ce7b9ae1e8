import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type CanonicalValue, canonicalJson, type Sha256, sha256 } from "../../src/base/index.ts";
import {
  BuildAccounts,
  choreKey,
  type ExecutionRecord,
  encodeRecord,
  endorsedKeys,
  hitsManifest,
  leafHash,
  NO_RECORD,
  parseRecord,
  preAuthenticationEncoding,
  publicKeyFrom,
  type RecordBody,
  type RekorEntry,
  rekorDsse,
  signExecution,
  signerFromSeed,
  verifyExecution,
  verifyLedger,
} from "../../src/provenance/index.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { authority, controlRecords, frame, signer } from "../support/record-bodies.ts";
import { listAction, sketchChore } from "../support/recorded-chore.ts";

const digest = sha256("x");
const pop = Buffer.alloc(64, 2).toString("base64");
const bodies = controlRecords();

describe("records that tell of no build", () => {
  test.each(bodies.map((body) => [body.kind, body] as const))("%s comes back as it went in", (_, body) => {
    const { bytes, leaf } = encodeRecord(body, frame);
    expect(parseRecord(bytes)).toEqual({
      ...body,
      v: 1,
      log: frame.log,
      seq: 7,
      prev: NO_RECORD,
      time: expect.any(String),
    });
    expect(leaf).toBe(leafHash(bytes));
  });

  test.each(bodies.map((body) => [body.kind, body] as const))("%s lacks nothing: each member is needed", (_, body) => {
    const optional = new Set(["toSeq", "evidence", "note"]);
    const wire = JSON.parse(encodeRecord(body, frame).bytes.toString()) as { [name: string]: unknown };
    for (const name of Object.keys(wire)) {
      const { [name]: _gone, ...rest } = wire;
      if (!optional.has(name)) expect(() => parseRecord(Buffer.from(JSON.stringify(rest))), `no ${name}`).toThrow();
      expect(() => parseRecord(Buffer.from(JSON.stringify({ ...wire, [name]: -0.5 }))), `odd ${name}`).toThrow();
    }
  });

  const good = encodeRecord({ ...(bodies[3] as RecordBody) }, frame).bytes.toString();
  const swap = (from: string | RegExp, to: string): string => {
    expect(good).toMatch(from);
    return good.replace(from, to);
  };
  const refused: readonly (readonly [what: string, text: () => string])[] = [
    ["blanks", () => swap('"kind":', '"kind": ')],
    ["line ends", () => swap(",", ",\r\n")],
    ["another order", () => swap(/^\{("at":7),("before":0)/, "{$2,$1")],
    ["a member twice", () => swap('"at":7', '"at":7,"at":7')],
    ["leading zeros", () => swap('"at":7', '"at":07')],
    ["a whole number as a fraction", () => swap('"at":7', '"at":7.0')],
    ["minus nothing", () => swap('"before":0', '"before":-0')],
    ["an escaped letter", () => swap('"bad"', '"b\\u0061d"')],
    ["half a character", () => swap('"bad"', '"\\ud800"')],
    ["a byte order mark", () => `\ufeff${good}`],
    ["null for unset", () => swap('"toSeq":9', '"toSeq":null')],
    ["base64 for addresses", () => swap(authority.bysig, `${"_".repeat(85)}Q==`)],
    ["base64 without its padding", () => swap(authority.bysig, authority.bysig.slice(0, -2))],
    ["base64 with bits to spare", () => swap(authority.bysig, `${authority.bysig.slice(0, -3)}R==`)],
    ["a nonce of capitals", () => swap(authority.nonce, authority.nonce.toUpperCase())],
    ["a target of no kind", () => swap('"t":"image"', '"t":"hobbit"')],
    ["a rekor record with a frame", () => swap('"kind":"quarantine"', '"kind":"rekor"')],
  ];
  test.each(refused)("refuses %s", (_, text) => {
    expect(() => parseRecord(Buffer.from(text()))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^RECORD_/) }),
    );
  });
});

describe("eight leaves of another implementation", () => {
  const leaves = readFileSync(new URL("golden/eight-leaves.jsonl", import.meta.url), "utf8")
    .trimEnd()
    .split("\n");
  const parsed = (i: number) =>
    parseRecord(Buffer.from(leaves[i] as string), { seq: i, log: "begat.example/ledger/0001" });

  // Ours must say more than theirs, or call it otherwise; their encoding and their signatures are ours.
  test.each([
    [0, "genesis record: .policy is missing"],
    [1, "key.endorse record: .at is missing"],
    [2, "build.begin record: .goal is missing"],
    [3, "exec record: .asize is missing"],
    [5, 'record is of kind "hit", which this begat does not know'],
    [6, "build.end record: .n .settled is missing"],
    [7, "key.rotate record: .at is missing"],
  ])("leaf %i is canonical and lacks what our records say", (i, message) => {
    expect(canonicalJson(JSON.parse(leaves[i] as string) as CanonicalValue)).toBe(leaves[i]);
    expect(() => parsed(i)).toThrow(message);
  });

  test("leaf 4 is a Rekor leaf, byte for byte", () => {
    const record = parsed(4);
    expect(record).toMatchObject({ kind: "rekor", seq: 4, log: "begat.example/ledger/0001" });
    const rnode = signerFromSeed(Buffer.alloc(32, 2), "rnode");
    const exec = JSON.parse(leaves[3] as string) as { stmt: Sha256; sig: string };
    const body = rekorDsse(exec.stmt, exec.sig, rnode.entry.pub);
    expect(encodeRecord(body, frame).bytes.toString()).toBe(leaves[4]);
    expect(record).toMatchObject({ entry: body.entry });
  });

  test.each([
    [1, "subject"],
    [7, "new"],
  ] as const)("the proof of possession in leaf %i is by the new key", (i, member) => {
    const record = JSON.parse(leaves[i] as string) as { [name: string]: unknown };
    const { pub, role, rnode } = record[member] as { pub: string; role: string; rnode?: string };
    const claim = canonicalJson({ log: record.log as string, pub, role, ...(rnode === undefined ? {} : { rnode }) });
    const signed = preAuthenticationEncoding("application/vnd.begat.key+json", claim);
    expect(verify(null, signed, publicKeyFrom(pub), Buffer.from(record.pop as string, "base64"))).toBe(true);
  });
});

describe("a Rekor leaf in a ledger", () => {
  const entry = rekorDsse(digest, pop, signer.entry.pub);
  const ingest: RecordBody = { kind: "ingest", name: "a", uri: "u", version: "1", files: [], by: "me" };

  test("has no frame of its own and is bound by the record after it", async () => {
    const ledger = new MemoryLedger();
    await ledger.append([{ body: entry, manifests: [] }]);
    const [after] = await ledger.append([{ body: ingest, manifests: [] }]);
    const text = ledger.rows[1]!.bytes.toString();
    expect(text).toMatch(/^\{"apiVersion":"0.0.2","kind":"dsse","spec":/);
    expect(text).not.toContain(ledger.origin);
    expect(ledger.record(1)).toMatchObject({ kind: "rekor", seq: 1, log: ledger.origin });
    expect(ledger.record(after!.seq)?.prev).toBe(leafHash(ledger.rows[1]!.bytes));
    await expect(verifyLedger(ledger, { signatures: true, lister: listAction })).resolves.toMatchObject({
      verdict: "holds",
    });
  });

  test("of a key that is not in SPKI DER is refused", () => {
    const other = structuredClone(entry) as unknown as {
      entry: { spec: { dsseV002: { signatures: { content: string }[] } } };
    };
    other.entry.spec.dsseV002.signatures[0]!.content = "AA==";
    expect(() => encodeRecord(other as unknown as RecordBody, frame)).toThrow("is not 64 bytes in base64");
  });

  test("of a hashedrekord says what is wrong with that", () => {
    const { signatures } = (entry.entry as Extract<RekorEntry, { readonly kind: "dsse" }>).spec.dsseV002;
    const data = { algorithm: "SHA2_256", digest: Buffer.from(digest, "hex").toString("base64") };
    const leaf = (changed: object) => {
      const hashedRekordV002 = { data, signature: signatures[0], ...changed };
      return { kind: "rekor", entry: { apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002 } } };
    };
    const { bytes } = encodeRecord(leaf({}) as RecordBody, frame);
    expect(parseRecord(bytes, frame)).toMatchObject(leaf({}));
    const damaged = leaf({ data: { ...data, digest: "AA==" } }) as RecordBody;
    expect(() => encodeRecord(damaged, frame)).toThrow(
      "rekor record: .entry .spec .hashedRekordV002 .data .digest is not 32 bytes in base64",
    );
  });

  test("its key opens as any other's", () => {
    const der = Buffer.from(
      entry.entry.kind === "dsse" ? entry.entry.spec.dsseV002.signatures[0]!.verifier.publicKey.rawBytes : "",
      "base64",
    );
    expect(createPublicKey({ key: der, format: "der", type: "spki" }).asymmetricKeyType).toBe("ed25519");
  });
});

describe("an execution signed for another place", () => {
  const from = { log: "farm/ledger/1", build: "b9", chore: "compile(hello)", dictum: "compile", attempt: 3 };
  const record = async (changed: object) => {
    const chore = sketchChore();
    const ledger = new MemoryLedger();
    const facts = { ...chore.facts, from };
    const body = { ...signExecution(facts, chore.listing, ledger.origin, signer), ...changed };
    await ledger.append([{ body, manifests: chore.manifests }]);
    return { ledger, record: ledger.record(1) as ExecutionRecord };
  };
  const check = async (changed: object) => {
    const { ledger, record: found } = await record(changed);
    return verifyExecution(found, endorsedKeys(ledger), ledger, listAction);
  };

  test("holds under the names it was signed with, whatever ours are", async () => {
    await expect(check({})).resolves.toMatchObject({ ok: true });
    await expect(
      check({ build: "ours", chore: choreKey("ours(x)"), dictum: "ours", attempt: 1 }),
    ).resolves.toMatchObject({ ok: true });
  });

  test.each(Object.keys(from))("does not hold with another %s", async (name) => {
    const changed = { ...from, [name]: name === "attempt" ? 4 : "other" };
    await expect(check({ from: changed })).resolves.toMatchObject({ ok: false, reason: "bad-signature" });
  });

  test("taken from the farm's own store, it is a hit in our books", () => {
    const books = new BuildAccounts();
    const base = { v: 1, log: "l", prev: NO_RECORD, time: "", seq: 1 } as const;
    const chore = sketchChore();
    const exec = signExecution({ ...chore.facts, from: { ...from, cached: true } }, chore.listing, "l", signer);
    const { n, manifest } = hitsManifest([{ action: exec.action, seq: 2 }]);
    const end = { exec: 0, hit: 1, fail: 0, skip: 0, settled: 0 };
    const records: readonly RecordBody[] = [
      { kind: "build.begin", build: exec.build, goal: [], plan: { n: 1, root: digest }, vars: {}, who: "me" },
      exec,
      { kind: "hits", build: exec.build, n, root: manifest.hash },
      { kind: "build.end", build: exec.build, begin: 1, n: end, outcome: "ok", artifacts: [] },
    ];
    records.forEach((body, i) => {
      expect(books.enter({ ...base, ...body, seq: i + 1 })).toBeUndefined();
    });
  });
});
