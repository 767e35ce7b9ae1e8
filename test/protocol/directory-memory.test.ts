import { describe, expect, test } from "vitest";
import { digestOf, type Sha256, type WorkspacePath } from "../../src/base/index.ts";
import { DirectoryMemory } from "../../src/protocol/directory-memory.ts";
import {
  decodeDirectory,
  type EncodedBlob,
  encodeDirectories,
  TreeBuilder,
  type TreeNode,
} from "../../src/protocol/index.ts";

function tree(...paths: string[]): { readonly root: EncodedBlob; readonly all: ReadonlyMap<Sha256, Uint8Array> } {
  const builder = new TreeBuilder();
  for (const path of paths) builder.addFile(path as WorkspacePath, digestOf(path), false);
  const { blobs } = encodeDirectories(builder.build());
  return {
    root: blobs[blobs.length - 1] as EncodedBlob,
    all: new Map(blobs.map(({ digest, bytes }) => [digest.hash, bytes])),
  };
}

const files = (...names: string[]): TreeNode => ({
  files: names.map((name) => ({ name, digest: digestOf(name), isExecutable: false })),
  directories: [],
  symlinks: [],
});

describe("directories that were decoded before", () => {
  test("are not asked for again, whoever decodes", () => {
    const { root, all } = tree("seen/a", "seen/b", "c");
    const asked: Sha256[] = [];
    const load = (hash: Sha256) => {
      asked.push(hash);
      return all.get(hash);
    };
    const first = decodeDirectory(root.bytes, load);
    expect(decodeDirectory(root.bytes, load)).toEqual(first);
    expect(asked.length).toBe(1);
  });

  test("are not those that bytes under a wrong hash made", () => {
    const [honest, other] = [tree("lied/a"), tree("lied/b")];
    const [lie] = [...other.all].filter(([hash]) => hash !== other.root.digest.hash).map(([, bytes]) => bytes);
    const lied = decodeDirectory(honest.root.bytes, () => lie);
    expect(lied.directories[0]?.node.files[0]?.name).toBe("b");
    const decoded = decodeDirectory(honest.root.bytes, (hash) => honest.all.get(hash));
    expect(decoded.directories[0]?.node.files[0]?.name).toBe("a");
  });

  test("are forgotten where there are too many, and a larger one is not remembered at all", () => {
    const memory = new DirectoryMemory();
    const put = (text: string, count: number) =>
      memory.put(
        digestOf(text).hash,
        Buffer.from(text),
        files(...Array.from({ length: count }, (_, i) => `${text}${i}`)),
      );
    const has = (text: string) => memory.get(digestOf(text).hash) !== undefined;
    put("a", 30_000);
    put("b", 50_001);
    expect(["a", "b"].map(has)).toEqual([true, false]);
    put("c", 30_000);
    expect(["a", "c"].map(has)).toEqual([false, true]);
  });

  test("have none below them: how deep a tree is, is looked at each time", () => {
    const memory = new DirectoryMemory();
    const text = "above";
    memory.put(digestOf(text).hash, Buffer.from(text), {
      ...files("x"),
      directories: [{ name: "d", node: files("y") }],
    });
    expect(memory.get(digestOf(text).hash)).toBeUndefined();
  });
});
