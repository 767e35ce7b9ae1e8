import { describe, expect, test } from "vitest";
import {
  adoptTravail,
  endorsedKeys,
  readTravail,
  signExecution,
  type TravailBody,
  travailBytes,
  travailProblem,
  verifyExecution,
} from "../../src/provenance/index.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { listAction, sketchChore } from "../support/recorded-chore.ts";

const names = { log: "", build: "b7", chore: "compile(a)", dictum: "compile", attempt: 2 };

function signed(parts: Partial<TravailBody> = {}) {
  const ledger = new MemoryLedger();
  const chore = sketchChore({ props: { "odd name": "1" } });
  const { build, dictum, attempt } = names;
  const facts = { ...chore.facts, build, chore: names.chore, dictum, attempt, ...parts };
  const body = signExecution(facts as typeof chore.facts, chore.listing, ledger.origin, ledger.signer);
  return { ledger, chore, body };
}

describe("a travail", () => {
  test("reads as it was written", () => {
    const { body } = signed();
    expect(readTravail(travailBytes(body))).toEqual(body);
  });

  test("holds for the key, action and ledger it was signed for, and no other", () => {
    const { body, chore, ledger } = signed();
    const { entry } = ledger.signer;
    expect(travailProblem(body, chore.listing, ledger.origin, entry)).toBeUndefined();
    expect(travailProblem(body, chore.listing, "another/ledger", entry)).toMatch(/does not imply/);
    expect(travailProblem({ ...body, exit: 1 }, chore.listing, ledger.origin, entry)).toMatch(/does not imply/);
    const sig = Buffer.alloc(64).toString("base64");
    expect(travailProblem({ ...body, sig }, chore.listing, ledger.origin, entry)).toMatch(/not by key/);
    const other = { ...entry, id: "0".repeat(64) as typeof entry.id };
    expect(travailProblem(body, chore.listing, ledger.origin, other)).toMatch(/comes with key/);
  });

  test.each([
    ["no JSON", "{", "does not parse"],
    ["a list", "[]", "is not an object"],
    ["another kind", '{"kind":"genesis"}', "is of kind"],
    ["half of one", '{"kind":"exec"}', "is missing"],
  ])("is refused when it is %s", (_what, text, problem) => {
    expect(() => readTravail(Buffer.from(text))).toThrow(problem);
  });

  test.each([
    ["its own names", names, false, false],
    ["another build", { ...names, build: "ours" }, false, true],
    ["an execution of before", names, true, true],
  ])("stands in a ledger under %s and is proven there", async (_what, here, cached, hasFrom) => {
    const { ledger, chore, body } = signed();
    const record = adoptTravail(body, ledger.origin, { ...here, log: ledger.origin }, { r: "forced" }, cached);
    expect(record).toMatchObject({ build: here.build, why: { r: "forced" } });
    expect(record.from?.cached ?? false).toBe(cached);
    expect(record.from !== undefined).toBe(hasFrom);
    await ledger.append([{ body: record, manifests: chore.manifests }]);
    const found = ledger.record(1) as Parameters<typeof verifyExecution>[0];
    expect(verifyExecution(found, endorsedKeys(ledger), ledger, listAction)).toMatchObject({ ok: true });
  });
});
