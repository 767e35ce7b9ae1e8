import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parentOf, parseWorkspacePath, relativeTo, type WorkspacePath } from "../../src/base/index.ts";

const w = (text: string) => text as WorkspacePath;

describe("parseWorkspacePath", () => {
  test.each([
    ["a", "", "a"],
    ["a/b", "", "a/b"],
    ["a/b/", "", "a/b"],
    ["./a", "", "a"],
    ["a/./b", "", "a/b"],
    ["a//b", "", "a/b"],
    ["a/../b", "", "b"],
    [".", "", ""],
    ["./", "", ""],
    ["a/..", "", ""],
    ["x", "sub", "sub/x"],
    ["../x", "sub", "x"],
    ["../../x", "sub/deep", "x"],
    ["..", "sub", ""],
    [".hidden", "", ".hidden"],
    ["..hidden", "", "..hidden"],
    ["a...", "", "a..."],
    ["two words", "", "two words"],
    ["-rf", "", "-rf"],
    ["žlu/马", "", "žlu/马"],
    ["a\\b", "", "a\\b"],
    ["~", "", "~"],
  ])("%j in %j is %j", (text, directory, path) => {
    expect(parseWorkspacePath(text, w(directory))).toEqual({ ok: true, path });
  });

  test.each([
    ["", "", "path is empty"],
    ["/etc/passwd", "", "/etc/passwd is absolute; inputs and outputs are named from the workspace"],
    ["/", "", "/ is absolute; inputs and outputs are named from the workspace"],
    ["..", "", ".. is outside the workspace"],
    ["a/../../b", "", "a/../../b is outside the workspace"],
    ["../../x", "sub", "../../x is outside the workspace"],
    ["a\nb", "", '"a\\nb" contains a control character'],
    ["a\u0000", "", '"a\\u0000" contains a control character'],
    ["a\u007f", "", '"a\u007f" contains a control character'],
    ["a\ud800", "", '"a\\ud800" is not valid Unicode'],
  ])("%j in %j is refused", (text, directory, problem) => {
    expect(parseWorkspacePath(text, w(directory))).toEqual({ ok: false, problem });
  });

  const aSegment = fc.oneof(
    { weight: 4, arbitrary: fc.stringMatching(/^[a-z.]{1,3}$/) },
    fc.constantFrom("", ".", "..", "..."),
  );
  const aText = fc.array(aSegment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join("/"));

  test("agrees with the paths of POSIX, and is what it is when read again", () => {
    fc.assert(
      fc.property(aText, fc.constantFrom("", "d", "d/e"), (text, directory) => {
        const parsed = parseWorkspacePath(text, w(directory));
        const absolute = text.startsWith("/");
        const joined = text === "" || absolute ? ".." : posix.join("./", directory, text).replace(/\/$/, "");
        expect(parsed.ok).toBe(!(joined === ".." || joined.startsWith("../")));
        if (!parsed.ok) return;
        expect(parsed.path).toBe(joined === "." ? "" : joined);
        if (parsed.path !== "") expect(parseWorkspacePath(parsed.path)).toEqual(parsed);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("from one place to another", () => {
  test.each([
    ["", "a/b", "a/b"],
    ["", "", "."],
    ["a", "a", "."],
    ["a", "a/b", "b"],
    ["a", "b", "../b"],
    ["a/b", "a/c/d", "../c/d"],
    ["a/b", "", "../.."],
    ["ab", "a", "../a"],
    ["a", "ab", "../ab"],
  ])("from %j, %j is %j", (directory, path, seen) => expect(relativeTo(w(directory), w(path))).toBe(seen));

  const aPath = fc.array(fc.constantFrom("a", "b", "ab"), { maxLength: 4 }).map((segments) => w(segments.join("/")));
  test("and back again", () => {
    fc.assert(
      fc.property(aPath, aPath, (directory, path) => {
        expect(parseWorkspacePath(relativeTo(directory, path), directory)).toEqual({ ok: true, path });
      }),
    );
  });

  test.each([
    ["a/b/c", "a/b"],
    ["a", ""],
    ["", ""],
  ])("the parent of %j is %j", (path, parent) => expect(parentOf(w(path))).toBe(parent));
});
