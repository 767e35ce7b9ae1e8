import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Digest, digestOf, type WorkspacePath } from "../../src/base/index.ts";
import type { RecordedOutput } from "../../src/cache/index.ts";
import { encodeTree, TreeBuilder } from "../../src/protocol/index.ts";
import { differingOutputs, firstDifference, firstDifferingByte } from "../../src/scheduler/compare-results.ts";

const blobs = new Map<string, Uint8Array>();
function keep(bytes: Uint8Array | string): Digest {
  const buffer = Buffer.from(bytes as string);
  const digest = digestOf(buffer);
  blobs.set(digest.hash, buffer);
  return digest;
}
const read = (digest: Digest) => blobs.get(digest.hash) as Uint8Array;

const file = (path: string, text: string, executable = false): RecordedOutput => ({
  path,
  kind: "file",
  digest: keep(text),
  executable,
});
const link = (path: string, target: string): RecordedOutput => ({
  path,
  kind: "symlink",
  digest: digestOf(target),
  executable: false,
  target,
});
function tree(path: string, members: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}) {
  const builder = new TreeBuilder();
  for (const [name, text] of Object.entries(members)) builder.addFile(name as WorkspacePath, keep(text), false);
  for (const [name, target] of Object.entries(links)) builder.addSymlink(name as WorkspacePath, target);
  const encoded = encodeTree(builder.build());
  return { path, kind: "tree", digest: keep(encoded.bytes), executable: false } as const;
}

describe("the first difference", () => {
  const a = file("a", "same");
  const cases: readonly (readonly [what: string, RecordedOutput[], RecordedOutput[], object | undefined])[] = [
    ["none", [a, tree("t", { x: "1" })], [a, tree("t", { x: "1" })], undefined],
    [
      "a byte",
      [a, file("b", "xyz")],
      [a, file("b", "xYz")],
      { kind: "bytes", path: "b", offset: 1, first: 121, second: 89 },
    ],
    [
      "a shorter file",
      [file("b", "xy")],
      [file("b", "x")],
      { kind: "bytes", path: "b", offset: 1, first: 121, second: undefined },
    ],
    [
      "a longer file",
      [file("b", "")],
      [file("b", "x")],
      { kind: "bytes", path: "b", offset: 0, first: undefined, second: 120 },
    ],
    ["one that is missing", [a], [], { kind: "missing", path: "a" }],
    ["one more", [], [a], { kind: "extra", path: "a" }],
    ["a link for a file", [a], [link("a", "b")], { kind: "kind", path: "a" }],
    ["where a link leads", [link("a", "b")], [link("a", "c")], { kind: "link", path: "a" }],
    ["the mode", [file("a", "")], [file("a", "", true)], { kind: "mode", path: "a" }],
    [
      "a byte in a tree, by path",
      [tree("t", { "b/x": "1", c: "1" })],
      [tree("t", { "b/x": "2", c: "2" })],
      { kind: "bytes", path: "t", member: "b/x", offset: 0, first: 49, second: 50 },
    ],
    [
      "a member that is missing",
      [tree("t", { x: "1", y: "1" })],
      [tree("t", { x: "1" })],
      { kind: "missing", path: "t", member: "y" },
    ],
    [
      "a link in a tree",
      [tree("t", {}, { l: "x" })],
      [tree("t", {}, { l: "y" })],
      { kind: "link", path: "t", member: "l" },
    ],
  ];
  test.each(cases)("%s", (_what, before, after, expected) => {
    expect(firstDifference(before, after, read)).toEqual(expected);
    expect(firstDifference(after, after, read)).toBeUndefined();
  });

  test("is where the bytes part, whatever they are", () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.constantFrom(0, 65_530), (head, left, right, padding) => {
        const start = Buffer.concat([Buffer.alloc(padding), head]);
        const [before, after] = [Buffer.concat([start, left]), Buffer.concat([start, right])];
        const { offset, first, second } = firstDifferingByte(before, after);
        expect(before.subarray(0, offset).equals(after.subarray(0, offset))).toBe(true);
        expect([first, second]).toEqual([before[offset], after[offset]]);
        if (!before.equals(after)) expect(first).not.toBe(second);
      }),
    );
  });
});

test("outputs that differ are told as they came out the second time", () => {
  const before = [file("a", "1"), file("b", "1"), file("c", "1")];
  const after = [file("a", "1"), file("b", "2"), file("c", "1", true)];
  expect(differingOutputs(before, after)).toEqual(after.slice(1));
});
