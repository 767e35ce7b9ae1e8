import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WorkspacePath } from "../../src/base/index.ts";
import type { DeclaredOutput } from "../../src/executor/index.ts";
import { sweepBuildRoot } from "../../src/executor/outputs/build-root-sweep.ts";

let scratch: string;
let root: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "begat-sweep-"));
  root = join(scratch, "build");
  mkdirSync(root);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const file = (path: string): DeclaredOutput => ({ path: path as WorkspacePath, kind: "file" });
const tree = (path: string): DeclaredOutput => ({ path: path as WorkspacePath, kind: "tree" });

function make(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    if (path.endsWith("/")) mkdirSync(join(root, path), { recursive: true });
    else writeFileSync(join(root, path), path);
  }
}

describe("what is left of a build root", () => {
  test.each<[what: string, made: string[], staged: string[], outputs: DeclaredOutput[], undeclared: string[]]>([
    ["inputs and outputs", ["in/a", "out/b"], ["in", "in/a", "out"], [file("out/b")], []],
    ["an input the recipe removed", ["in/", "out/b"], ["in", "in/a", "out"], [file("out/b")], []],
    ["an output that was not made", ["in/a", "out/"], ["in", "in/a", "out"], [file("out/b")], []],
    ["a tree", ["in/a", "docs/x/y"], ["in", "in/a"], [tree("docs")], []],
    ["something beside an output", ["in/a", "out/b", "out/c"], ["in", "in/a", "out"], [file("out/b")], ["out/c"]],
    ["a directory of its own", ["in/a", "extra/deep/d"], ["in", "in/a"], [], ["extra/"]],
    ["a directory in an input's place", ["in/a/x"], ["in", "in/a"], [], ["in/a/x"]],
    ["nothing at all", [], [], [], []],
  ])("%s", async (_what, made, staged, outputs, undeclared) => {
    make(...made);
    expect(await sweepBuildRoot(root, new Set(staged), outputs)).toEqual(undeclared);
    expect(readdirSync(root)).toEqual([]);
  });

  test("a directory turned into a symlink leads nowhere: what it points at is untouched", async () => {
    const outside = join(scratch, "outside");
    mkdirSync(join(outside, "sub"), { recursive: true });
    writeFileSync(join(outside, "b"), "precious");
    writeFileSync(join(outside, "sub/c"), "precious");
    make("in/a");
    symlinkSync(outside, join(root, "out"));
    const outputs = [file("out/b"), file("out/sub/c"), tree("out/sub")];
    await sweepBuildRoot(root, new Set(["in", "in/a", "out", "out/sub"]), outputs);
    expect(existsSync(join(outside, "b"))).toBe(true);
    expect(existsSync(join(outside, "sub/c"))).toBe(true);
    expect(readdirSync(root)).toEqual([]);
  });
});
