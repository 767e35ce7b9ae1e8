import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Built, type Workspace } from "../support/begat.ts";

const TWO_UNITS = `
dictum strip(unit) {
    in [ src/\${unit}.txt ]
    out [ obj/\${unit}.o ]
    exec [[
        grep -v '^#' "$in" > "$out"
    ]]
}
dictum join {
    in [ obj/a.o obj/b.o ]
    out [ app ]
    exec [[
        cat $in > "$out"
    ]]
}
apply(strip [ a b ])
run join()
`;

let home: BegatHome;
let checkout: Workspace;
beforeEach(() => {
  // On a real disk, and with a builder in memory: between them they see the files of both.
  home = new BegatHome(process.env.BEGAT_E2E_DAEMON === "builder" ? undefined : tmpdir());
  checkout = home.workspace();
  if (process.env.BEGAT_E2E_DAEMON === "1") checkout.build = (...args) => builtTwiceOver(checkout, args);
});
afterEach(() => home.dispose());

/** A build that may be the engine's answer; where nothing was done, begat alone has to find the same. */
async function builtTwiceOver(workspace: Workspace, args: readonly string[]): Promise<Built> {
  const built = await workspace.start(args).done;
  if (built.summary?.ledgerSize === null && built.summary.outcome === "ok") {
    const alone = await workspace.start(args, { env: { BEGAT_DAEMON: "0" } }).done;
    const { durationMs } = alone.summary ?? {};
    expect({ status: alone.status, ...alone.summary }).toEqual({ status: built.status, ...built.summary, durationMs });
  }
  return built;
}

function twoUnits(): void {
  checkout.begatfile(TWO_UNITS);
  checkout.write("src/a.txt", "# a\nalpha\n");
  checkout.write("src/b.txt", "# b\nbeta\n");
}

describe("a build", () => {
  test("runs everything once, writes the targets, and then finds nothing to do", async () => {
    twoUnits();
    const first = await checkout.build();
    expect(first).toMatchObject({ status: 0, stderr: "" });
    expect(first.summary).toMatchObject({ outcome: "ok", planned: 3, executed: 3, cached: 0, materialised: 1 });
    expect([...first.executed].sort()).toEqual(["join()", "strip(a)", "strip(b)"]);
    expect(first.materialised).toEqual(["app"]);
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
    expect(checkout.exists("obj")).toBe(false);

    const again = await checkout.build();
    expect(again.summary).toMatchObject({ outcome: "ok", planned: 3, executed: 0, settled: 3, ledgerSize: null });
    const text = await checkout.begat([]);
    expect(text).toMatchObject({ status: 0, stderr: "" });
    expect(text.stdout).toMatch(/^nothing to do: 3 chores up to date {2}\(\d+(\.\d+)?s\)\n$/);
  });

  test("does only what a changed input asks for, and says which it was", async () => {
    twoUnits();
    await checkout.build();
    checkout.write("src/b.txt", "# b\nBETA\n");
    const { summary, executed, events } = await checkout.build();
    expect(summary).toMatchObject({ outcome: "ok", executed: 2, settled: 1 });
    expect(executed).toEqual(["strip(b)", "join()"]);
    const [strip, join] = events.flatMap((event) => (event.type === "chore-started" ? [event.decision] : []));
    expect(strip).toMatchObject({ reason: "input changed", input: "src/b.txt" });
    expect(join).toMatchObject({ reason: "input changed", input: "obj/b.o" });
    expect(checkout.read("app")).toBe("alpha\nBETA\n");
  });

  test("runs nothing for a file that was only touched", async () => {
    twoUnits();
    await checkout.build();
    checkout.touch("src/a.txt");
    checkout.touch("begatfile");
    const { summary, executed } = await checkout.build();
    expect(executed).toEqual([]);
    expect(summary).toMatchObject({ outcome: "ok", executed: 0, cached: 0, settled: 3, ledgerSize: null });
  });

  test("stops after compilation where only a comment changed", async () => {
    twoUnits();
    await checkout.build();
    checkout.write("src/a.txt", "# another comment\nalpha\n");
    const { summary, executed, events } = await checkout.build();
    expect(executed).toEqual(["strip(a)"]);
    expect(summary).toMatchObject({ outcome: "ok", executed: 1, settled: 2 });
    expect(events.find(({ type }) => type === "chore-finished")).toMatchObject({ changed: false });
  });

  test("a change taken back is a hit, not a run", async () => {
    twoUnits();
    await checkout.build();
    checkout.write("src/a.txt", "other\n");
    await checkout.build();
    checkout.write("src/a.txt", "# a\nalpha\n");
    const { summary, executed, cached } = await checkout.build();
    expect(executed).toEqual([]);
    expect([...cached].sort()).toEqual(["join()", "strip(a)"]);
    expect(summary).toMatchObject({ outcome: "ok", cached: 2, settled: 1, materialised: 1 });
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
  });

  test("sees an input become executable", async () => {
    checkout.begatfile(
      `dictum run_it { in [ tool ] out [ o ] exec [[[ if [ -x tool ]; then echo yes > o; else echo no > o; fi ]]] }\nrun run_it()\n`,
    );
    checkout.write("tool", "#!/bin/sh\n", 0o644);
    await checkout.build();
    expect(checkout.read("o")).toBe("no\n");
    checkout.write("tool", "#!/bin/sh\n", 0o755);
    expect((await checkout.build()).executed).toEqual(["run_it()"]);
    expect(checkout.read("o")).toBe("yes\n");
  });

  test("a change seen by a build of one target is still a change for the others", async () => {
    checkout.begatfile(`
dictum copy(to) { in [ a ] out [ $to ] exec [[[ cat a > "$out" ]]] }
apply(copy [ x y ])
`);
    checkout.write("a", "1");
    await checkout.build();
    checkout.write("a", "2");
    expect((await checkout.build("x")).executed).toEqual(["copy(x)"]);
    expect((await checkout.build()).executed).toEqual(["copy(y)"]);
    expect(checkout.read("y")).toBe("2");
  });

  test("a second change right after a build is not missed", async () => {
    checkout.begatfile("dictum copy { in [ a ] out [ b ] exec [[[ cp a b ]]] }\nrun copy()\n");
    checkout.write("a", "one");
    await checkout.build();
    for (const content of ["two", "six", "ten"]) {
      checkout.write("a", content);
      await checkout.build();
      expect(checkout.read("b")).toBe(content);
    }
  });
});

describe("outputs in the checkout", () => {
  test("deleted intermediates are neither rebuilt nor restored", async () => {
    twoUnits();
    await checkout.build("--outputs", "all");
    expect(checkout.read("obj/a.o")).toBe("alpha\n");
    checkout.remove("obj");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, cached: 0, materialised: 0, settled: 3 });
    expect(checkout.exists("obj")).toBe(false);
    checkout.write("src/b.txt", "gamma\n");
    expect((await checkout.build()).executed).toEqual(["strip(b)", "join()"]);
    expect(checkout.read("app")).toBe("alpha\ngamma\n");
    expect(checkout.exists("obj")).toBe(false);
  });

  test("--outputs all writes them too, without a run", async () => {
    twoUnits();
    await checkout.build();
    const all = await checkout.build("--outputs", "all");
    expect(all.summary).toMatchObject({ executed: 0, materialised: 2 });
    expect(checkout.read("obj/b.o")).toBe("beta\n");
  });

  test("a deleted target is restored without a run", async () => {
    twoUnits();
    await checkout.build();
    checkout.remove("app");
    const { summary } = await checkout.build();
    expect(summary).toMatchObject({ outcome: "ok", executed: 0, materialised: 1 });
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
  });

  test.each([
    ["other bytes of the same length", "ALPHA\nbeta\n", 0o644],
    ["no bytes", "", 0o644],
    ["the same bytes, executable", "alpha\nbeta\n", 0o755],
  ])("a target with %s is put right without a run", async (_, content, mode) => {
    twoUnits();
    await checkout.build();
    checkout.write("app", content, mode);
    const { summary } = await checkout.build();
    expect(summary).toMatchObject({ outcome: "ok", executed: 0, materialised: 1 });
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
    expect((await checkout.build()).summary).toMatchObject({ materialised: 0 });
  });

  test("a directory where a file is to stand is refused, and nothing in it is lost", async () => {
    twoUnits();
    checkout.write("app/precious", "mine");
    const refused = await checkout.build();
    expect(refused.status).toBe(1);
    expect(refused.stdout + refused.stderr).toContain("app is to be a file, but a directory stands there");
    expect(checkout.read("app/precious")).toBe("mine");
    checkout.remove("app");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 0, materialised: 1 });
  });

  test("a file of the user's where an output is to stand is replaced", async () => {
    twoUnits();
    checkout.write("app", "made by hand");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok" });
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
  });

  test("a symlink where an output is to stand is replaced, not followed", async () => {
    twoUnits();
    checkout.write("elsewhere", "mine");
    checkout.link("app", "elsewhere");
    await checkout.build();
    expect(checkout.read("app")).toBe("alpha\nbeta\n");
    expect(checkout.read("elsewhere")).toBe("mine");
  });

  test("an empty state directory costs look-ups, no runs", async () => {
    twoUnits();
    await checkout.build();
    checkout.remove(".begat");
    checkout.remove("app");
    const { summary } = await checkout.build();
    expect(summary).toMatchObject({ outcome: "ok", executed: 0, cached: 3, materialised: 1 });
  });
});

describe("trees", () => {
  const TREE = `
dictum pages {
    in [ words ]
    out [ docs/ ]
    exec [[
        mkdir -p docs/deep/er docs/empty
        for word in $(cat words); do echo "$word" > "docs/deep/$word"; done
        printf '#!/bin/sh\\n' > docs/deep/er/tool
        chmod +x docs/deep/er/tool
        ln -s deep/er/tool docs/link
    ]]
}
dictum count { in [ docs/ ] out [ count ] exec [[[ find docs -type f | wc -l > count; test -d docs/empty; test -x docs/link ]]] }
dictum one { in [ docs/deep/x ] out [ one ] exec [[[ cat docs/deep/x > one; ls docs/deep >> one ]]] }
run pages()
run count()
run one()
group all = [ docs/ count one ]
`;

  test("are built, read whole or in part, and put in place whole", async () => {
    checkout.begatfile(TREE);
    checkout.write("words", "x y");
    const { summary, stdout } = await checkout.build();
    expect(summary, stdout).toMatchObject({ outcome: "ok", executed: 3 });
    expect(checkout.read("count").trim()).toBe("3");
    // Only what is declared of the tree is there.
    expect(checkout.read("one")).toBe("x\nx\n");
    expect(checkout.read("docs/link")).toBe("#!/bin/sh\n");
    expect(checkout.exists("docs/empty")).toBe(true);
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, cached: 0, materialised: 0 });
  });

  test("lose what a later build no longer makes", async () => {
    checkout.begatfile(TREE);
    checkout.write("words", "x y");
    await checkout.build();
    checkout.write("words", "x z");
    const { executed, notices } = await checkout.build();
    expect(executed).toEqual(["pages()", "count()"]);
    expect(notices("OUTPUT_REPLACED")).toEqual([]);
    expect(checkout.exists("docs/deep/y")).toBe(false);
    expect(checkout.read("docs/deep/z")).toBe("z\n");
  });

  test("are put right where a file in them was changed, added or removed", async () => {
    checkout.begatfile(TREE);
    checkout.write("words", "x y");
    await checkout.build();
    checkout.write("docs/deep/x", "scribble");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, materialised: 1 });
    expect(checkout.read("docs/deep/x")).toBe("x\n");
    checkout.write("docs/deep/stray", "mine?");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, materialised: 1 });
    expect(checkout.exists("docs/deep/stray")).toBe(false);
    checkout.remove("docs/empty");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, materialised: 1 });
    expect(checkout.exists("docs/empty")).toBe(true);
  });

  test("a user's directory in their place is kept aside, and that is said", async () => {
    checkout.begatfile(TREE);
    checkout.write("words", "x");
    checkout.write("docs/mine", "precious");
    const { summary, notices } = await checkout.build();
    expect(summary).toMatchObject({ outcome: "ok" });
    const [notice] = notices("OUTPUT_REPLACED");
    const moved = /moved to (\S+)/.exec(notice?.message ?? "")?.[1] ?? "nowhere";
    expect(checkout.read(`${moved}/mine`)).toBe("precious");
    expect(checkout.exists("docs/mine")).toBe(false);
  });

  test("as sources are followed in and out of being", async () => {
    checkout.begatfile("dictum list { in [ data/ ] out [ list ] exec [[[ find data | sort > list ]]] }\nrun list()\n");
    checkout.write("data/a", "1");
    checkout.write("data/sub/b", "2");
    await checkout.build();
    expect(checkout.read("list")).toBe("data\ndata/a\ndata/sub\ndata/sub/b\n");
    checkout.write("data/sub/c", "3");
    expect((await checkout.build()).executed).toEqual(["list()"]);
    checkout.remove("data/sub");
    expect((await checkout.build()).executed).toEqual(["list()"]);
    expect(checkout.read("list")).toBe("data\ndata/a\n");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, cached: 0 });
  });
});

test("globs see files come and go", async () => {
  checkout.begatfile(
    'var ALL = glob("src/*.txt")\ndictum list { in [ $ALL ] out [ list ] exec [[[ cat $in > list ]]] }\nrun list()\n',
  );
  checkout.write("src/a.txt", "a");
  await checkout.build();
  checkout.write("src/b.txt", "b");
  expect((await checkout.build()).executed).toEqual(["list()"]);
  expect(checkout.read("list")).toBe("ab");
  checkout.remove("src/a.txt");
  expect((await checkout.build()).executed).toEqual(["list()"]);
  expect(checkout.read("list")).toBe("b");
});

test("a chore whose outputs are written beside globbed sources is not evaluated for ever", async () => {
  checkout.begatfile(
    'var ALL = glob("*.c")\ndictum o(c) { in [ $c ] out [ ${c:%.c=%.o} ] exec [[[ cp "$in" "$out" ]]] }\napply(o $ALL)\n',
  );
  checkout.write("a.c", "a");
  await checkout.build();
  const { summary } = await checkout.build();
  expect(summary).toMatchObject({ executed: 0, ledgerSize: null });
  expect(existsSync(join(home.state, "ledger.db"))).toBe(true);
});
