import { beforeEach, describe, expect, test } from "vitest";
import { digestOf, sha256 } from "../../src/base/index.ts";
import type { ActionIndex, IndexedExecution } from "../../src/cache/index.ts";

/** An execution with everything in it; `over` says what matters to the test. */
export function anExecution(seq: number, over: Partial<IndexedExecution> = {}): IndexedExecution {
  return {
    seq,
    action: sha256(`action ${seq}`),
    chore: `compile(src/${seq}.c)`,
    level: "contained",
    key: sha256("key"),
    outputs: [{ path: `obj/${seq}.o`, kind: "file", digest: digestOf(`object ${seq}`), executable: false }],
    properties: {},
    durationMs: seq + 0.25,
    finishedAtMs: 1_700_000_000_000 + seq,
    ...over,
  };
}

const LEDGER = sha256("genesis");

export function actionIndexContract(name: string, make: () => ActionIndex | Promise<ActionIndex>): void {
  describe(`action index contract: ${name}`, () => {
    let index: ActionIndex;
    beforeEach(async () => {
      index = await make();
    });

    test("a new one is empty and stands nowhere", () => {
      expect(index.position()).toBeUndefined();
      expect(index.find(sha256("x"))).toEqual([]);
      expect(index.history("x", 10)).toEqual([]);
      expect(index.producers(sha256("x"))).toEqual([]);
      expect(index.producersOfPath("x", 10)).toEqual([]);
      expect(index.durationsMs(["x"])).toEqual(new Map());
    });

    test("what was added is answered, whole", () => {
      const execution = anExecution(7, {
        outputs: [
          { path: "out/ä b", kind: "file", digest: digestOf("1"), executable: true },
          { path: "docs", kind: "tree", digest: digestOf("2"), executable: false },
          { path: "link", kind: "symlink", digest: digestOf("3"), executable: false, target: "out/ä b" },
        ],
        properties: { VERSION: "1.0\n'quoted'", EMPTY: "" },
      });
      index.add([execution], { ledger: LEDGER, size: 8 });
      expect(index.find(execution.action)).toEqual([execution]);
      expect(index.history(execution.chore, 1)).toEqual([execution]);
      for (const output of execution.outputs) {
        expect(index.producers(output.digest.hash)).toEqual([execution]);
        expect(index.producersOfPath(output.path, 5)).toEqual([execution]);
      }
      expect(index.position()).toEqual({ ledger: LEDGER, size: 8 });
    });

    test("answers come newest first, and no more than asked for", () => {
      const action = sha256("same");
      const outputs = [{ path: "o", kind: "file", digest: digestOf("o"), executable: false }] as const;
      const all = [3, 9, 5, 1].map((seq) => anExecution(seq, { action, chore: "same", outputs }));
      index.add(all.slice(0, 2), { ledger: LEDGER, size: 10 });
      index.add(all.slice(2), { ledger: LEDGER, size: 10 });
      const seqs = (found: readonly IndexedExecution[]) => found.map((execution) => execution.seq);
      expect(seqs(index.find(action))).toEqual([9, 5, 3, 1]);
      expect(seqs(index.producers(digestOf("o").hash))).toEqual([9, 5, 3, 1]);
      expect(seqs(index.history("same", 2))).toEqual([9, 5]);
      expect(seqs(index.producersOfPath("o", 3))).toEqual([9, 5, 3]);
    });

    test("an execution with the same bytes at two paths produces them once", () => {
      const digest = digestOf("twin");
      const outputs = ["a", "b"].map((path) => ({ path, kind: "file", digest, executable: false }) as const);
      index.add([anExecution(1, { outputs })], { ledger: LEDGER, size: 2 });
      expect(index.producers(digest.hash)).toHaveLength(1);
    });

    test("adding again changes nothing but the position", () => {
      index.add([anExecution(1), anExecution(2)], { ledger: LEDGER, size: 3 });
      index.add([anExecution(2), anExecution(1)], { ledger: LEDGER, size: 5 });
      expect(index.find(anExecution(1).action)).toEqual([anExecution(1)]);
      expect(index.producersOfPath("obj/2.o", 9)).toEqual([anExecution(2)]);
      expect(index.position()).toEqual({ ledger: LEDGER, size: 5 });
    });

    test("the position moves without executions too", () => {
      index.add([], { ledger: LEDGER, size: 1 });
      expect(index.position()).toEqual({ ledger: LEDGER, size: 1 });
    });

    test("durations are of the newest execution of each chore", () => {
      const chore = "link";
      index.add(
        [anExecution(4, { chore, durationMs: 40 }), anExecution(2, { chore, durationMs: 20 }), anExecution(6)],
        {
          ledger: LEDGER,
          size: 7,
        },
      );
      expect(index.durationsMs([chore, "never", anExecution(6).chore])).toEqual(
        new Map([
          [chore, 40],
          [anExecution(6).chore, 6.25],
        ]),
      );
    });

    test("what is quarantined is found no more, but stays history", () => {
      const action = sha256("same");
      index.add([anExecution(1, { action }), anExecution(3, { action })], { ledger: LEDGER, size: 4 });
      expect(index.quarantined(action)).toBeUndefined();
      index.quarantine(3);
      index.quarantine(3);
      expect(index.find(action).map(({ seq }) => seq)).toEqual([1]);
      expect(index.quarantined(action)).toBe(3);
      expect(index.history(anExecution(3).chore, 1)).toHaveLength(1);
      index.clear();
      index.add([anExecution(3, { action })], { ledger: LEDGER, size: 4 });
      expect(index.find(action)).toHaveLength(1);
    });

    test("clearing forgets everything", () => {
      index.add([anExecution(1)], { ledger: LEDGER, size: 2 });
      index.clear();
      expect(index.position()).toBeUndefined();
      expect(index.find(anExecution(1).action)).toEqual([]);
      expect(index.producers(digestOf("object 1").hash)).toEqual([]);
      index.add([anExecution(0)], { ledger: sha256("other"), size: 1 });
      expect(index.find(anExecution(0).action)).toEqual([anExecution(0)]);
    });

    test("a chore's name is data", () => {
      const chore = "x'; DROP TABLE executions; --";
      index.add([anExecution(1, { chore })], { ledger: LEDGER, size: 2 });
      expect(index.history(chore, 1)).toHaveLength(1);
      expect(index.history("x", 1)).toEqual([]);
    });
  });
}
