import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  exportProof,
  nodeProofCrypto,
  type ProofQuestion,
  type ProofVerdict,
  readPolicy,
  verifyProof,
} from "../../../src/provenance/index.ts";
import { artifactBytes, exported, log, provenChore, rnode } from "../../support/proven-chore.ts";

const digest = createHash("sha256").update(artifactBytes).digest("hex");

const ask = (proof: Uint8Array, question: Partial<ProofQuestion> = {}): Promise<ProofVerdict> =>
  verifyProof({ proof, crypto: nodeProofCrypto, artifact: digest, trustBundleKeys: true, ...question });

const rewritten = (proof: Uint8Array, change: (value: Record<string, never>) => unknown): Buffer => {
  const value = JSON.parse(Buffer.from(proof).toString()) as Record<string, never>;
  return Buffer.from(JSON.stringify(change(value) ?? value));
};

describe("a proof", () => {
  test("holds for its artifact, and says what it shows", async () => {
    const { proof, rekor, size } = await exported();
    const verdict = await ask(proof);
    expect(verdict).toMatchObject({
      verdict: "holds",
      vouchedBy: "bundle keys",
      problems: [],
      shown: { artifact: { path: "obj/a.o", sha256: digest }, seq: 4, size, chore: "compile(src/a.c)", agreeing: 1 },
    });
    expect(rekor).toEqual({ seq: 8, appended: true });
    expect(size).toBe(9);
  });

  test("made again finds the attestation's leaf where it is said to be, and appends none", async () => {
    const { request } = await provenChore();
    const first = await exportProof(request);
    expect(first.rekor).toEqual({ seq: 8, appended: true });
    const again = await exportProof({ ...request, attested: [4, 99, 8] });
    expect(again.rekor).toEqual({ seq: 8, appended: false });
    expect(again.size).toBe(first.size);
  });

  test("of a usual chore has at most 8 KiB", async () => {
    const inputs = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`include/part${i}.h`, String(i)]));
    const { proof } = await exported({ inputs, around: 600 });
    expect(proof.length).toBeLessThanOrEqual(8 * 1024);
  });

  test("altered in any byte, in any of several ways, is refused", async () => {
    const { proof } = await exported({ around: 1, challenges: ["match"] });
    for (let at = 0; at < proof.length; at++) {
      for (const flip of [0x01, 0x20, 0x80]) {
        const other = Buffer.from(proof);
        other[at] = other[at]! ^ flip;
        const { verdict } = await ask(other);
        if (verdict === "holds") expect.unreachable(`byte ${at} flipped by ${flip} makes no difference`);
      }
    }
  }, 60_000);

  test("cut off anywhere, or with anything after it, is refused", async () => {
    const { proof } = await exported({ around: 1 });
    for (let length = 0; length < proof.length; length += 7) {
      expect((await ask(proof.subarray(0, length))).verdict).not.toBe("holds");
    }
    for (const tail of [" ", "\n", "{}", "\0"]) {
      expect((await ask(Buffer.concat([proof, Buffer.from(tail)]))).verdict).not.toBe("holds");
    }
  });

  test.each([
    ["a duplicate member", (text: string) => text.replace('{"artifact"', '{"artifact":{},"artifact"')],
    ["a blank", (text: string) => text.replace('{"artifact"', '{ "artifact"')],
    ["an escape that is not needed", (text: string) => text.replace("obj/a.o", "obj\\/a.o")],
    ["a byte order mark", (text: string) => `\ufeff${text}`],
    ["a member too many", (text: string) => text.replace('{"artifact"', '{"another":1,"artifact"')],
    ["a lone surrogate", (text: string) => text.replace("obj/a.o", "\\ud800")],
    ["a fraction", (text: string) => text.replace('"exit":0', '"exit":0.0')],
    ["CRLF in the note", (text: string) => text.replace("\\n", "\\r\\n")],
    ["base64 with other bits", (text: string) => text.replace(/="/, '=="')],
  ])("with %s is refused", async (_what, change) => {
    const { proof } = await exported({ around: 1 });
    const text = Buffer.from(proof).toString();
    expect(change(text)).not.toBe(text);
    expect((await ask(Buffer.from(change(text)))).verdict).not.toBe("holds");
  });

  test("is refused with another proof's parts", async () => {
    const { proof } = await exported();
    const other = JSON.parse(
      Buffer.from((await exported({ chore: "other(x)", outputs: { o: "x" } })).proof).toString(),
    );
    for (const part of ["artifact", "checkpoint", "execution", "statement"]) {
      const mixed = rewritten(proof, (value) => ({ ...value, [part]: other[part] }));
      expect((await ask(mixed)).verdict, part).toBe("tampered");
    }
  });

  test("is about its artifact and no other", async () => {
    const { proof } = await exported();
    const verdict = await ask(proof, { artifact: "0".repeat(64) });
    expect(verdict.verdict).toBe("not proven");
    expect(verdict.problems[0]).toContain("the artifact has digest 000000000000");
  });

  test("is not proven where nobody vouches for its ledger", async () => {
    const { proof } = await exported();
    const verdict = await ask(proof, { trustBundleKeys: false });
    expect(verdict).toMatchObject({ verdict: "not proven", vouchedBy: undefined });
    expect(verdict.problems).toHaveLength(1);
    const shown = verdict.verdict === "not proven" ? verdict.shown.ledger : "";
    expect(await ask(proof, { trustBundleKeys: false, ownLedgers: [shown] })).toMatchObject({
      verdict: "holds",
      vouchedBy: "own ledger",
    });
  });

  test("of what is no proof could not be checked", async () => {
    for (const text of ["", "{}", '{"type":"x"}', "[]", "null", "\xff"]) {
      expect((await ask(Buffer.from(text, "latin1"))).verdict, text).toBe("could not check");
    }
  });

  test("counts challenges that came out alike, and none that did not", async () => {
    expect(await ask((await exported({ challenges: ["match", "match"] })).proof)).toMatchObject({
      shown: { agreeing: 3 },
    });
    expect(await ask((await exported({ challenges: ["match", "differ"] })).proof)).toMatchObject({
      shown: { agreeing: 0 },
    });
  });

  test("of many outputs is checked by the statement, which lists them all", async () => {
    const outputs = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`out/${i}`, String(i)]));
    const { proof } = await exported({ outputs, artifact: "out/77" });
    const artifact = createHash("sha256").update("77").digest("hex");
    expect(await ask(proof, { artifact })).toMatchObject({ verdict: "holds", shown: { artifact: { path: "out/77" } } });
  });
});

describe("a policy", () => {
  const accept = (...lines: string[]): string => ["begat-policy@v1", ...lines].join("\n");
  const judged = async (text: string, sketch = {}): Promise<ProofVerdict> => {
    const read = readPolicy(text);
    if (!read.ok) throw new Error(read.because);
    return ask((await exported(sketch)).proof, { policy: read.policy, trustBundleKeys: false });
  };
  const made = async (): Promise<{ ledger: string; vkey: string; builder: string }> => {
    const verdict = await ask((await exported()).proof);
    if (verdict.verdict !== "holds") throw new Error("it should hold");
    return { ledger: verdict.shown.ledger, vkey: verdict.shown.log[0]!, builder: verdict.shown.builder };
  };

  test("that was exported with the proof accepts it", async () => {
    const { files } = await exported();
    expect(await judged(Buffer.from(files.get("begat.policy")!).toString())).toMatchObject({
      verdict: "holds",
      vouchedBy: "policy",
    });
  });

  test("names ledgers by first record or by key, and builders with their signer", async () => {
    const { ledger, vkey, builder } = await made();
    const cases: [holds: boolean, lines: string[]][] = [
      [true, [`ledger ${ledger}`, `builder ${builder} ${rnode.key}`]],
      [true, [`log ${vkey}`, "builder * *"]],
      [false, [`ledger ${"0".repeat(64)}`, "builder * *"]],
      [false, [`ledger ${ledger}`, `builder ${builder} ${log.key}`]],
      [false, [`ledger ${ledger}`, `builder ${builder}x ${rnode.key}`]],
      [true, [`ledger ${ledger}`, "builder * *", "level contained"]],
      [false, [`ledger ${ledger}`, "builder * *", "level hermetic"]],
      [false, [`ledger ${ledger}`, "builder * *", "complete"]],
      [true, [`ledger ${ledger}`, "builder * *", "agree 1", "", "# a remark"]],
      [false, [`ledger ${ledger}`, "builder * *", "agree 2"]],
    ];
    for (const [holds, lines] of cases) {
      const verdict = await judged(accept(...lines));
      expect(verdict.verdict, lines.join("; ")).toBe(holds ? "holds" : "not proven");
    }
    expect(await judged(accept(`ledger ${ledger}`, "builder * *", "agree 2"), { challenges: ["match"] })).toMatchObject(
      {
        verdict: "holds",
      },
    );
  });

  test.each([
    ["", /first line/],
    ["begat-policy@v2\nledger x", /first line/],
    [accept("builder * *"), /no ledger/],
    [accept(`ledger ${"0".repeat(64)}`), /no builder/],
    [accept("ledger abc"), /not understood/],
    [accept("maximum-age 3"), /not understood/],
    [accept("level hermetic", "level none"), /not understood/],
    [accept("level strong"), /not understood/],
    [accept("agree 0"), /not understood/],
    [accept("log broken+00000000+AAAA"), /verifier key/],
    [accept(`ledger ${"0".repeat(64)}`, "builder * *", "quorum none"), /no `log`/],
  ])("that is not understood is refused: %j", (text, because) => {
    const read = readPolicy(text);
    expect(read).toMatchObject({ ok: false });
    expect(read.ok ? "" : read.because).toMatch(because);
  });
});
