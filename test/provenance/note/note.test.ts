import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  base64Of,
  type Cosigner,
  checkpointText,
  cosign,
  formatNote,
  formatVkey,
  NOTE_KEY,
  noteVerifier,
  openNote,
  parseCheckpoint,
  parseCosignature,
  parseNote,
  parseVkey,
  signerFromSeed,
  vkeyOf,
  withSignatures,
} from "../../../src/provenance/index.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8");
const AT_5 = golden("checkpoint-5.txt");
const AT_8 = golden("checkpoint-8.txt");
const LOG = "begat.example/ledger/0001+388c412b+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const NEW_LOG = "begat.example/ledger/0001+80a8eb05+AW56HN0psLeP0Tr0xVmP7/TvKpcWbjym8uT7/M2AUFvx";
const WITNESS = "witness.example/w1+d9ed62c5+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";
const [log, newLog, witness] = [LOG, NEW_LOG, WITNESS].map((key) => noteVerifier(parseVkey(key)));

const rawKey = (seed: number) => Buffer.from(signerFromSeed(Buffer.alloc(32, seed), "log").entry.pub, "base64");

describe("a verifier key", () => {
  test.each([
    [LOG, "begat.example/ledger/0001", 1, 1],
    [NEW_LOG, "begat.example/ledger/0001", 1, 5],
    [WITNESS, "witness.example/w1", 4, 3],
  ])("%s is written and read", (text, name, type, seed) => {
    const key = vkeyOf(name, type, rawKey(seed));
    expect(formatVkey(key)).toBe(text);
    expect(parseVkey(text)).toEqual({ ...key, publicKey: new Uint8Array(rawKey(seed)) });
  });

  test.each([
    ["the wrong id", LOG.replace("388c412b", "388c412c")],
    ["another name", LOG.replace("0001", "0002")],
    ["a name with a space", LOG.replace("begat.example", "begat example")],
    ["no id", LOG.replace("388c412b+", "")],
    ["upper-case id", LOG.replace("388c412b", "388C412B")],
    ["broken base64", LOG.slice(0, -1)],
    ["no key", "begat.example/ledger/0001+388c412b+"],
  ])("with %s is refused", (_, text) => {
    expect(() => parseVkey(text)).toThrow(/verifier key/);
  });

  test("of an unknown type or length cannot check", () => {
    expect(() => noteVerifier(vkeyOf("a", 6, rawKey(1)))).toThrow(/type 6/);
    expect(() => noteVerifier(vkeyOf("a", 1, new Uint8Array(31)))).toThrow(/cannot be checked/);
  });
});

describe("a signed note", () => {
  test("of the specification verifies", () => {
    const verifier = noteVerifier(parseVkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"));
    const signature = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=";
    const note = `This is an example message.\n\n\u2014 example.com/foo ${signature}\n`;
    expect(openNote(note, [verifier])).toMatchObject({ text: "This is an example message.\n" });
    expect(() => openNote(note.replace("example message", "exemple message"), [verifier])).toThrow(/does not fit/);
  });

  test("is made of its parts again, byte for byte", () => {
    for (const note of [AT_5, AT_8]) expect(formatNote(parseNote(note))).toBe(note);
  });

  test("splits at its last empty line", () => {
    const { text } = parseNote(`a\n\nb\n\n\u2014 n AAAAAAA=\n`);
    expect(text).toBe("a\n\nb\n");
  });

  test.each([
    ["no signature", "text\n\n"],
    ["no empty line", "text\n\u2014 n AAAAAAA=\n"],
    ["no last line feed", "text\n\n\u2014 n AAAAAAA="],
    ["carriage returns", AT_5.replaceAll("\n", "\r\n")],
    ["a tab", "te\txt\n\n\u2014 n AAAAAAA=\n"],
    ["half a character", "te\ud800xt\n\n\u2014 n AAAAAAA=\n"],
    ["a hyphen for a dash", "text\n\n- n AAAAAAA=\n"],
    ["a plus in a name", "text\n\n\u2014 n+m AAAAAAA=\n"],
    ["base64 that is not canonical", "text\n\n\u2014 n AAAAAAB=\n"],
    ["a signature of no bytes", "text\n\n\u2014 n AAAAAA==\n"],
    ["something after the signatures", "text\n\n\u2014 n AAAAAAA=\nmore\n"],
    ["101 signatures", `text\n\n${"\u2014 n AAAAAAA=\n".repeat(101)}`],
  ])("with %s is refused", (_, note) => {
    expect(() => parseNote(note)).toThrow(expect.objectContaining({ code: "NOTE_MALFORMED" }));
  });

  test("may carry many signatures of keys nobody knows", () => {
    const strangers = Array.from({ length: 17 }, (_, i) => ({
      name: `w${i}`,
      keyId: "00000000",
      bytes: new Uint8Array(64),
    }));
    const note = withSignatures(AT_8, strangers);
    expect(parseNote(note).signatures).toHaveLength(20);
    expect(openNote(note, [log!]).verified).toHaveLength(1);
    expect(withSignatures(note, strangers)).toBe(note);
  });

  test("without a known key says so; with a bad line of one it is refused, wherever the line stands", () => {
    expect(() => openNote(AT_5, [witness!])).toThrow(expect.objectContaining({ code: "NOTE_UNVERIFIED" }));
    const { text, signatures } = parseNote(AT_5);
    const bad = { ...signatures[0]!, bytes: new Uint8Array(64) };
    for (const lines of [[bad], [bad, ...signatures], [...signatures, bad]]) {
      const note = formatNote({ text, signatures: lines });
      expect(() => openNote(note, [log!])).toThrow(expect.objectContaining({ code: "NOTE_BAD_SIGNATURE" }));
    }
  });

  test("tells two keys apart whose names and ids are the same", () => {
    const twin = { ...newLog!, keyId: log!.keyId };
    expect(openNote(AT_5, [twin, log!]).verified).toHaveLength(1);
    expect(() => openNote(AT_5, [twin])).toThrow(expect.objectContaining({ code: "NOTE_BAD_SIGNATURE" }));
  });

  test("cannot be made of parts that would be read otherwise", () => {
    const line = { name: "n", keyId: "00000000", bytes: new Uint8Array(1) };
    for (const parts of [
      { text: "a", signatures: [line] },
      { text: "a\n", signatures: [] },
      { text: "a\n", signatures: [{ ...line, name: "two names" }] },
    ]) {
      expect(() => formatNote(parts)).toThrow(/note/);
    }
  });
});

describe("a checkpoint", () => {
  test("at 5 and at 8 is read, with two log keys and a cosignature", () => {
    expect(parseCheckpoint(openNote(AT_5, [log!, newLog!, witness!]).text)).toMatchObject({
      origin: "begat.example/ledger/0001",
      size: 5,
      extensions: [],
    });
    const { text, verified } = openNote(AT_8, [log!, newLog!, witness!]);
    expect(verified.map(({ keyId }) => keyId)).toEqual(["388c412b", "80a8eb05", "d9ed62c5"]);
    const { origin, size, root } = parseCheckpoint(text);
    expect(checkpointText(origin, size, root)).toBe(text);
    expect(base64Of(root)).toBe("etdB8RkQOD87uK/x1p8Fm0IkQkqdN0bPBvGCycEHxcI=");
    expect(parseCosignature(verified[2]!.bytes)?.time).toBe(1_767_225_604);
  });

  test("is signed and cosigned as the known ones are", () => {
    const { text } = parseNote(AT_8);
    const bytes = new TextEncoder().encode(text);
    const lines = [1, 5].map((seed) => {
      const { name, keyId } = vkeyOf("begat.example/ledger/0001", NOTE_KEY.ed25519, rawKey(seed));
      return { name, keyId, bytes: signerFromSeed(Buffer.alloc(32, seed), "log").sign(bytes) };
    });
    const keeper = signerFromSeed(Buffer.alloc(32, 3), "rnode");
    const cosigner: Cosigner = { name: "witness.example/w1", publicKey: rawKey(3), sign: (b) => keeper.sign(b) };
    const line = cosign(cosigner, text, 1_767_225_604);
    expect(formatNote({ text, signatures: [...lines, line] })).toBe(AT_8);
    const later = { ...line, bytes: Uint8Array.from(line.bytes, (byte, i) => (i === 7 ? byte + 1 : byte)) };
    expect(() => openNote(formatNote({ text, signatures: [later] }), [witness!])).toThrow(/does not fit/);
  });

  const ROOT = "etdB8RkQOD87uK/x1p8Fm0IkQkqdN0bPBvGCycEHxcI=";
  test.each([
    ["no origin", `\n8\n${ROOT}\n`],
    ["a leading zero", `log\n08\n${ROOT}\n`],
    ["a sign", `log\n+8\n${ROOT}\n`],
    ["a size of 2^63", `log\n9223372036854775808\n${ROOT}\n`],
    ["a size of 2^53", `log\n9007199254740992\n${ROOT}\n`],
    ["a short root", "log\n8\nAAAA\n"],
    ["two lines", "log\n8\n"],
    ["no last line feed", `log\n8\n${ROOT}`],
    ["an empty extension", `log\n8\n${ROOT}\n\nx\n`],
  ])("with %s is refused", (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow(/not a checkpoint/);
  });

  test("may be of no records, and have extensions", () => {
    expect(parseCheckpoint(`log\n0\n${ROOT}\nmore\n`)).toMatchObject({ size: 0, extensions: ["more"] });
  });
});
