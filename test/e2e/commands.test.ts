import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";

/** Times, dates and hashes as words, so that the rest can be compared exactly. */
function settled(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "WHEN")
    .replaceAll(/\d+\.\d+s/g, "T")
    .replaceAll(/[0-9a-f]{64}/g, "HASH")
    .replaceAll(/\b[0-9a-f]{12,16}\b/g, "SHORT");
}

const CHAIN = `
dictum gen { in [ words ] out [ gen/x.h ] exec [[[ cat words > gen/x.h ]]] }
dictum build(name) { in [ src/$name gen/x.h ] out [ obj/$name ] exec [[[ echo built; cat $in > "$out" ]]] }
dictum bad { in [ words ] out [ never ] exec [[[ echo oh no >&2; exit 7 ]]] }
run gen()
apply(build [ a b ])
run bad()
group all = [ obj/a obj/b ]
`;

describe("after a few builds", () => {
  let home: BegatHome;
  let checkout: Workspace;
  beforeAll(async () => {
    home = new BegatHome();
    checkout = home.workspace();
    checkout.begatfile(CHAIN);
    checkout.write("words", "one\n");
    checkout.write("src/a", "a\n");
    checkout.write("src/b", "b\n");
    await checkout.build();
    checkout.write("words", "two\n");
    await checkout.build();
    await checkout.build("never");
  });
  afterAll(() => home.dispose());

  async function answer(...args: string[]): Promise<Record<string, never>> {
    const { stdout, stderr } = await checkout.begat([...args, "--json"]);
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  test("begat why names the change", async () => {
    const { status, stdout } = await checkout.begat(["why", "obj/a"]);
    expect(status).toBe(0);
    const lines = settled(stdout).split("\n");
    expect(lines[0]).toMatch(/^build\(a\) was executed, WHEN, record \d+$/);
    expect(lines[1]).toBe("because   input changed: gen/x.h (SHORT -> SHORT)");
    expect(lines[2]).toMatch(/^compared {2}with record \d+, WHEN$/);
    expect(stdout).toContain("gen/x.h");
    expect(await answer("why", "build(a)")).toMatchObject({
      found: true,
      answer: { reason: expect.stringMatching(/^input changed: gen\/x\.h/), execution: { chore: "build(a)" } },
    });
  });

  test("begat why is not proven about what was never made", async () => {
    const { status, stderr } = await checkout.begat(["why", "nothing"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: not proven: /);
  });

  test("begat log lists builds, newest last or first, and shows one with what it printed", async () => {
    const { lines } = (await answer("log")) as unknown as { lines: { kind: string; seq: number }[] };
    const kinds = lines.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "build.begin")).toHaveLength(3);
    expect(kinds.filter((kind) => kind === "build.end")).toHaveLength(3);
    expect(kinds.filter((kind) => kind === "exec")).toHaveLength(6);
    expect(kinds.filter((kind) => kind === "fail")).toHaveLength(1);
    const one = await checkout.begat(["log", "build(b)"]);
    expect(one.stdout).toContain("built");
    const failure = await checkout.begat(["log", "bad()"]);
    expect(failure.stdout).toContain("oh no");
    expect(failure.stdout).toContain("exit 7");
    const few = (await answer("log", "-n", "2")) as unknown as { lines: unknown[] };
    expect(few.lines).toHaveLength(2);
    const none = await checkout.begat(["log", "nothing-of-that-name"]);
    expect(none).toMatchObject({ status: 1, stderr: 'error: no record is about "nothing-of-that-name"\n' });
  });

  test("begat prov show says who made a file, and that it is the one in the checkout", async () => {
    const view = (await answer("prov", "show", "obj/b")) as unknown as {
      answer: { checkout: string; execution: { signature: string }; inputs: { path: string; madeBy: number | null }[] };
    };
    expect(view.answer).toMatchObject({ checkout: "same", execution: { signature: "holds", chore: "build(b)" } });
    const made = new Map(view.answer.inputs.map(({ path, madeBy }) => [path, madeBy]));
    expect(made.get("src/b")).toBe(null);
    expect(made.get("gen/x.h")).toBeTypeOf("number");
    const { status, stdout } = await checkout.begat(["prov", "show", "obj/b"]);
    expect(status).toBe(0);
    expect(stdout).toContain("echo built; cat $in");
  });

  test("begat prov show does not speak for other bytes", async () => {
    checkout.write("obj/b", "scribble");
    const { status } = await checkout.begat(["prov", "show", "obj/b"]);
    expect(status).toBe(1);
    await checkout.build();
    expect((await checkout.begat(["prov", "show", "obj/b"])).status).toBe(0);
  });

  test("begat prov tree goes down to the sources", async () => {
    const tree = await checkout.begat(["prov", "tree", "obj/a"]);
    expect(tree.status).toBe(0);
    for (const name of ["obj/a", "gen/x.h", "words", "src/a", "build(a)", "gen()"]) expect(tree.stdout).toContain(name);
    const sources = (await answer("prov", "tree", "obj/a", "--sources")) as unknown as {
      answer: { inputs: { path: string }[] };
    };
    expect(sources.answer.inputs.map(({ path }) => path).filter((path) => !path.startsWith(".begat/"))).toEqual([
      "words",
      "src/a",
    ]);
  });

  test("begat ledger verify holds", async () => {
    const { status, stdout } = await checkout.begat(["ledger", "verify"]);
    expect(status).toBe(0);
    expect(settled(stdout).split("\n")[0]).toMatch(
      /^the ledger holds {2}\(\d+ records, 7 executions, 7 signatures checked, T\)$/,
    );
    expect(await answer("ledger", "verify", "--no-signatures")).toMatchObject({ verdict: "holds", signatures: 0 });
  });

  test("begat cache stats and verify count what is there", async () => {
    const stats = (await answer("cache", "stats")) as unknown as { blobs: number; executions: number };
    expect(stats).toMatchObject({ leases: 0, quarantined: 0, blobs: home.blobs().length });
    expect(await answer("cache", "verify")).toMatchObject({ blobs: stats.blobs, bad: [] });
  });

  test("begat graph draws what needs what", async () => {
    const dot = await checkout.begat(["graph"]);
    expect(dot).toMatchObject({ status: 0, stderr: "" });
    expect(dot.stdout).toMatch(/^digraph /);
    for (const label of ["gen()", "build(a)", "build(b)", "bad()"]) expect(dot.stdout).toContain(label);
    const graph = (await answer("graph", "obj/a")) as unknown as { chores: { label: string; needs: number[] }[] };
    expect(graph.chores.map(({ label, needs }) => [label, needs])).toEqual([
      ["gen()", []],
      ["build(a)", [0]],
    ]);
  });

  test("begat cache gc frees what it may, and the next build makes it again", async () => {
    const dry = (await answer("cache", "gc", "--max-size", "0", "--dry-run")) as unknown as { removed: number };
    expect(dry.removed).toBeGreaterThan(0);
    const before = home.blobs().length;
    expect(before).toBeGreaterThan(0);
    expect(await answer("cache", "gc", "--max-size", "0")).toMatchObject({ removed: dry.removed, dryRun: false });
    expect(home.blobs().length).toBe(before - dry.removed);
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(0);
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 0 });
    checkout.remove("obj/a");
    const rebuilt = await checkout.build();
    expect(rebuilt.executed).toEqual(["gen()", "build(a)"].filter((label) => rebuilt.executed.includes(label)));
    expect(rebuilt.executed).toContain("build(a)");
    expect(rebuilt.events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "evicted" },
    });
    expect(checkout.read("obj/a")).toBe("a\ntwo\n");
  });

  test("begat doctor is content, and names the ledger", async () => {
    const { stdout } = await checkout.begat(["doctor"]);
    expect(stdout).toMatch(/\nledger +ok +\d+ records/);
    expect(stdout).toMatch(/\nprocess +weak/);
  });
});

describe("without a build", () => {
  let home: BegatHome;
  beforeAll(() => {
    home = new BegatHome();
  });
  afterAll(() => home.dispose());

  test("begat init, begat, begat", async () => {
    const checkout = home.workspace();
    expect((await checkout.begat(["init"])).status).toBe(0);
    expect((await checkout.begat(["fmt", "--check"])).status).toBe(0);
    expect((await checkout.begat(["check"])).stdout).toBe("no mistakes in 1 begatfile, 2 chores\n");
    expect((await checkout.begat([])).status).toBe(0);
    expect(checkout.read("hello.txt")).toBe("hello, world\n");
    expect((await checkout.begat(["init"])).status).toBe(1);
  });

  test("begat fmt formats once and for all", async () => {
    const checkout = home.workspace();
    checkout.begatfile("dictum   a{out[b] exec [[[echo>b]]]} # why\nrun a( )\n");
    expect((await checkout.begat(["fmt", "--check"])).status).toBe(1);
    expect(await checkout.begat(["fmt"])).toMatchObject({ status: 0, stdout: "formatted begatfile\n" });
    expect(checkout.read("begatfile")).toContain("# why");
    expect(await checkout.begat(["fmt"])).toMatchObject({ status: 0, stdout: "1 file already formatted\n" });
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok" });
  });

  test("begat completion bash is a script", async () => {
    const checkout = home.workspace();
    expect((await checkout.begat(["completion", "bash"])).stdout).toContain("complete -");
  });

  test("nothing can be verified where there is no ledger, and none is made", async () => {
    const empty = new BegatHome();
    const checkout = empty.workspace();
    checkout.begatfile("");
    for (const args of [["ledger", "verify"], ["why", "x"], ["prov", "show", "x"], ["log"]]) {
      const { status, stderr, stdout } = await checkout.begat(args);
      expect([args, status === 0], stderr + stdout).toEqual([args, false]);
    }
    expect(existsSync(join(empty.state, "ledger.db"))).toBe(false);
    empty.dispose();
  });

  test("there is no begatfile: that is said, with what makes one", async () => {
    const checkout = home.workspace();
    const { status, stderr } = await checkout.begat([]);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `error: there is no begatfile in ${checkout.path} or above it\nhint: \`begat init\` writes a small one\n`,
    );
  });
});

describe("a begatfile with mistakes", () => {
  const MISTAKEN = `var A = $NOWHERE
dictum one { out [ x ] exec [[[ echo > x ]]] }
dictum two { out [ x ] exec [[[ echo > x ]]] }
run one()
run two()
run three()
dictum four { out [ /abs ] exec [[[ : ]]] }
run four()
`;
  let home: BegatHome;
  beforeAll(() => {
    home = new BegatHome();
  });
  afterAll(() => home.dispose());

  test("is refused with all of them, and nothing is run or recorded", async () => {
    const checkout = home.workspace();
    checkout.begatfile(MISTAKEN);
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(built.summary).toMatchObject({ outcome: "refused", executed: 0 });
    const lines = built.events.flatMap((event) =>
      event.type === "diagnostics" ? event.diagnostics.map(({ at }) => at.line) : [],
    );
    expect(lines).toEqual([1, 5, 6, 7]);
    expect(existsSync(home.state)).toBe(false);
    const text = await checkout.begat(["check"]);
    expect(text.status).toBe(1);
    expect(text.stdout).toMatch(/\n4 errors\n$/);
  });

  test("a cycle is shown whole", async () => {
    const checkout = home.workspace();
    checkout.begatfile(`
dictum link(to from) { in [ $from ] out [ $to ] exec [[[ cat "$in" > "$out" ]]] }
run link(a b)
run link(b c)
run link(c a)
`);
    const { status, stdout } = await checkout.begat(["build"]);
    expect(status).toBe(1);
    for (const label of ["link(a b)", "link(b c)", "link(c a)"]) expect(stdout).toContain(label);
  });

  test("and mended, it builds", async () => {
    const checkout = home.workspace();
    checkout.begatfile("dictum one { out [ x ] exec [[[ echo 1 > x ]]]\n");
    expect((await checkout.build()).status).toBe(1);
    checkout.begatfile("dictum one { out [ x ] exec [[[ echo 1 > x ]]] }\nrun one()\n");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
    checkout.begatfile("dictum one { out [ x ] exec [[[ echo 2 > x ]]] }\nrun one()\nrun nobody()\n");
    expect((await checkout.build()).status).toBe(1);
    expect(checkout.read("x")).toBe("1\n");
    checkout.begatfile("dictum one { out [ x ] exec [[[ echo 2 > x ]]] }\nrun one()\n");
    const mended = await checkout.build();
    expect(mended.events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "recipe changed" },
    });
    expect(checkout.read("x")).toBe("2\n");
  });
});

test("a plain user's home gets keys that nobody else may read", async () => {
  const home = new BegatHome();
  const checkout = home.workspace();
  checkout.begatfile("dictum one { out [ x ] exec [[[ echo 1 > x ]]] }\nrun one()\n");
  await checkout.build();
  const { statSync } = await import("node:fs");
  expect(statSync(join(home.state, "keys")).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(join(home.state, "keys")).filter((key) => key.endsWith(".key")))
    expect(statSync(join(home.state, "keys", name)).mode & 0o777).toBe(0o600);
  home.dispose();
});
