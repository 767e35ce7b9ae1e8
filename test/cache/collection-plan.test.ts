import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import { type CollectionFacts, planCollection } from "../../src/cache/index.ts";

const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => sha256(name)) as [Sha256, Sha256, Sha256, Sha256];
const nothing = { leases: 0, sinceMs: Number.POSITIVE_INFINITY, held: new Set<Sha256>() };

function facts(over: Partial<CollectionFacts>): CollectionFacts {
  const blobs = [a, b, c, d].map((hash, i) => ({ hash, sizeBytes: 10, changedMs: 100 * (i + 1) }));
  return { blobs, lastUsesMs: new Map(), protection: nothing, isRequired: () => false, maxSizeBytes: 20, ...over };
}

const reasons = (over: Partial<CollectionFacts>) =>
  planCollection(facts(over)).map((one) => `${"abcd"[[a, b, c, d].indexOf(one.hash)]} ${one.reason}`);

describe("planCollection", () => {
  const removed = "least-recently-used";
  const table: readonly (readonly [string, Partial<CollectionFacts>, readonly string[]])[] = [
    ["the oldest go until the rest fits", {}, [`a ${removed}`, `b ${removed}`, "c within-budget", "d within-budget"]],
    ["nothing goes where all fits", { maxSizeBytes: 40 }, ["a", "b", "c", "d"].map((x) => `${x} within-budget`)],
    [
      "a use known to the index counts, where it is later than the file",
      {
        lastUsesMs: new Map([
          [a, 1000],
          [d, 1],
        ]),
      },
      [`b ${removed}`, `c ${removed}`, "d within-budget", "a within-budget"],
    ],
    [
      "what a live lease may have used stays, though the budget is missed",
      { maxSizeBytes: 0, protection: { ...nothing, leases: 1, sinceMs: 300 } },
      [`a ${removed}`, `b ${removed}`, "c in-use", "d in-use"],
    ],
    [
      "what is held by name stays, and others go in its stead",
      { protection: { ...nothing, held: new Set([a]) } },
      ["a held", `b ${removed}`, `c ${removed}`, "d within-budget"],
    ],
    [
      "what the ledger needs stays",
      { maxSizeBytes: 0, isRequired: (hash) => hash === b },
      [`a ${removed}`, "b required", `c ${removed}`, `d ${removed}`],
    ],
  ];
  test.each(table)("%s", (_, over, expected) => {
    expect(reasons(over)).toEqual(expected);
  });

  test("blobs of one age go in the order of their hashes", () => {
    const blobs = [a, b, c, d].map((hash) => ({ hash, sizeBytes: 10, changedMs: 1 }));
    const order = planCollection(facts({ blobs })).map((one) => one.hash);
    expect(order).toEqual([a, b, c, d].sort());
  });

  test("never removes more than it must, nor anything protected, nor a newer blob before an older", () => {
    const blob = fc.record({
      name: fc.nat(40),
      sizeBytes: fc.integer({ min: 1, max: 50 }),
      changedMs: fc.nat(100),
      held: fc.boolean(),
    });
    const blobs = fc.uniqueArray(blob, { selector: (one) => one.name });
    fc.assert(
      fc.property(blobs, fc.nat(500), fc.nat(100), (some, maxSizeBytes, sinceMs) => {
        const stored = some.map((one) => ({ ...one, hash: sha256(String(one.name)) }));
        const held = new Set(stored.filter((one) => one.held).map((one) => one.hash));
        const plan = planCollection(facts({ blobs: stored, maxSizeBytes, protection: { leases: 1, sinceMs, held } }));
        expect(plan).toHaveLength(stored.length);
        const goes = plan.filter((one) => one.remove);
        const stays = plan.filter((one) => !one.remove);
        for (const one of goes) expect(held.has(one.hash) || one.lastUsedMs >= sinceMs).toBe(false);
        const kept = stays.reduce((sum, one) => sum + one.sizeBytes, 0);
        const last = goes.at(-1);
        if (last !== undefined) expect(kept + last.sizeBytes).toBeGreaterThan(maxSizeBytes);
        const free = stays.filter((one) => one.reason === "within-budget");
        if (free.length > 0) expect(kept).toBeLessThanOrEqual(maxSizeBytes);
        for (const one of free) expect(one.lastUsedMs).toBeGreaterThanOrEqual(last?.lastUsedMs ?? 0);
      }),
    );
  });
});
