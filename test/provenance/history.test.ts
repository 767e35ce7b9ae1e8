import { beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  catchUpIndex,
  endorsedKeys,
  type History,
  ledgerLog,
  type ProvNode,
  proveTrusted,
  provShow,
  provSources,
  provTree,
  sandboxFacts,
  signExecution,
  toExecOutput,
  toRecordedOutput,
  trustedExecution,
  why,
} from "../../src/provenance/index.ts";
import { MemoryActionIndex } from "../support/memory-action-index.ts";
import { memoryProvIndex } from "../support/memory-index-source.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { type ChoreSketch, failed, listAction, type SketchedChore, sketchChore } from "../support/recorded-chore.ts";

let ledger: MemoryLedger;
let index: MemoryActionIndex;
let history: History;

beforeEach(async () => {
  ledger = new MemoryLedger();
  index = new MemoryActionIndex();
  history = await historyNow();
});

async function historyNow(): Promise<History> {
  return { ledger, index: await memoryProvIndex(ledger), keys: endorsedKeys(ledger), lister: listAction };
}

async function run(sketch: ChoreSketch | SketchedChore, fails = false): Promise<number> {
  const chore = "facts" in sketch ? sketch : sketchChore(sketch);
  const facts = fails ? failed(chore).facts : chore.facts;
  const body = signExecution(facts, chore.listing, ledger.origin, ledger.signer);
  const [appended] = await ledger.append([{ body, manifests: chore.manifests }]);
  catchUpIndex(ledger, index);
  history = await historyNow();
  return appended!.seq;
}

/** gen -> gen.h; a.c gen.h -> a.o; b.c gen.h -> b.o; a.o b.o -> prog */
async function program(aC = "a.c v1"): Promise<{ [name: string]: number }> {
  const [genH, aO, bO] = ["#define X", `object of ${aC}`, "object of b"];
  return {
    gen: await run({ chore: "gen()", inputs: { "gen.sh": "echo" }, outputs: { "gen.h": genH } }),
    a: await run({ chore: "cc(a.c)", inputs: { "a.c": aC, "gen.h": genH }, outputs: { "a.o": aO } }),
    b: await run({ chore: "cc(b.c)", inputs: { "b.c": "b.c v1", "gen.h": genH }, outputs: { "b.o": bO } }),
    prog: await run({ chore: "ld()", inputs: { "a.o": aO, "b.o": bO }, outputs: { prog: `prog of ${aO}` } }),
  };
}

const shape = (node: ProvNode): unknown =>
  node.inputs.length > 0 ? { [node.path]: node.inputs.map(shape) } : node.repeated ? `${node.path} again` : node.path;

describe("the index", () => {
  test("is caught up once, with every travail and no failure", async () => {
    await program();
    await run({ chore: "bad()" }, true);
    expect(index.position()).toEqual({ ledger: ledger.identity, size: 6 });
    expect(catchUpIndex(ledger, index)).toBe(0);
    expect(index.history("ld()", 9)).toMatchObject([{ seq: 4, level: "contained", durationMs: 1_000 }]);
    expect(index.history("bad()", 9)).toEqual([]);
  });

  test("of another ledger, or ahead of this one, is begun again", async () => {
    await program();
    const other = new MemoryLedger(undefined, "other/1");
    expect(catchUpIndex(other, index)).toBe(0);
    expect(index.history("ld()", 9)).toEqual([]);
    expect(catchUpIndex(ledger, index)).toBe(4);
    ledger.rows.length = 3;
    expect(catchUpIndex(ledger, index)).toBe(2);
    expect(index.position()).toEqual({ ledger: ledger.identity, size: 3 });
  });

  test("has all outputs and properties, also of a chore with many", async () => {
    const outputs = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`o/${i}`, String(i)]));
    await run({ chore: "many()", outputs, props: { V: "1" } });
    const [found] = index.history("many()", 1);
    expect(found?.outputs.length).toBe(100);
    expect(found?.properties).toEqual({ V: "1" });
  });

  test("outputs of every kind come back as they were", () => {
    const digest = { hash: sha256("x"), sizeBytes: 1 };
    for (const output of [
      { path: "a", kind: "file", digest, executable: false },
      { path: "a", kind: "file", digest, executable: true },
      { path: "a", kind: "tree", digest, executable: false },
      { path: "a", kind: "symlink", digest, executable: false, target: "x" },
    ] as const) {
      expect(toRecordedOutput(toExecOutput(output))).toEqual(output);
    }
  });
});

describe("trust in a cache hit", () => {
  const policy = (minimumLevel: "none" | "contained" | "hermetic" = "contained") => ({
    minimumLevel,
    keys: history.keys,
    lister: listAction,
  });
  const both = async (found: { seq: number }, action: Sha256, level?: "hermetic") => {
    const verdict = trustedExecution(found, action, ledger, policy(level));
    expect(await proveTrusted(found, action, ledger, policy(level))).toEqual(verdict);
    return verdict;
  };

  test("is given to a signed travail of exactly this action", async () => {
    const chore = sketchChore();
    const seq = await run(chore);
    expect(await both({ seq }, chore.facts.action)).toMatchObject({
      trusted: true,
      record: { seq, out: chore.facts.out },
    });
  });

  test("is refused, with the reason, to anything else", async () => {
    const chore = sketchChore();
    const { action } = chore.facts;
    const seq = await run(chore);
    const volatile = await run(sketchChore({ cacheable: false }));
    const failure = await run(chore, true);
    expect(await both({ seq: 99 }, action)).toMatchObject({
      reason: "not-in-ledger",
      because: "record 99 is no execution",
    });
    expect(await both({ seq: 0 }, action)).toMatchObject({ reason: "not-in-ledger" });
    expect(await both({ seq: failure }, action)).toMatchObject({ reason: "not-in-ledger" });
    expect(await both({ seq }, sha256("other"))).toMatchObject({ reason: "not-in-ledger" });
    expect(await both({ seq: volatile }, action)).toMatchObject({ reason: "not-cacheable" });
    expect(await both({ seq }, action, "hermetic")).toMatchObject({
      reason: "level-too-low",
      because: "record 1 was made at level contained, not hermetic",
    });
    ledger.rows[seq]!.bytes = Buffer.from(ledger.rows[seq]!.bytes.toString().replace("obj/a.o", "obj/b.o"));
    expect(await both({ seq }, action)).toMatchObject({ reason: "tampered" });
  });

  test("is refused when the manifests are gone", async () => {
    const chore = sketchChore();
    const seq = await run(chore);
    ledger.manifests.clear();
    expect(await both({ seq }, chore.facts.action)).toMatchObject({ reason: "manifest-missing" });
  });
});

describe("provShow", () => {
  test("tells what made an artifact, and where its inputs came from", async () => {
    const { gen, a } = await program();
    const shown = provShow(history, { path: "a.o" });
    expect(shown).toMatchObject({
      found: true,
      answer: {
        path: "a.o",
        making: { evidence: { seq: a, leaf: ledger.rows[a!]!.leaf, signature: "holds" } },
        inputs: [
          { path: "a.c", madeBy: undefined },
          { path: "gen.h", madeBy: gen },
        ],
      },
    });
    expect(provShow(history, { digest: sha256("object of a.c v1") })).toEqual(shown);
  });

  test("an input that came from outside is led back to its record", async () => {
    const [{ seq } = { seq: -1 }] = await ledger.append([
      {
        body: {
          kind: "ingest",
          name: "lua",
          uri: "url:x",
          version: "1",
          files: [{ p: "l.c", d: sha256("l"), n: 1 }],
          by: "me",
        },
        manifests: [],
      },
    ]);
    await run({ chore: "cc(l.c)", inputs: { "l.c": "l" }, outputs: { "l.o": "lo" } });
    expect(provShow(history, { path: "l.o" })).toMatchObject({ answer: { inputs: [{ path: "l.c", madeBy: seq }] } });
    expect(provShow(history, { digest: sha256("l") })).toMatchObject({
      found: false,
      because: expect.stringContaining("url:x"),
    });
  });

  test("of equal bytes made twice, the one at the path asked for", async () => {
    const first = await run({ chore: "one()", outputs: { "1": "same" } });
    await run({ chore: "two()", outputs: { "2": "same" } });
    const shown = provShow(history, { path: "1", digest: sha256("same") });
    expect(shown).toMatchObject({ answer: { path: "1", making: { evidence: { seq: first } } } });
  });

  test("does not vouch for bytes that nobody made", async () => {
    await program();
    expect(provShow(history, { path: "nothing" })).toMatchObject({
      found: false,
      because: expect.stringMatching(/^no execution made nothing \(4 executions in \d+ records\)$/),
      hint: undefined,
    });
    expect(provShow(history, { path: "a.c", digest: sha256("a.c v1") })).toMatchObject({
      found: false,
      hint: expect.stringMatching(/^it is a source, used from record \d+ on: /),
    });
    expect(provShow(history, { path: "a.o", digest: sha256("edited") })).toMatchObject({
      found: false,
      because: expect.stringMatching(/^a\.o has digest .* which no execution made; record 2 made it with digest /),
      hint: "it was changed after it was made; build it again to have it proven",
    });
  });

  test("believes the record and not the index", async () => {
    const { a } = await program();
    const [entry] = index.history("cc(a.c)", 1);
    const poisoned = {
      ...entry!,
      outputs: [{ ...entry!.outputs[0]!, digest: { hash: sha256("poison"), sizeBytes: 6 } }],
    };
    index.add([poisoned], index.position()!);
    expect(provShow(history, { digest: sha256("poison") })).toMatchObject({ found: false });
    ledger.manifests.delete(entry!.action);
    expect(provShow(history, { path: "a.o" })).toMatchObject({
      found: false,
      because: expect.stringContaining(`record ${a} names this artifact, but does not hold`),
    });
  });
});

describe("provTree", () => {
  test("leads back to the sources, each part shown once", async () => {
    await program();
    const tree = provTree(history, { path: "prog" });
    expect(tree.found && shape(tree.answer)).toEqual({
      prog: [{ "a.o": ["a.c", { "gen.h": ["gen.sh"] }] }, { "b.o": ["b.c", "gen.h again"] }],
    });
    expect(tree.found && provSources(tree.answer).map(({ path }) => path)).toEqual(["a.c", "gen.sh", "b.c"]);
  });

  test("goes as deep as it is asked to", async () => {
    await program();
    const one = provTree(history, { path: "prog" }, { depth: 1 });
    expect(one.found && shape(one.answer)).toEqual({ prog: ["a.o", "b.o"] });
    const two = provTree(history, { path: "prog" }, { depth: 2 });
    expect(two.found && shape(two.answer)).toEqual({
      prog: [{ "a.o": ["a.c", "gen.h"] }, { "b.o": ["b.c", "gen.h"] }],
    });
  });

  test("an artifact made from its own earlier self ends where that began", async () => {
    await run({ chore: "seed()", inputs: {}, outputs: { n: "0" } });
    await run({ chore: "next()", inputs: { n: "0" }, outputs: { n: "1" } });
    await run({ chore: "next()", inputs: { n: "1" }, outputs: { n: "0" } });
    const tree = provTree(history, { path: "n" });
    expect(tree.found && shape(tree.answer)).toEqual({ n: [{ n: ["n"] }] });
  });

  test("a long chain is followed to its beginning", async () => {
    const entries = Array.from({ length: 300 }, (_, i) => {
      const chore = sketchChore({ inputs: { [`f${i}`]: `c${i}` }, outputs: { [`f${i + 1}`]: `c${i + 1}` } });
      const body = signExecution(chore.facts, chore.listing, ledger.origin, ledger.signer);
      return { body, manifests: chore.manifests };
    });
    await ledger.append(entries);
    const tree = provTree(await historyNow(), { path: "f300" });
    expect(tree.found && provSources(tree.answer).map(({ path }) => path)).toEqual(["f0"]);
  });

  test("goes through a directory made as one tree, where its listing says so", async () => {
    const tree = sha256("the Tree message");
    const docs = sketchChore({ chore: "docs()", inputs: { "d.md": "md" }, outputs: {} });
    const out = [{ p: "docs", d: tree, n: 1, m: "t" as const }];
    await run({ ...docs, facts: { ...docs.facts, out } });
    await run({ chore: "zip()", inputs: { "docs/a/i.html": "html" }, outputs: { zip: "z" } });
    const plain = provTree(history, { path: "zip" });
    expect(plain.found && shape(plain.answer)).toEqual({ zip: ["docs/a/i.html"] });
    const files = [{ path: "a/i.html", digest: sha256("html") }];
    const listed = provTree({ ...history, treeLister: (hash) => (hash === tree ? files : undefined) }, { path: "zip" });
    expect(listed.found && shape(listed.answer)).toEqual({ zip: [{ "docs/a/i.html": ["d.md"] }] });
  });
});

describe("why", () => {
  const base: ChoreSketch = {
    chore: "cc(a.c)",
    inputs: { "a.c": "1", "a.h": "1", recipe: "cc" },
    env: { CFLAGS: "-O2" },
  };
  const fields = (sketch: ChoreSketch): Promise<readonly unknown[]> =>
    run(base)
      .then(() => run(sketch))
      .then(() => {
        const answer = why(history, { chore: "cc(a.c)" });
        if (!answer.found) throw new Error(answer.because);
        expect(answer.answer.previous?.seq).toBe(1);
        return answer.answer.changes.map(({ field, name, from, to }) => [field, name, Boolean(from), Boolean(to)]);
      });

  const cases: readonly (readonly [what: string, sketch: ChoreSketch, changes: readonly unknown[]])[] = [
    ["nothing", base, []],
    ["an input", { ...base, inputs: { ...base.inputs, "a.h": "2" } }, [["input", "a.h", true, true]]],
    ["an input more", { ...base, inputs: { ...base.inputs, "b.h": "2" } }, [["input", "b.h", false, true]]],
    ["an input less", { ...base, inputs: { "a.c": "1", recipe: "cc" } }, [["input", "a.h", true, false]]],
    ["the recipe", { ...base, inputs: { ...base.inputs, recipe: "gcc" } }, [["recipe", "", true, true]]],
    [
      "a variable",
      { ...base, env: { CFLAGS: "-O3", CC: "gcc" } },
      [
        ["variable", "CC", false, true],
        ["variable", "CFLAGS", true, true],
      ],
    ],
    ["the image", { ...base, image: `host:${sha256("new")}` }, [["image", "", true, true]]],
    ["the interpreter", { ...base, argv: ["bash", "recipe"] }, [["interpreter", "", true, true]]],
    ["the output", { ...base, outputs: { "obj/a.o": "other" } }, [["output", "obj/a.o", true, true]]],
  ];
  test.each(cases)("%s changed", async (_, sketch, changes) => {
    expect(await fields(sketch)).toEqual(changes);
  });

  test("names the decision that was taken, and compares with the execution it named", async () => {
    const first = await run(base);
    await run({ ...base, inputs: { ...base.inputs, "a.c": "2" } });
    const third = await run({
      ...base,
      inputs: { ...base.inputs, "a.c": "3" },
      why: { r: "input changed", was: first, what: "a.c" },
    });
    expect(why(history, { path: "obj/a.o" })).toMatchObject({
      answer: {
        execution: { seq: third, signature: "holds" },
        reason: { r: "input changed", what: "a.c" },
        previous: { seq: first },
        changes: [{ field: "input", name: "a.c", from: sha256("1"), to: sha256("3") }],
      },
    });
  });

  test("a failure after the last success is the newest execution", async () => {
    const first = await run(base);
    await run({ chore: "other()" }, true);
    const second = await run({ ...base, env: { CFLAGS: "-Wrong" } }, true);
    expect(why(history, { chore: "cc(a.c)" })).toMatchObject({
      answer: {
        execution: { seq: second, record: { kind: "fail", detail: "exit 2" } },
        previous: { seq: first },
        changes: [{ field: "variable", name: "CFLAGS", from: "-O2", to: "-Wrong" }],
      },
    });
    expect(why(history, { path: "obj/a.o" })).toMatchObject({ answer: { execution: { seq: second } } });
  });

  test("a first failure, and what was never executed", async () => {
    const seq = await run(base, true);
    expect(why(history, { chore: "cc(a.c)" })).toMatchObject({
      answer: { execution: { seq }, previous: undefined, changes: [] },
    });
    expect(why(history, { chore: "no()" })).toMatchObject({
      found: false,
      because: "no execution of no() is recorded",
    });
  });
});

describe("the log", () => {
  test("shows the newest, newest last, and only what is asked for", async () => {
    const { a, prog } = await program();
    await run({ chore: "bad()" }, true);
    const seqs = (limit: number, filter = {}) => ledgerLog(ledger, limit, filter).map(({ seq }) => seq);
    expect(seqs(2)).toEqual([4, 5]);
    expect(seqs(99)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(seqs(99, { kinds: ["fail", "genesis"] })).toEqual([0, 5]);
    expect(seqs(99, { about: "cc(a.c)" })).toEqual([a]);
    expect(seqs(99, { about: "prog" })).toEqual([prog]);
    expect(seqs(99, { about: "cc" })).toEqual([2, 3]);
    expect(seqs(99, { about: sha256("object of a.c v1").slice(0, 8) })).toEqual([a]);
    expect(seqs(99, { about: "3" })).toEqual([3]);
    expect(seqs(99, { about: "nobody" })).toEqual([]);
    expect(seqs(2, { before: 3 })).toEqual([1, 2]);
    for (const { seq, leaf } of ledgerLog(ledger, 99)) expect(leaf).toBe(ledger.rows[seq]!.leaf);
  });

  test("finds the newest among thousands", async () => {
    const body = { kind: "ingest", name: "n", uri: "u", version: "1", files: [], by: "me" } as const;
    await ledger.append(
      Array.from({ length: 2_000 }, (_, i) => ({ body: { ...body, name: `n${i % 1_000}` }, manifests: [] })),
    );
    expect(ledgerLog(ledger, 1, { about: "n7" }).map(({ seq }) => seq)).toEqual([1_008]);
    expect(ledgerLog(ledger, 9, { about: "n7" }).map(({ seq }) => seq)).toEqual([8, 1_008]);
  });
});

test("the isolation an executor reports is what the record says", () => {
  expect(
    sandboxFacts({
      backend: "bubblewrap",
      backendVersion: "0.8.0",
      namespaces: ["pid"],
      network: "none",
      uidDropped: true,
      knownLeaks: ["clock"],
    }),
  ).toEqual({
    backend: "bubblewrap",
    version: "0.8.0",
    namespaces: ["pid"],
    network: "none",
    uidDropped: true,
    leaks: ["clock"],
  });
});
