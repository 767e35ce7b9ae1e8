import { spawnSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import {
  type ExecutionRecord,
  endorsedKeys,
  executionEnvelope,
  IN_TOTO_PAYLOAD,
  preAuthenticationEncoding,
  proveSignature,
  publicKeyFrom,
  regenerateStatement,
  signDsse,
  signExecution,
  signerFromSeed,
  slsaStatement,
  spkiOf,
  verifyDsse,
  verifyExecution,
} from "../../src/provenance/index.ts";
import { readJson } from "../../src/provenance/proof/verify-json.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { failed, listAction, sketchChore } from "../support/recorded-chore.ts";

const cluster = signerFromSeed(Buffer.alloc(32, 1), "log");
const rnode = signerFromSeed(Buffer.alloc(32, 2), "rnode", "frodo");

describe("keys and envelopes", () => {
  test("key ids are SHA-256 of the SPKI DER", () => {
    expect(cluster.key).toBe("fd110d301d2f077de1414b8f99f441b1403fab207b2052fbd2c065e4ee8e7dc2");
    expect(rnode.key).toBe("47dea58ea00fae9417ee19d76755bfef690899021132effb04fe1f9e4f0c8059");
    const raw = Buffer.from("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", "hex");
    expect(cluster.entry.pub).toBe(raw.toString("base64"));
    expect(sha256(spkiOf(raw))).toBe(cluster.key);
  });

  test("what is signed is DSSE's own example", () => {
    const encoded = preAuthenticationEncoding("http://example.com/HelloWorld", "hello world");
    expect(encoded.toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    const sig = signDsse(cluster, "http://example.com/HelloWorld", "hello world");
    expect(sig).toBe("Nrk8af+XDppIl0eJ8+q/+iZzBrfcnO4JSOHj7OUiv6PchqFqZz2QZsHYymPKVGJB5hl52X/qzoeOScPJBhdVDg==");
  });

  test("lengths are of bytes, not of characters", () => {
    expect(preAuthenticationEncoding("é", "ü").toString()).toBe("DSSEv1 2 é 2 ü");
  });

  test("a signature holds for its type, payload and key alone", () => {
    const sig = signDsse(rnode, "t", "payload");
    const key = publicKeyFrom(rnode.entry.pub);
    expect(verifyDsse(key, "t", "payload", sig)).toBe(true);
    expect(verifyDsse(key, "u", "payload", sig)).toBe(false);
    expect(verifyDsse(key, "t", "payloae", sig)).toBe(false);
    expect(verifyDsse(publicKeyFrom(cluster.entry.pub), "t", "payload", sig)).toBe(false);
    expect(verifyDsse(key, "t", "payload", "")).toBe(false);
  });
});

describe("statements", () => {
  const chore = sketchChore({
    inputs: { "src/b.h": "b", "src/a.c": "a", "é.h": "e" },
    env: { "C++": "g++", PATH: "/usr/bin", B: "2" },
    props: { VERSION: "1.2" },
    why: { r: "new" },
  });

  test("are exactly these bytes", async () => {
    const text = slsaStatement(chore.facts, chore.listing, "shire/ledger/1");
    await expect(`${text}\n`).toMatchFileSnapshot("golden/statement.json");
    const failure = failed(chore);
    await expect(`${slsaStatement(failure.facts, failure.listing, "shire/ledger/1")}\n`).toMatchFileSnapshot(
      "golden/failed-statement.json",
    );
  });

  test("do not depend on the order in which inputs and variables are listed", () => {
    const { listing } = chore;
    const turned = { ...listing, inputs: [...listing.inputs].reverse(), env: [...listing.env].reverse() };
    expect(slsaStatement(chore.facts, turned, "o")).toBe(slsaStatement(chore.facts, listing, "o"));
  });

  test("are canonical whatever their texts, variables and properties are", () => {
    const any = fc.record({
      chore: fc.string({ unit: "binary" }),
      env: fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }))),
      props: fc.dictionary(fc.string({ unit: "grapheme" }), fc.string()),
      inputs: fc.uniqueArray(fc.string({ unit: "grapheme" })),
      mode: fc.constantFrom("x" as const, "t" as const, "l" as const, undefined),
      used: fc.constantFrom(undefined, { n: 1, root: sha256("used"), key: sha256("key") }),
    });
    fc.assert(
      fc.property(any, ({ env, inputs, mode, used, ...said }) => {
        const out = chore.facts.out.map((output) => (mode === undefined ? output : { ...output, m: mode }));
        const facts = { ...chore.facts, ...said, out, ...(used === undefined ? {} : { used }) };
        const listing = { ...chore.listing, env, inputs: inputs.map((path) => ({ path, digest: sha256(path) })) };
        expect(readJson(Buffer.from(slsaStatement(facts, listing, "o")))).toMatchObject({ ok: true });
      }),
      { numRuns: 200 },
    );
  });

  const builders = [
    ["contained", { backend: "bubblewrap", network: "none" }, "bubblewrap-contained", undefined],
    ["hermetic", { backend: "bubblewrap", network: "none" }, "bubblewrap-hermetic", true],
    ["hermetic", { backend: "bubblewrap", network: "host" }, "bubblewrap-hermetic-network", undefined],
    ["none", { backend: "process", network: "host" }, "process-none-network", undefined],
    ["contained", { backend: "docker", network: "none" }, "docker-contained", undefined],
  ] as const;
  test.each(builders)("at level %s in %j the builder is %s", (level, sandbox, id, complete) => {
    const text = slsaStatement({ ...chore.facts, level, sandbox }, chore.listing, "o");
    const { predicate } = JSON.parse(text) as {
      predicate: {
        runDetails: { builder: { id: string } };
        buildDefinition: { internalParameters: { begat_complete?: boolean } };
      };
    };
    expect(predicate.runDetails.builder.id).toBe(`https://begat.invalid/builder/${id}/v1`);
    expect(predicate.buildDefinition.internalParameters.begat_complete).toBe(complete);
  });
});

describe("signed executions", () => {
  async function recorded(sketch = sketchChore()) {
    const ledger = new MemoryLedger();
    const body = signExecution(sketch.facts, sketch.listing, ledger.origin, ledger.signer);
    const [{ seq } = { seq: -1 }] = await ledger.append([{ body, manifests: sketch.manifests }]);
    return { ledger, record: ledger.record(seq) as ExecutionRecord, keys: endorsedKeys(ledger) };
  }

  test("the statement written again from the ledger is the one that was signed", async () => {
    for (const sketch of [
      sketchChore(),
      sketchChore({ props: { V: "1" }, chore: `bind(${"a ".repeat(2_000)})` }),
      sketchChore({ outputs: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`o/${i}`, String(i)])) }),
      sketchChore({ inputs: Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`i/${i % 7}/${i}`, "x"])) }),
    ]) {
      const { ledger, record, keys } = await recorded(sketch);
      expect(sha256(regenerateStatement(record, ledger, listAction))).toBe(record.stmt);
      expect(verifyExecution(record, keys, ledger, listAction)).toMatchObject({ ok: true });
      expect(await proveSignature(record, keys, (hash) => ledger.manifest(hash), listAction)).toMatchObject({
        ok: true,
      });
    }
  });

  test("times with fractions, long reasons and details are made to fit, and still hold", async () => {
    const { facts, listing, manifests } = failed(sketchChore(), "no such thing \u{1f600}".repeat(1_000));
    const ledger = new MemoryLedger();
    const odd = { ...facts, ms: -0.2, t0: 1.4, t1: 2.6, why: { r: "variable changed", from: "y".repeat(50_000) } };
    const body = signExecution(odd, listing, ledger.origin, ledger.signer);
    await ledger.append([{ body, manifests }]);
    const record = ledger.record(1) as ExecutionRecord;
    expect(record).toMatchObject({ ms: 0, t0: 1, t1: 3 });
    expect(record.why.from?.length).toBeLessThan(1_100);
    expect(verifyExecution(record, endorsedKeys(ledger), ledger, listAction)).toMatchObject({ ok: true });
  });

  const other = sha256("other");
  const lies: readonly (readonly [what: string, change: Partial<ExecutionRecord>])[] = [
    ["another output", { out: [{ p: "obj/a.o", d: other, n: 1 }] }],
    ["an output at another path", { out: [{ p: "obj/b.o", d: sha256("object a\n"), n: 9 }] }],
    ["an executable output", { out: [{ p: "obj/a.o", d: sha256("object a\n"), n: 9, m: "x" }] }],
    ["a better level", { level: "hermetic" }],
    ["a better sandbox", { sandbox: { backend: "bubblewrap", network: "none", leaks: [] } }],
    ["another image", { image: `host:${other}` }],
    ["another chore", { chore: "compile(src/b.c)" }],
    ["another exit", { exit: 1 }],
    ["other output on the terminal", { io: { out: other, err: other } }],
    ["another time", { t1: 1 }],
    ["another try", { attempt: 2 }],
    ["another build", { build: "b2" }],
    ["another ledger", { log: "elsewhere/1" }],
    ["properties", { props: { A: "1" } }],
    ["another version", { ver: "9" }],
    ["another statement", { stmt: other }],
    ["another signature", { sig: Buffer.alloc(64).toString("base64") }],
  ];
  test.each(lies)("a record that claims %s does not hold", async (_, change) => {
    const { ledger, record, keys } = await recorded();
    const lie = { ...record, ...change } as ExecutionRecord;
    expect(verifyExecution(lie, keys, ledger, listAction)).toMatchObject({ ok: false, reason: "bad-signature" });
    expect(await proveSignature(lie, keys, (hash) => ledger.manifest(hash), listAction)).toMatchObject({
      ok: false,
      reason: "bad-signature",
    });
  });

  test("a result that was not for using again cannot be made so", async () => {
    const { ledger, record, keys } = await recorded(sketchChore({ cacheable: false }));
    const lie = { ...record, cacheable: true } as ExecutionRecord;
    expect(verifyExecution(lie, keys, ledger, listAction)).toMatchObject({ reason: "bad-signature" });
  });

  test("keys count only when genesis names them, and for what it names them", async () => {
    const { ledger, record, keys } = await recorded();
    const foreign = signerFromSeed(Buffer.alloc(32, 9), "rnode");
    const asLog = signExecution(sketchChore().facts, sketchChore().listing, ledger.origin, cluster);
    const lie = { ...record, key: foreign.key } as ExecutionRecord;
    expect(verifyExecution(lie, keys, ledger, listAction)).toMatchObject({ reason: "unendorsed-key" });
    expect(verifyExecution({ ...record, ...asLog }, keys, ledger, listAction)).toMatchObject({
      reason: "unendorsed-key",
    });
  });

  test("without its manifests an execution cannot be checked", async () => {
    const { ledger, record, keys } = await recorded();
    ledger.manifests.delete(record.action);
    expect(verifyExecution(record, keys, ledger, listAction)).toMatchObject({ ok: false, reason: "manifest-missing" });
  });

  const openssl = spawnSync("openssl", ["version"]).status === 0;
  test.skipIf(!openssl)("openssl agrees with the signature (skipped where openssl is not installed)", async () => {
    const { ledger, record } = await recorded();
    const envelope = executionEnvelope(record, ledger, listAction);
    const directory = mkdtempSync(join(tmpdir(), "begat-openssl-"));
    try {
      const statement = Buffer.from(envelope.payload, "base64");
      const [{ sig } = { sig: "" }] = envelope.signatures;
      const pem = createPublicKey({ key: spkiOf(Buffer.from(rnode.entry.pub, "base64")), format: "der", type: "spki" });
      writeFileSync(join(directory, "pae"), preAuthenticationEncoding(IN_TOTO_PAYLOAD, statement));
      writeFileSync(join(directory, "sig"), Buffer.from(sig, "base64"));
      writeFileSync(join(directory, "key"), pem.export({ format: "pem", type: "spki" }));
      const args = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key", "-sigfile", "sig", "-in", "pae"];
      expect(spawnSync("openssl", args, { cwd: directory }).status).toBe(0);
      writeFileSync(join(directory, "pae"), preAuthenticationEncoding(IN_TOTO_PAYLOAD, `${statement} `));
      expect(spawnSync("openssl", args, { cwd: directory }).status).not.toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
