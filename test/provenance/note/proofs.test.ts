import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  answerAddCheckpoint,
  bytesOfBase64,
  bytesOfHex,
  formatAddCheckpoint,
  formatTlogPolicy,
  formatTlogProof,
  noteVerifier,
  openTlogProof,
  parseAddCheckpoint,
  parseCheckpoint,
  parseNote,
  parseTlogPolicy,
  parseTlogProof,
  parseVkey,
  quorumMet,
} from "../../../src/provenance/index.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8");
const AT_5 = golden("checkpoint-5.txt");
const AT_8 = golden("checkpoint-8.txt");
const LOG = "begat.example/ledger/0001+388c412b+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const WITNESS = "witness.example/w1+d9ed62c5+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";
const verifiers = [LOG, WITNESS].map((key) => noteVerifier(parseVkey(key)));
const hashes = (...texts: string[]) => texts.map((text) => bytesOfBase64(text) as Uint8Array);

const INCLUSION_3 = [
  "uTJNN6XZ3Ov9B6XfRrmYT35M1CBRM2AvAlSt3nEdn0g=",
  "ezcX+wibo3bRolzBSPh2r/TjYxZlFFDco9v/roCZojU=",
  "LE4RoGgEOX1KVgnCXnv9a3O+H1xxFTCLt1L12X/vMeA=",
];
const LEAF_3 = bytesOfHex("ca117ae12fd1f729732b521e166f0a40fbf53bacdadcd340cf7ebd777e16bb23") as Uint8Array;
const CONSISTENCY_5_8 = [
  "skpKVC5zhwyGFCZOmEW0IajkpulrMlXBFHCbendj0rg=",
  "cQB6KjNgmI462NeZXkfhjCY7iy+M63DjADEK6oy/s+c=",
  "zrzqAtQgcnUYH4bNsittxZaKeUSueMxP807zsbKtds0=",
  "Z+RnhQP6WK1Pu+rtcu2oSiG+rRiLxhUPZja8QQvmTRw=",
];

describe("a tlog-proof", () => {
  const text = `c2sp.org/tlog-proof@v1\nindex 3\n${INCLUSION_3.join("\n")}\n\n${AT_8}`;

  test("is written, read and opened", () => {
    const proof = { index: 3, path: hashes(...INCLUSION_3), checkpoint: AT_8 };
    expect(formatTlogProof(proof)).toBe(text);
    expect(parseTlogProof(text)).toEqual(proof);
    expect(openTlogProof(proof, LEAF_3, verifiers)).toMatchObject({ checkpoint: { size: 8 }, verified: { length: 2 } });
    expect(openTlogProof({ ...proof, index: 2 }, LEAF_3, verifiers)).toBeUndefined();
    expect(openTlogProof({ ...proof, checkpoint: AT_5 }, LEAF_3, verifiers)).toBeUndefined();
    const extra = { ...proof, extra: Uint8Array.of(1, 2) };
    expect(parseTlogProof(formatTlogProof(extra))).toEqual(extra);
  });

  test("with any character of what it proves altered is refused", () => {
    const opens = (altered: string): boolean => {
      try {
        return openTlogProof(parseTlogProof(altered), LEAF_3, [verifiers[0]!]) !== undefined;
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^NOTE_/);
        return false;
      }
    };
    expect(opens(text)).toBe(true);
    // Up to the line of the key that is known; those after it are for whoever knows theirs.
    const end = text.indexOf("\u2014", text.indexOf("\u2014") + 1);
    expect(end).toBeGreaterThan(300);
    for (let at = 0; at < end; at++) {
      const other = text[at] === "A" ? "B" : "A";
      expect(opens(text.slice(0, at) + other + text.slice(at + 1)), `character ${at}`).toBe(false);
      expect(opens(text.slice(0, at) + text.slice(at + 1)), `without character ${at}`).toBe(false);
    }
  });

  test("of one record has no hashes", () => {
    const proof = { index: 0, path: [], checkpoint: AT_5 };
    expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof);
  });

  test.each([
    ["another version", text.replace("@v1", "@v2")],
    ["an index with a leading zero", text.replace("index 3", "index 03")],
    ["no index", text.replace("index 3\n", "")],
    ["a hash cut short", text.replace("LE4R", "")],
    ["no checkpoint", text.slice(0, text.indexOf("\n\n") + 2)],
    ["carriage returns", text.replaceAll("\n", "\r\n")],
    ["bad extra", text.replace("index", "extra ?\nindex")],
  ])("with %s is refused", (_, bad) => {
    expect(() => parseTlogProof(bad)).toThrow(expect.objectContaining({ code: "NOTE_MALFORMED" }));
  });
});

describe("an add-checkpoint request", () => {
  const request = { old: 5, path: hashes(...CONSISTENCY_5_8), checkpoint: AT_8 };
  const body = `old 5\n${CONSISTENCY_5_8.join("\n")}\n\n${AT_8}`;
  const at5 = parseCheckpoint(parseNote(AT_5).text);
  const seen = { size: 5, root: at5.root };
  const keys = (origin: string) => (origin === "begat.example/ledger/0001" ? verifiers : undefined);

  test("is written and read", () => {
    expect(formatAddCheckpoint(request)).toBe(body);
    expect(parseAddCheckpoint(body)).toEqual(request);
    for (const bad of [body.replace("old 5", "old 05"), body.replace("old 5", "new 5"), body.replace("Z+Rn", "")]) {
      expect(() => parseAddCheckpoint(bad)).toThrow(expect.objectContaining({ code: "NOTE_MALFORMED" }));
    }
  });

  test("that continues what was seen is cosigned, once it is remembered", () => {
    const answer = answerAddCheckpoint(request, seen, keys);
    const { text } = parseNote(AT_8);
    expect(answer).toEqual({ status: 200, text, seen: { size: 8, root: parseCheckpoint(text).root } });
    expect(answerAddCheckpoint({ ...request, old: 0, path: [] }, undefined, keys)).toMatchObject({ status: 200 });
    expect(answerAddCheckpoint({ old: 5, path: [], checkpoint: AT_5 }, seen, keys)).toMatchObject({ status: 200 });
  });

  const unsigned = AT_8.replace(/^\u2014 begat.*\n/gm, "");
  const smaller = { old: 5, path: [], checkpoint: AT_5 };
  test.each([
    [404, "of a log nobody watches", request, seen, () => undefined],
    [403, "without the log's signature", { ...request, checkpoint: unsigned }, seen, keys],
    [403, "with another size", { ...request, checkpoint: AT_8.replace("\n8\n", "\n9\n") }, seen, keys],
    [409, "from a size that was not the last", request, { size: 6, root: at5.root }, keys],
    [409, "at first sight, from another size than 0", request, undefined, keys],
    [422, "that does not connect", { ...request, path: request.path.slice(1) }, seen, keys],
    [422, "from another root", request, { size: 5, root: LEAF_3 }, keys],
    [422, "with a second root of one size", smaller, { size: 5, root: LEAF_3 }, keys],
    [400, "of a size before the old one", { ...smaller, old: 6 }, { size: 6, root: LEAF_3 }, keys],
  ] as const)("gets %i %s", (status, _, bad, known, keysOf) => {
    const answer = answerAddCheckpoint(bad, known, keysOf);
    expect(answer.status).toBe(status);
    if (answer.status === 409) expect(answer.size).toBe(known?.size ?? 0);
  });
});

describe("a policy", () => {
  const key = WITNESS;
  const text = [
    `log ${LOG}`,
    `witness w1 ${key} https://w1.example/`,
    `witness w2 ${key}`,
    `witness w3 ${key}`,
    "group some 2 w1 w2 w3",
    "group either any w1 some",
    "group both all w3 either",
    "quorum both",
    "",
  ].join("\n");

  test("is read and written", () => {
    const policy = parseTlogPolicy(`# whose\n\n${text}`);
    expect(policy.groups.map(({ threshold }) => threshold)).toEqual([2, 1, 2]);
    expect(parseTlogPolicy(formatTlogPolicy(policy))).toEqual(policy);
  });

  test.each([
    [[], false],
    [["w1"], false],
    [["w1", "w3"], true],
    [["w2", "w3"], true],
    [["w1", "w2"], false],
    [["w3", "stranger"], false],
  ])("is met by %j: %s", (names, met) => {
    expect(quorumMet(parseTlogPolicy(text), new Set(names as string[]))).toBe(met);
  });

  test("without a quorum of witnesses says `none`", () => {
    expect(quorumMet(parseTlogPolicy(`log ${LOG}\nquorum none\n`), new Set())).toBe(true);
  });

  test.each([
    ["no log", "quorum none\n"],
    ["no quorum", `log ${LOG}\n`],
    ["two quorums", `${text}quorum w1\n`],
    ["an unknown member", text.replace("w1 w2 w3", "w1 w9")],
    ["a member named twice", text.replace("w1 w2 w3", "w1 w1")],
    ["a threshold beyond its members", text.replace("some 2", "some 4")],
    ["a threshold of nothing", text.replace("some 2", "some 0")],
    ["a name taken twice", text.replace("witness w2", "witness w1")],
    ["a witness named none", text.replace("witness w2", "witness none")],
    ["a broken key", text.replace("d9ed62c5", "d9ed62c6")],
    ["a word it does not know", `${text}trust everybody\n`],
  ])("with %s is refused", (_, bad) => {
    expect(() => parseTlogPolicy(bad)).toThrow(expect.objectContaining({ code: "NOTE_MALFORMED" }));
  });
});
