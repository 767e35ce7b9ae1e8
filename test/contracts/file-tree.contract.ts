import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FileTree, FileTreeError, STAT_NUMBERS } from "../../src/ports/index.ts";

export interface FileTreeHarness {
  readonly fs: FileTree;
  /** Absolute, existing, empty. */
  readonly root: string;
  dispose(): void;
}

/** The code of the `FileTreeError` that `action` throws. */
function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FileTreeError) return error.code;
    throw error;
  }
  return "no error";
}

export function fileTreeContract(name: string, make: () => FileTreeHarness): void {
  describe(`file tree contract: ${name}`, () => {
    let harness: FileTreeHarness;
    let fs: FileTree;
    let at: (path: string) => string;

    beforeEach(() => {
      harness = make();
      fs = harness.fs;
      at = (path) => `${harness.root}/${path}`;
    });
    afterEach(() => harness.dispose());

    test("what is written is read back: empty, text, binary, 3 MB", () => {
      const contents = [
        Buffer.alloc(0),
        Buffer.from("gruß\n"),
        Buffer.from([0, 255, 10, 0]),
        Buffer.alloc(3e6, "begat"),
      ];
      for (const [i, bytes] of contents.entries()) {
        fs.writeFile(at(`f${i}`), bytes);
        expect(fs.readFile(at(`f${i}`)).equals(bytes)).toBe(true);
      }
      fs.writeFile(at("f3"), "short");
      expect(fs.readFile(at("f3")).toString()).toBe("short");
    });

    test.each(["two words", "quo\"te'", "new\nline", "tab\t", "grüße 本 🜛", "$HOME", "-rf", "*"])(
      "the name %j is a name like any other",
      (name) => {
        fs.writeFile(at(name), "x");
        expect(fs.readDirectory(harness.root)).toEqual([{ name, kind: "file" }]);
        fs.remove(at(name));
        expect(fs.readDirectory(harness.root)).toEqual([]);
      },
    );

    test("a stat says kind, size and mode; statInto says the same in numbers", () => {
      fs.writeFile(at("f"), "12345", { mode: 0o640 });
      fs.setMode(at("f"), 0o750);
      fs.makeDirectory(at("d"));
      const stat = fs.stat(at("f"));
      expect(stat).toMatchObject({ kind: "file", sizeBytes: 5, mode: 0o750, linkCount: 1 });
      const numbers = new Float64Array(STAT_NUMBERS + 2).fill(-1);
      expect(fs.statInto(at("f"), numbers, 1)).toBe(true);
      expect([...numbers]).toEqual([-1, 5, stat?.mtimeMs, stat?.ctimeMs, stat?.inode, 0o750, -1]);
      expect(fs.statInto(at("d"), numbers, 1)).toBe(true);
      expect(Math.floor((numbers[5] as number) / 4096)).toBe(1);
      expect(fs.stat(at("d"))?.kind).toBe("directory");
    });

    test("nothing at a path, below a file, or behind a dangling or looping symlink is no error for stat", () => {
      fs.writeFile(at("f"), "");
      fs.symlink("nowhere", at("dangling"));
      fs.symlink("loop", at("loop"));
      const numbers = new Float64Array(STAT_NUMBERS);
      for (const path of ["missing", "missing/below", "f/below", "dangling", "loop"]) {
        expect(fs.stat(at(path))).toBeUndefined();
        expect(fs.statInto(at(path), numbers, 0)).toBe(false);
      }
      expect(fs.lstat(at("f/below"))).toBeUndefined();
      expect(fs.lstat(at("dangling"))?.kind).toBe("symlink");
      expect(fs.lstat(at("loop"))?.kind).toBe("symlink");
    });

    test("symlinks are followed by stat and readFile, told by lstat and readLink", () => {
      fs.makeDirectory(at("d"));
      fs.writeFile(at("d/f"), "through");
      fs.symlink("d/f", at("link"));
      fs.symlink(at("d"), at("dir"));
      expect(fs.stat(at("link"))).toMatchObject({ kind: "file", sizeBytes: 7 });
      expect(fs.readFile(at("dir/f")).toString()).toBe("through");
      expect(fs.readLink(at("link"))).toBe("d/f");
      expect(fs.readDirectory(harness.root).map((e) => `${e.name} ${e.kind}`)).toEqual([
        "d directory",
        "dir symlink",
        "link symlink",
      ]);
    });

    test("a directory lists by the bytes of the names, U+E000 before U+10000", () => {
      for (const name of ["b", "a", "B", "\u{10000}", "\ue000", "é"]) fs.writeFile(at(name), "");
      const names = fs.readDirectory(harness.root).map((entry) => entry.name);
      expect(names).toEqual(["B", "a", "b", "é", "\ue000", "\u{10000}"]);
    });

    test("each refusal has its code", () => {
      fs.makeDirectory(at("d/inner"));
      fs.writeFile(at("f"), "");
      const table: readonly (readonly [string, () => unknown])[] = [
        ["FILE_NOT_FOUND", () => fs.readFile(at("missing"))],
        ["FILE_NOT_FOUND", () => fs.readDirectory(at("missing"))],
        ["FILE_NOT_FOUND", () => fs.writeFile(at("missing/f"), "")],
        ["FILE_NOT_FOUND", () => fs.rename(at("missing"), at("x"))],
        ["FILE_NOT_FOUND", () => fs.copyFile(at("missing"), at("x"), 0o644)],
        ["FILE_NOT_FOUND", () => fs.setMode(at("missing"), 0o644)],
        ["FILE_IS_DIRECTORY", () => fs.readFile(at("d"))],
        ["FILE_IS_DIRECTORY", () => fs.writeFile(at("d"), "")],
        ["FILE_NOT_DIRECTORY", () => fs.readDirectory(at("f"))],
        ["FILE_NOT_DIRECTORY", () => fs.writeFile(at("f/x"), "")],
        ["FILE_NOT_DIRECTORY", () => fs.makeDirectory(at("f/x"))],
        ["FILE_EXISTS", () => fs.makeDirectory(at("f"))],
        ["FILE_EXISTS", () => fs.writeFile(at("f"), "", { exclusive: true })],
        ["FILE_EXISTS", () => fs.copyFile(at("f"), at("f"), 0o644)],
        ["FILE_EXISTS", () => fs.link(at("f"), at("f"))],
        ["FILE_EXISTS", () => fs.symlink("f", at("f"))],
        ["FILE_IS_DIRECTORY", () => fs.rename(at("f"), at("d/inner"))],
        ["FILE_NOT_DIRECTORY", () => fs.rename(at("d"), at("f"))],
      ];
      for (const [index, [code, action]] of table.entries()) expect([index, codeOf(action)]).toEqual([index, code]);
    });

    test("a refusal names the path", () => {
      expect(() => fs.readFile(at("missing"))).toThrow(at("missing"));
    });

    test("replaceFile gives a new file: an open or linked old one keeps its bytes", () => {
      fs.writeFile(at("f"), "old", { mode: 0o600 });
      fs.link(at("f"), at("old"));
      fs.replaceFile(at("f"), "new", { mode: 0o644, durable: true });
      expect(fs.readFile(at("f")).toString()).toBe("new");
      expect(fs.readFile(at("old")).toString()).toBe("old");
      expect(fs.readDirectory(harness.root)).toHaveLength(2);
    });

    test("replaceFile replaces a symlink rather than what it leads to, and leaves nothing behind when refused", () => {
      fs.writeFile(at("target"), "kept");
      fs.symlink("target", at("link"));
      fs.replaceFile(at("link"), "file");
      expect(fs.lstat(at("link"))?.kind).toBe("file");
      expect(fs.readFile(at("target")).toString()).toBe("kept");
      fs.makeDirectory(at("d"));
      expect(codeOf(() => fs.replaceFile(at("d"), ""))).toBe("FILE_IS_DIRECTORY");
      expect(fs.readDirectory(harness.root).map((entry) => entry.name)).toEqual(["d", "link", "target"]);
    });

    test("rename replaces a file, keeps the inode, and moves whole directories", () => {
      fs.writeFile(at("a"), "a");
      fs.writeFile(at("b"), "b");
      const inode = fs.stat(at("a"))?.inode;
      fs.rename(at("a"), at("b"));
      expect(fs.stat(at("a"))).toBeUndefined();
      expect(fs.stat(at("b"))?.inode).toBe(inode);
      fs.makeDirectory(at("d/e"));
      fs.writeFile(at("d/e/f"), "deep");
      fs.rename(at("d"), at("g"));
      expect(fs.readFile(at("g/e/f")).toString()).toBe("deep");
    });

    test("a hard link is the same file", () => {
      fs.writeFile(at("a"), "one");
      fs.link(at("a"), at("b"));
      fs.writeFile(at("b"), "two");
      expect(fs.readFile(at("a")).toString()).toBe("two");
      expect(fs.stat(at("a"))?.linkCount).toBe(2);
      fs.remove(at("a"));
      expect(fs.stat(at("b"))?.linkCount).toBe(1);
    });

    test("makeDirectory makes parents and minds no existing directory", () => {
      fs.makeDirectory(at("a/b/c"));
      fs.makeDirectory(at("a/b/c"));
      expect(fs.stat(at("a/b/c"))?.kind).toBe("directory");
    });

    test("copyFile copies bytes and sets exactly the mode", () => {
      fs.writeFile(at("a"), "bytes", { mode: 0o600 });
      fs.copyFile(at("a"), at("b"), 0o755);
      fs.writeFile(at("a"), "changed");
      expect(fs.readFile(at("b")).toString()).toBe("bytes");
      expect(fs.stat(at("b"))?.mode).toBe(0o755);
    });

    test("setTimes sets the modification time, of a symlink its own", () => {
      fs.writeFile(at("f"), "");
      fs.symlink("f", at("link"));
      fs.setTimes(at("f"), 1000, 1_700_000_000_000);
      fs.setTimes(at("link"), 1000, 1_600_000_000_000);
      expect(fs.stat(at("f"))?.mtimeMs).toBe(1_700_000_000_000);
      expect(fs.lstat(at("link"))?.mtimeMs).toBe(1_600_000_000_000);
    });

    test("remove takes files, symlinks (not what they lead to), trees; nothing where nothing is", () => {
      fs.makeDirectory(at("d/e"));
      fs.writeFile(at("d/e/f"), "");
      fs.setMode(at("d/e/f"), 0o000);
      fs.setMode(at("d/e"), 0o000);
      fs.writeFile(at("kept"), "");
      fs.symlink("kept", at("link"));
      for (const path of ["d", "link", "missing", "missing/below", "kept/below"]) fs.remove(at(path));
      expect(fs.readDirectory(harness.root).map((entry) => entry.name)).toEqual(["kept"]);
    });
  });
}
