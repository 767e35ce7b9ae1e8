import { readFileSync } from "node:fs";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  choreKey,
  type ExecBody,
  encodeRecord,
  hitsManifest,
  type IngestBody,
  leafHash,
  NO_RECORD,
  parseHits,
  parseRecord,
  planRoot,
  type RecordBody,
} from "../../src/provenance/index.ts";
import { buildRecords, execBody, frame } from "../support/record-bodies.ts";

const encode = (body: RecordBody) => encodeRecord(body, frame);

describe("leaf hashes", () => {
  // Eight leaves whose hashes other implementations of RFC 6962 agree on.
  const expected = [
    "cd34d85aec087e8e48e81b658e47d7dbbc34142bc069b82702ffd63c1f73b64c",
    "23798d782b2deabd9a9d78853277d7fa74be83faadad27b4dc812a5dc31abe4e",
    "b9324d37a5d9dcebfd07a5df46b9984f7e4cd4205133602f0254adde711d9f48",
    "ca117ae12fd1f729732b521e166f0a40fbf53bacdadcd340cf7ebd777e16bb23",
    "b24a4a542e73870c8614264e9845b421a8e4a6e96b3255c114709b7a7763d2b8",
    "71007a2a3360988e3ad8d7995e47e18c263b8b2f8ceb70e300310aea8cbfb3e7",
    "a00ccd7c9578a6b09d77e91b7ccc10794afd22b997d8bcef824bd1f36e26ca77",
    "2108ea974a93eda3727910f375e36580c362ade7ea41171fb7d933c79c440e36",
  ];
  const leaves = readFileSync(new URL("golden/eight-leaves.jsonl", import.meta.url), "utf8")
    .trimEnd()
    .split("\n");

  test.each(leaves.map((text, i) => [i, text] as const))("leaf %i has the hash others give it", (i, text) => {
    expect(leafHash(Buffer.from(text))).toBe(expected[i]);
  });

  test("each leaf names the one before it", () => {
    leaves.forEach((text, i) => {
      const { prev } = JSON.parse(text) as { prev?: string };
      if (prev !== undefined) expect(prev).toBe(i === 0 ? NO_RECORD : expected[i - 1]);
    });
  });

  test("of no bytes is SHA-256(00)", () => {
    expect(leafHash(Buffer.alloc(0))).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  });

  test("agree with an implementation we did not write", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(leafHash(bytes)).toBe(bytesToHex(nobleSha256(Buffer.concat([Buffer.of(0), bytes]))));
      }),
    );
  });
});

describe("records", () => {
  const exec = execBody();
  const bodies = buildRecords();

  test.each(bodies.map((body) => [body.kind, body] as const))("%s comes back as it went in", (_, body) => {
    const { bytes, leaf } = encode(body);
    expect(parseRecord(bytes)).toEqual({
      ...body,
      v: 1,
      log: frame.log,
      seq: 7,
      prev: NO_RECORD,
      time: "2026-01-01T00:00:00.123Z",
    });
    expect(leaf).toBe(leafHash(bytes));
  });

  test("an exec record has exactly these bytes", async () => {
    await expect(`${encode(exec).bytes.toString()}\n`).toMatchFileSnapshot("golden/exec-record.json");
  });

  test.each(bodies.map((body) => [body.kind, body] as const))("%s lacks nothing: each member is needed", (_, body) => {
    const optional = new Set(["props", "source", "tree", "more"]);
    const wire = JSON.parse(encode(body).bytes.toString()) as { [name: string]: unknown };
    for (const name of Object.keys(wire)) {
      if (optional.has(name)) continue;
      const { [name]: _gone, ...rest } = wire;
      expect(() => parseRecord(Buffer.from(JSON.stringify(rest))), `without ${name}`).toThrow();
      expect(() => parseRecord(Buffer.from(JSON.stringify({ ...wire, [name]: -0.5 }))), `odd ${name}`).toThrow();
    }
  });

  const good = encode(exec).bytes.toString();
  const swap = (from: string, to: string): string => {
    expect(good).toContain(from);
    return good.replace(from, to);
  };
  const refused: readonly (readonly [what: string, text: string, code: string])[] = [
    ["no bytes", "", "RECORD_MALFORMED"],
    ["no JSON", "{", "RECORD_MALFORMED"],
    ["null", "null", "RECORD_MALFORMED"],
    ["a list", "[]", "RECORD_MALFORMED"],
    ["a blank", swap('"v":1', '"v": 1'), "RECORD_MALFORMED"],
    ["a blank behind", `${good} `, "RECORD_MALFORMED"],
    ["a line end behind", `${good}\n`, "RECORD_MALFORMED"],
    ["a byte order mark", `\ufeff${good}`, "RECORD_MALFORMED"],
    ["another order", swap('{"action":', '{"zzz":1,"action":'), "RECORD_MALFORMED"],
    ["a member twice", swap('"attempt":1', '"attempt":1,"attempt":1'), "RECORD_MALFORMED"],
    ["an escape that need not be", swap('"frodo"', '"\\u0066rodo"'), "RECORD_MALFORMED"],
    ["a fraction", swap('"ms":1000', '"ms":1000.5'), "RECORD_MALFORMED"],
    ["an exponent", swap('"ms":1000', '"ms":1e3'), "RECORD_MALFORMED"],
    ["a number beyond 2^53-1", swap('"ms":1000', '"ms":9007199254740993'), "RECORD_MALFORMED"],
    ["a digest in capitals", good.replace(exec.stmt, exec.stmt.toUpperCase()), "RECORD_MALFORMED"],
    ["a signature without padding", swap('=="', '"'), "RECORD_MALFORMED"],
    ["a level nobody has", swap('"level":"contained"', '"level":"perfect"'), "RECORD_MALFORMED"],
    ["a negative count", swap('"seq":7', '"seq":-7'), "RECORD_MALFORMED"],
    ["an unknown kind", swap('"kind":"exec"', '"kind":"party"'), "RECORD_UNKNOWN_KIND"],
    ["a kind of Object's own", swap('"kind":"exec"', '"kind":"constructor"'), "RECORD_UNKNOWN_KIND"],
    ["a later version", swap('"v":1', '"v":2'), "RECORD_UNKNOWN_VERSION"],
    ["no version", swap(',"v":1', ""), "RECORD_UNKNOWN_VERSION"],
  ];
  test.each(refused)("refuses %s", (_, text, code) => {
    expect(() => parseRecord(Buffer.from(text))).toThrow(expect.objectContaining({ code }));
  });

  test("says which member is wrong", () => {
    const text = swap('"level":"contained"', '"level":"perfect"');
    expect(() => parseRecord(Buffer.from(text))).toThrow("exec record: .level is none of none, contained, hermetic");
    const body = { ...exec, out: [{ p: "a", d: "short", n: 1 }] } as unknown as ExecBody;
    expect(() => encode(body)).toThrow("exec record: .out [0] .d is not a SHA-256");
  });

  test("lets members pass that it does not know", () => {
    const wire = { ...(JSON.parse(good) as object), zebra: "later" };
    expect(parseRecord(Buffer.from(JSON.stringify(wire)))).toMatchObject({ zebra: "later", kind: "exec" });
  });

  test("any bytes are a record or an error with a code", () => {
    const bytes = Buffer.from(good);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const other = Buffer.from(bytes);
        other[at] = other[at]! ^ flip;
        try {
          parseRecord(other);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^RECORD_/);
        }
        expect(leafHash(other)).not.toBe(leafHash(bytes));
      }),
    );
  });

  test("any text survives", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const body: IngestBody = { kind: "ingest", name: text, uri: "u", version: "1", files: [], by: "me" };
        expect(parseRecord(encode(body).bytes)).toMatchObject({ name: text.toWellFormed() });
      }),
    );
  });
});

describe("lists with a hash", () => {
  const [a, b] = [sha256("a"), sha256("b")].sort() as [Sha256, Sha256];

  test("hits are sorted by action, each once, and come back", () => {
    const { n, manifest } = hitsManifest([
      { action: b, seq: 9 },
      { action: a, seq: 3 },
      { action: b, seq: 9 },
    ]);
    expect(n).toBe(2);
    expect(Buffer.from(manifest.bytes).toString()).toBe(`[{"a":"${a}","s":3},{"a":"${b}","s":9}]`);
    expect(manifest.hash).toBe(sha256(manifest.bytes));
    expect(parseHits(manifest.bytes)).toEqual([
      { action: a, seq: 3 },
      { action: b, seq: 9 },
    ]);
    for (const bad of ["", "{}", "[1]", '[{"a":"x","s":1}]']) expect(parseHits(Buffer.from(bad))).toBeUndefined();
  });

  test("a plan's root does not depend on its order, and does on every label", () => {
    expect(planRoot(["b", "a"])).toBe(planRoot(["a", "b"]));
    expect(planRoot(["a", "b"])).toBe(sha256('["a","b"]'));
    expect(planRoot(["a", "c"])).not.toBe(planRoot(["a", "b"]));
  });

  test("a long label is kept short and stays its own", () => {
    const long = `bind(${"x".repeat(100_000)})`;
    expect(choreKey("bind(a)")).toBe("bind(a)");
    expect(choreKey(long).length).toBeLessThanOrEqual(520);
    expect(choreKey(long)).not.toBe(choreKey(`${long}!`));
    expect(choreKey(choreKey(long))).toBe(choreKey(long));
  });
});
