import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import {
  type ChallengeBody,
  type ChallengeFacts,
  catchUpIndex,
  endorsedKeys,
  type RecordFrame,
  signChallenge,
  signExecution,
  signerFromSeed,
  verifyChallenge,
  verifyLedger,
} from "../../src/provenance/index.ts";
import { MemoryActionIndex } from "../support/memory-action-index.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { listAction, sketchChore } from "../support/recorded-chore.ts";

const chore = sketchChore();

const facts = (changes: Partial<ChallengeFacts> = {}): ChallengeFacts => ({
  build: "b1",
  of: 2,
  action: chore.facts.action,
  chore: chore.facts.chore,
  verdict: "differ",
  seed: 7,
  out: [{ p: "obj/a.o", d: sha256("other"), n: 5 }],
  diff: { p: "obj/a.o", w: "bytes", at: 0, a: 111, b: 0 },
  rnode: "frodo",
  level: "contained",
  t0: 1_767_225_602_000.25,
  t1: 1_767_225_603_000.75,
  ms: 999.5,
  ver: "0.1.0",
  ...changes,
});
const { diff: _, ...same } = facts({ verdict: "match", out: [] });

/** One build: an execution, and a challenge of it. */
async function challenged(
  challenge: ChallengeFacts,
  change: (body: ChallengeBody) => ChallengeBody = (body) => body,
): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  const plan = { n: 1, root: sha256("plan") };
  const none = { exec: 1, hit: 0, fail: 0, skip: 0, settled: 0 };
  await ledger.append([
    { body: { kind: "build.begin", build: "b1", goal: ["all"], plan, vars: {}, who: "me" }, manifests: [] },
    { body: signExecution(chore.facts, chore.listing, ledger.origin, ledger.signer), manifests: chore.manifests },
    { body: change(signChallenge(challenge, ledger.origin, ledger.signer)), manifests: [] },
    { body: { kind: "build.end", build: "b1", begin: 1, n: none, outcome: "failed", artifacts: [] }, manifests: [] },
  ]);
  return ledger;
}

const verdictOn = async (ledger: MemoryLedger) => {
  const { verdict, findings } = await verifyLedger(ledger, { signatures: true, lister: listAction });
  return [verdict, ...findings.map(({ seq, message }) => `${seq}: ${message}`)];
};

describe("a challenge in the ledger", () => {
  test.each([
    ["match", same],
    ["differ", facts()],
    ["differ in a failure with odd words", facts({ diff: { p: "", w: "failed", t: "half a \ud83d" }, out: [] })],
    ["differ in a member", facts({ diff: { p: "docs", m: "a b", w: "bytes", at: 4, b: 3 } })],
  ])("holds: %s", async (_what, challenge) => {
    expect(await verdictOn(await challenged(challenge))).toEqual(["holds"]);
  });

  const wrong: readonly (readonly [what: string, ChallengeFacts, finding: string])[] = [
    ["an execution that is not there", facts({ of: 9 }), "3: record 9 is no execution of action"],
    ["what is no execution", facts({ of: 1 }), "3: record 1 is no execution of action"],
    ["another action", facts({ action: sha256("x") }), "3: record 2 is no execution of action"],
    ["no difference, but differ", { ...same, verdict: "differ" }, "3: verdict differ, but no difference is named"],
    ["a difference, but match", facts({ verdict: "match" }), "3: verdict match, but a difference is named"],
  ];
  test.each(wrong)("is tampered with when it names %s", async (_what, challenge, finding) => {
    const [verdict, first] = await verdictOn(await challenged(challenge));
    expect([verdict, first?.slice(0, finding.length)]).toEqual(["tampered", finding]);
  });

  test.each<readonly [what: string, change: Partial<ChallengeBody>]>([
    ["verdict", { verdict: "match" }],
    ["seed", { seed: 8 }],
    ["output", { out: [] }],
    ["difference", { diff: { p: "obj/a.o", w: "bytes", at: 1, a: 111, b: 0 } }],
    ["level", { level: "hermetic" }],
  ])("is not signed with another %s", async (_what, change) => {
    const ledger = await challenged(facts(), (body) => ({ ...body, ...change }));
    expect(await verdictOn(ledger)).toContain(`3: the signature is not by key ${ledger.signer.key.slice(0, 12)}`);
  });

  test("counts for nothing by a key that nobody endorsed", async () => {
    const ledger = new MemoryLedger();
    const stranger = signerFromSeed(Buffer.alloc(32, 9), "rnode", "stranger");
    const record = { ...signChallenge(facts(), ledger.origin, stranger), log: ledger.origin };
    expect(verifyChallenge(record as ChallengeBody & RecordFrame, endorsedKeys(ledger))).toMatchObject({
      ok: false,
      reason: "unendorsed-key",
    });
  });

  test("takes the execution out of use where it differs, and only there", async () => {
    for (const [challenge, uses] of [[same, 1] as const, [facts(), 0] as const]) {
      const index = new MemoryActionIndex();
      catchUpIndex(await challenged(challenge), index);
      expect(index.find(chore.facts.action)).toHaveLength(uses);
      expect(index.quarantined(chore.facts.action)).toBe(uses === 0 ? 2 : undefined);
    }
  });
});
