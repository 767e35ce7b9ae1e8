import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, type WorkspacePath } from "../../src/base/index.ts";
import { treeDigest } from "../../src/cli/wiring/tree-digest.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { encodeTree, TreeBuilder } from "../../src/protocol/index.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "begat-tree-"));
  mkdirSync(join(directory, "empty"));
  mkdirSync(join(directory, "sub/deep"), { recursive: true });
  writeFileSync(join(directory, "sub/deep/größe"), "1");
  writeFileSync(join(directory, "run"), "#!/bin/sh\n");
  chmodSync(join(directory, "run"), 0o755);
  symlinkSync("sub/nowhere", join(directory, "link"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const digest = () => treeDigest(new NodeFileTree(), directory);

describe("the digest of a directory", () => {
  test("is that of the tree whose copy it is", () => {
    const tree = new TreeBuilder();
    tree.addDirectory("empty" as WorkspacePath);
    tree.addFile("run" as WorkspacePath, digestOf("#!/bin/sh\n"), true);
    tree.addFile("sub/deep/größe" as WorkspacePath, digestOf("1"), false);
    tree.addSymlink("link" as WorkspacePath, "sub/nowhere");
    expect(digest()).toBe(encodeTree(tree.build()).digest.hash);
  });

  test.each<[string, () => void]>([
    ["another byte", () => writeFileSync(join(directory, "sub/deep/größe"), "2")],
    ["another name", () => writeFileSync(join(directory, "more"), "")],
    ["no right to execute", () => chmodSync(join(directory, "run"), 0o644)],
    ["no empty directory", () => rmSync(join(directory, "empty"), { recursive: true })],
    [
      "a file in place of a link",
      () => {
        rmSync(join(directory, "link"));
        writeFileSync(join(directory, "link"), "sub/nowhere");
      },
    ],
  ])("is another with %s", (_, change) => {
    const before = digest();
    change();
    expect(digest()).not.toBe(before);
  });

  test("says nothing of the right of others, or of times", () => {
    const before = digest();
    chmodSync(join(directory, "run"), 0o700);
    expect(digest()).toBe(before);
  });
});
