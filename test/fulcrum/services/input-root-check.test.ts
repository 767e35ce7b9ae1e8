import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, EMPTY_DIGEST, type WorkspacePath } from "../../../src/base/index.ts";
import { checkInputRoot } from "../../../src/fulcrum/index.ts";
import { encodeDirectories, reapi, TreeBuilder } from "../../../src/protocol/index.ts";
import { MemoryBlobStore } from "../../support/memory-blob-store.ts";

const file = (name: string) => ({ name, digest: EMPTY_DIGEST, isExecutable: false });
const link = (name: string, target: string) => ({ name, target });

function stored(store: MemoryBlobStore, directory: Partial<reapi.Directory>) {
  return store.write(reapi.Directory.encode(reapi.Directory.fromPartial(directory)).finish());
}

describe("an input root is refused for", () => {
  const refused: readonly (readonly [directory: Partial<reapi.Directory>, problem: string])[] = [
    [{ files: [file("b"), file("a")] }, 'the input root: files are not sorted: "a" comes after "b"'],
    [
      { files: [file("\u{10000}"), file("\uffff")] },
      'the input root: files are not sorted: "\uffff" comes after "\u{10000}"',
    ],
    [{ files: [file("a"), file("a")] }, 'the input root: "a" stands twice'],
    [{ files: [file("a")], symlinks: [link("a", "b")] }, 'the input root: "a" stands twice'],
    [{ files: [file("..")] }, 'the input root: ".." is no name'],
    [{ files: [file("a/b")] }, 'the input root: "a/b" is no name'],
    [{ files: [file("")] }, 'the input root: "" is no name'],
    [{ symlinks: [link("l", "/etc/passwd")] }, 'the input root: symlink "l" to "/etc/passwd" is absolute'],
    [{ symlinks: [link("l", "a/../../b")] }, 'the input root: symlink "l" to "a/../../b" leads out of the input root'],
    [{ symlinks: [link("l", "")] }, 'the input root: symlink "l" to "" leads nowhere'],
    [
      { files: [{ name: "f", isExecutable: false, digest: { hash: "?", sizeBytes: 1 } }] },
      'the input root: file "f" has no SHA-256 digest but "?"',
    ],
  ];
  for (const [directory, problem] of refused) {
    test(problem, () => {
      const store = new MemoryBlobStore();
      const root = stored(store, directory);
      expect(checkInputRoot(store, root).problems).toEqual([problem]);
    });
  }
});

describe("an input root", () => {
  test("may link within itself, as far up as its root", () => {
    const store = new MemoryBlobStore();
    const below = stored(store, { symlinks: [link("up", "../x/./y")] });
    const root = stored(store, { directories: [{ name: "d", digest: below }] });
    expect(checkInputRoot(store, root).problems).toEqual([]);
  });

  test("is judged by where a directory stands: one that is fine below is not at the root", () => {
    const store = new MemoryBlobStore();
    const shared = stored(store, { symlinks: [link("up", "../../x")] });
    const middle = stored(store, { directories: [{ name: "deep", digest: shared }] });
    const directories = [
      { name: "a", digest: middle },
      { name: "b", digest: shared },
    ];
    expect(checkInputRoot(store, stored(store, { directories })).problems).toEqual([
      'b: symlink "up" to "../../x" leads out of the input root',
    ]);
  });

  test("that is no Directory is a problem, not a crash", () => {
    const store = new MemoryBlobStore();
    const root = store.write(Buffer.from([0x0a, 0xff]));
    expect(checkInputRoot(store, root).problems).toEqual([`the input root: blob ${root.hash} is no Directory`]);
  });

  test("names what is missing once, directories and files", () => {
    const store = new MemoryBlobStore();
    const [lostFile, lostDirectory] = [digestOf("file"), digestOf("directory")];
    const files = ["a", "b"].map((name) => ({ ...file(name), digest: lostFile }));
    const root = stored(store, { files, directories: [{ name: "d", digest: lostDirectory }] });
    const { problems, missing } = checkInputRoot(store, root);
    expect([problems, missing]).toEqual([[], [lostFile, lostDirectory]]);
  });

  test("as begat makes them has no problems, whatever the names", () => {
    const segment = fc
      .string({ minLength: 1, maxLength: 5, unit: "grapheme" })
      .filter((s) => !/^\.{1,2}$|[/\0]/.test(s));
    const path = fc.array(segment, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (paths) => {
        const [store, builder] = [new MemoryBlobStore(), new TreeBuilder()];
        for (const segments of paths) {
          try {
            builder.addFile(segments.join("/") as WorkspacePath, EMPTY_DIGEST, false);
          } catch {
            // The same path twice, or below a file.
          }
        }
        const { root, blobs } = encodeDirectories(builder.build());
        for (const { bytes } of blobs) store.write(bytes);
        expect(checkInputRoot(store, root)).toMatchObject({ problems: [], missing: [] });
      }),
    );
  });
});
