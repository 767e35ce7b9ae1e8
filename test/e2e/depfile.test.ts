import { afterEach, beforeEach, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { HAS_STRACE, WITHOUT_STRACE } from "../support/skip-reason.ts";

let home: BegatHome;
let workspace: Workspace;

beforeEach(() => {
  home = new BegatHome();
  workspace = home.workspace();
});
afterEach(() => home.dispose());

/** Reads what `list` names, and nothing else; `say` writes its depfile. */
const joining = (
  section: string,
  say = 'printf "out.txt: list %s\\n" "$(cat list | tr "\\n" " ")" >"$depfile"',
): void =>
  workspace.begatfile(`
    dictum join {
      ${section}
      in [ list part/* ]
      out [ out.txt ]
      exec [[
        : >out.txt
        while read -r name; do cat "$name" >>out.txt; done <list
        ${section.startsWith("depfile") ? say : ":"}
      ]]
    }
    run join()
  `);

test("an input that was not read does not run the recipe again, and the records say so", async () => {
  joining("depfile join.d");
  workspace.write("list", "part/a\n");
  for (const name of ["a", "b", "c"]) workspace.write(`part/${name}`, `${name}\n`);
  expect((await workspace.build()).executed).toEqual(["join()"]);

  workspace.write("part/b", "other\n");
  const planned = await workspace.begat(["build", "-n"]);
  expect(planned.stdout).toContain("would keep join()  unused input changed: part/b\n");
  const kept = await workspace.build();
  expect([kept.executed, kept.cached]).toEqual([[], ["join()"]]);

  workspace.write("part/a", "newer\n");
  const again = await workspace.build();
  expect([again.executed, workspace.read("out.txt")]).toEqual([["join()"], "newer\n"]);
  workspace.write("part/c", "other\n");
  await workspace.build();
  const why = (await workspace.begat(["why", "out.txt"])).stdout;
  // part/b was another one too, but that is not why.
  expect(why).toContain("input changed: part/a");
  expect(why).toMatch(/kept .* unused inputs changed\n {2}input {2}part\/c /);
  const shown = (await workspace.begat(["prov", "show", "out.txt"])).stdout;
  expect(shown).toMatch(/part\/a .* source\n/);
  expect(shown).toMatch(/part\/b .* source, not read\n/);

  workspace.write("part/d", "");
  expect((await workspace.build()).executed).toEqual(["join()"]);
  const verified = await workspace.begat(["ledger", "verify"]);
  expect([verified.status, verified.stdout]).toEqual([0, expect.stringContaining("the ledger holds")]);
  expect(workspace.files()).not.toContain("join.d");
  // A dozen commands, one after another.
}, 90_000);

test.skipIf(!HAS_STRACE)(`a traced recipe needs no depfile${WITHOUT_STRACE}`, async () => {
  joining("attr [ traced ]");
  workspace.write("list", "part/a\n");
  for (const name of ["a", "b"]) workspace.write(`part/${name}`, `${name}\n`);
  await workspace.build();
  workspace.write("part/b", "other\n");
  expect((await workspace.build()).cached).toEqual(["join()"]);
  workspace.write("part/a", "newer\n");
  expect([(await workspace.build()).executed, workspace.read("out.txt")]).toEqual([["join()"], "newer\n"]);
});

test("what the depfile leaves out and the recipe read all the same counts as used", async () => {
  joining("depfile join.d", 'echo "out.txt: list" >"$depfile"');
  workspace.write("list", "part/a\n");
  workspace.write("part/a", "a\n");
  workspace.write("part/b", "b\n");
  await workspace.build();
  workspace.write("part/a", "newer\n");
  expect([(await workspace.build()).executed, workspace.read("out.txt")]).toEqual([["join()"], "newer\n"]);
});

test.each([
  [
    "names what is not declared",
    'echo "o: other.h" >"$depfile"',
    "the recipe read what in[] does not declare: other.h",
  ],
  ["is no depfile", 'echo hello >"$depfile"', 'depfile join.d: line 1 has no ":" after its targets'],
  ["was not written", ":", "output join.d was not made"],
])("a depfile that %s fails the chore", async (what, say, detail) => {
  joining("depfile join.d", say);
  workspace.write("list", "part/a\n");
  workspace.write("part/a", "a\n");
  const { status, stdout } = await workspace.begat(["build"]);
  expect(status).toBe(1);
  expect(stdout).toContain(detail);
  if (what.startsWith("names")) expect(stdout).toContain("add to dictum join: in [ other.h ]");
});
