import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkspacePath } from "../../src/base/index.ts";
import { type Plan, PlanBuilder, selectTargets } from "../../src/scheduler/index.ts";
import { nearest } from "../../src/scheduler/targets.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";

const w = (text: string) => text as WorkspacePath;

/** Who waits for whom, by label. */
function edges(plan: Plan): string[] {
  const list: string[] = [];
  for (let chore = 0; chore < plan.choreCount; chore++)
    for (const dependency of plan.dependenciesOf(chore)) list.push(`${plan.label(chore)} < ${plan.label(dependency)}`);
  return list.sort();
}

describe("edges", () => {
  test.each<readonly [what: string, makerOut: string, userIn: string, isEdge: boolean]>([
    ["a file", "x", "x", true],
    ["another file", "x", "y", false],
    ["a tree", "t/", "t/", true],
    ["a file in a tree", "t/", "t/a/b", true],
    ["a tree in a tree", "t/", "t/a/", true],
    ["a file whose name only begins alike", "t/", "tt/a", false],
    ["a directory that holds a file", "d/x", "d/", true],
    ["a directory that holds a tree", "d/t/", "d/", true],
    ["a directory whose name only begins alike", "dd/x", "d/", false],
    ["a directory beside", "d-x/y", "d/", false],
    ["a directory whose name comes later in order", "d/x", "d0/", false],
  ])("%s", (_, makerOut, userIn, isEdge) => {
    const plan = planOf(plannedChore("make()", [], [makerOut]), plannedChore("use()", [userIn], ["o"]));
    expect(edges(plan)).toEqual(isEdge ? ["use() < make()"] : []);
    // Written the other way round it is the same.
    const turned = planOf(plannedChore("use()", [userIn], ["o"]), plannedChore("make()", [], [makerOut]));
    expect(edges(turned)).toEqual(isEdge ? ["use() < make()"] : []);
  });

  test("come from properties and mounts too, and none twice", () => {
    const plan = planOf(
      plannedChore("facts()", [], ["f", "g"], { up: ["V"] }),
      plannedChore("tree()", [], ["t/"]),
      plannedChore("use()", ["f", "g"], ["o"], { properties: ["V"], mounts: [["lib", "t"]] }),
    );
    expect(edges(plan)).toEqual(["use() < facts()", "use() < tree()"]);
    expect(plan.chore(2)).toMatchObject({
      inputs: [
        { path: "f", kind: "file" },
        { path: "g", kind: "file" },
      ],
      properties: ["V"],
      mounts: [{ where: "lib", source: "t" }],
    });
  });

  test("a fixpoint chore does not wait for itself", () => {
    const plan = planOf(
      plannedChore("fix()", ["refs"], ["refs"], {
        attributes: {
          volatile: false,
          nocache: false,
          interactive: false,
          exclusive: false,
          fixpoint: 3,
          traced: false,
        },
      }),
    );
    expect(edges(plan)).toEqual([]);
  });

  test("two makers of one output are begat's own mistake: the evaluator lets none pass", () => {
    const builder = new PlanBuilder();
    builder.add(plannedChore("a()", [], ["x"]));
    expect(() => builder.add(plannedChore("b()", [], ["x"]))).toThrow("two chores make x");
  });
});

describe("cycles", () => {
  test("are shown whole, whatever hangs on them", () => {
    const builder = new PlanBuilder();
    builder.add(plannedChore("before()", [], ["s"]));
    builder.add(plannedChore("a()", ["s", "y"], ["x"]));
    builder.add(plannedChore("b()", ["x"], ["t/"]));
    builder.add(plannedChore("c()", ["t/deep"], ["y"], { up: ["P"] }));
    builder.add(plannedChore("after()", ["y"], ["z"], { properties: ["P"] }));
    const result = builder.finish();
    expect(result.ok).toBe(false);
    const { chores } = (result as Extract<typeof result, { ok: false }>).cycle;
    const turn = chores.findIndex(({ label }) => label === "a()");
    expect([...chores.slice(turn), ...chores.slice(0, turn)]).toEqual([
      { label: "a()", needs: "y" },
      { label: "c()", needs: "t/deep" },
      { label: "b()", needs: "x" },
    ]);
  });
});

/** Chores of which each may need only what is made before it, added in another order. */
const aGraph = fc
  .array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  .map((list) =>
    list.map((needs, i) =>
      plannedChore(`c${i}()`, i === 0 ? [] : [...new Set(needs.map((n) => `o${n % i}`))], [`o${i}`]),
    ),
  )
  .chain((chores) => fc.shuffledSubarray(chores, { minLength: chores.length }));

describe("order", () => {
  test("has every chore once, after all that it waits for", () => {
    fc.assert(
      fc.property(aGraph, (chores) => {
        const plan = planOf(...chores);
        const place = new Map(Array.from(plan.columns.order, (chore, at) => [chore, at]));
        expect(place.size).toBe(chores.length);
        for (let chore = 0; chore < plan.choreCount; chore++) {
          for (const dependency of plan.dependenciesOf(chore))
            expect(place.get(dependency)).toBeLessThan(place.get(chore) as number);
        }
      }),
    );
  });

  test("who waits for whom, and who is waited for by whom, is one relation", () => {
    fc.assert(
      fc.property(aGraph, (chores) => {
        const plan = planOf(...chores);
        const there: string[] = [];
        const back: string[] = [];
        for (let chore = 0; chore < plan.choreCount; chore++) {
          for (const dependency of plan.dependenciesOf(chore)) there.push(`${chore} ${dependency}`);
          for (const dependant of plan.dependantsOf(chore)) back.push(`${dependant} ${chore}`);
        }
        expect(back.sort()).toEqual(there.sort());
      }),
    );
  });
});

describe("consumers", () => {
  test("are those that have a path among their inputs, or above one of others among them", () => {
    const paths = fc.subarray(["s0", "s1", "dir/", "o0", "o1", "dir/o2", "deep/t/"], { minLength: 1 });
    const outputs = ["o0", "o1", "dir/o2", "deep/t/"];
    const inputs = fc.tuple(
      ...outputs.map((_, i) =>
        paths.map((list) =>
          list.filter((path) => !(i < 2 ? [...outputs.slice(i), "dir/"] : outputs.slice(i)).includes(path)),
        ),
      ),
    );
    fc.assert(
      fc.property(inputs, (lists) => {
        const plan = planOf(...lists.map((list, i) => plannedChore(`c${i}()`, list, [outputs[i] as string])));
        const there: string[] = [];
        const back = new Set<string>();
        for (let chore = 0; chore < plan.choreCount; chore++)
          for (const entry of new Set(Array.from(plan.everyInputOf(chore)))) there.push(`${chore} ${entry >>> 1}`);
        for (let path = 0; path < plan.pathCount; path++)
          plan.consumers.each(path, (chore) => void back.add(`${chore} ${path}`));
        expect([...back].sort()).toEqual([...new Set(there)].sort());
      }),
    );
  });

  test("stand in order, whether they are few or many", () => {
    const length = 40;
    const chores = Array.from({ length }, (_, i) =>
      plannedChore(`c${i}()`, [i === length - 1 ? "s" : `o${i + 1}`], [`o${i}`]),
    );
    const plan = planOf(...chores);
    expect(plan.inOrder([3, 7])).toEqual([7, 3]);
    expect(plan.inOrder([0, 9, 2, 30, 4])).toEqual([30, 9, 4, 2, 0]);
    expect(plan.inOrder([5])).toEqual([5]);
  });
});

describe("targets", () => {
  const plan = planOf(
    plannedChore("gen()", [], ["gen/a.h", "gen/b.h"]),
    plannedChore("compile(a.c)", ["a.c", "gen/a.h"], ["obj/a.o"]),
    plannedChore("link()", ["obj/a.o"], ["prog"]),
    plannedChore("docs()", ["prog"], ["docs/"]),
    plannedChore("note()", [], [], { up: ["NOTE"] }),
    plannedChore("silent()", [], []),
  );
  const groups = [
    {
      name: "both",
      at: { file: "begatfile", line: 1, column: 1 },
      members: [
        { path: w("prog"), kind: "file" as const },
        { path: w("obj"), kind: "tree" as const },
      ],
    },
  ];
  const chosen = (names: readonly string[], directory = "", every = false) => {
    const { wanted, needed, neededCount } = selectTargets(plan, groups, names, w(directory), every);
    const labels = Array.from(needed).flatMap((is, chore) => (is ? [plan.label(chore)] : []));
    expect(neededCount).toBe(labels.length);
    return { wanted: Array.from(wanted, (entry) => plan.path(entry >>> 1) as string).sort(), needed: labels };
  };

  test.each<
    readonly [names: readonly string[], directory: string, wanted: readonly string[], needed: readonly string[]]
  >([
    [["prog"], "", ["prog"], ["gen()", "compile(a.c)", "link()"]],
    [["docs"], "", ["docs"], ["gen()", "compile(a.c)", "link()", "docs()"]],
    [["docs/"], "", ["docs"], ["gen()", "compile(a.c)", "link()", "docs()"]],
    [["gen"], "", ["gen/a.h", "gen/b.h"], ["gen()"]],
    [["gen()"], "", ["gen/a.h", "gen/b.h"], ["gen()"]],
    [["a.h"], "gen", ["gen/a.h"], ["gen()"]],
    [["../prog"], "gen", ["prog"], ["gen()", "compile(a.c)", "link()"]],
    [["both"], "", ["obj/a.o", "prog"], ["gen()", "compile(a.c)", "link()"]],
    [["compile"], "", ["obj/a.o"], ["gen()", "compile(a.c)"]],
    [["note"], "", [], ["note()"]],
    [["silent()"], "", [], ["silent()"]],
    [["."], "gen", ["gen/a.h", "gen/b.h"], ["gen()"]],
    [[], "", ["docs", "gen/b.h"], ["gen()", "compile(a.c)", "link()", "docs()", "note()", "silent()"]],
  ])("%j in %j", (names, directory, wanted, needed) => {
    const found = chosen(names, directory);
    expect(found.wanted).toEqual(wanted);
    if (names.length > 0) expect(found.needed).toEqual(needed);
    else expect(found.needed).toEqual(expect.arrayContaining(needed.filter((label) => label !== "note()")));
  });

  test("every output of what is needed, where that is asked for", () => {
    expect(chosen(["prog"], "", true).wanted).toEqual(["gen/a.h", "gen/b.h", "obj/a.o", "prog"]);
  });

  test.each([
    ["pog", "TARGET_UNKNOWN", 'did you mean "prog"?'],
    ["a.c", "TARGET_IS_SOURCE", undefined],
    ["../..", "TARGET_UNKNOWN", undefined],
    ["", "TARGET_UNKNOWN", undefined],
  ])("%j is refused: %s", (name, code, hint) => {
    expect(() => chosen([name])).toThrow(expect.objectContaining({ code, hint }));
  });

  test.each([
    ["prgo", ["prog", "docs"], "prog"],
    ["x", ["prog"], undefined],
    ["obj/a.p", ["obj/a.o", "obj/ab.o"], "obj/a.o"],
    ["completely else", ["prog"], undefined],
    ["pro", ["\u0001pro"], undefined],
    ["same", ["sama", "samb"], "sama"],
  ])("the nearest to %j among %j is %j", (name, candidates, found) => expect(nearest(name, candidates)).toBe(found));
});
