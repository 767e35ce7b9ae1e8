import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareUtf8, digestOf, EMPTY_DIGEST, type WorkspacePath } from "../../src/base/index.ts";
import {
  type ActionSpec,
  decodeAction,
  decodeCommand,
  decodeDirectory,
  decodeTree,
  encodeAction,
  encodeDirectories,
  encodeTree,
  TreeBuilder,
  type TreeNode,
  walkTree,
} from "../../src/protocol/index.ts";

const w = (text: string) => text as WorkspacePath;
const A = digestOf("a");
const B = digestOf("b");

const aName = fc.oneof(fc.stringMatching(/^[a-c]{1,2}$/), fc.constantFrom("\uffff", "\u{10000}", "é", "a b", "a-"));
interface Leaf {
  readonly path: string;
  readonly content: string;
  readonly kind: string;
}
const aLeaf: fc.Arbitrary<Leaf> = fc.record({
  path: fc.array(aName, { minLength: 1, maxLength: 3 }).map((names) => names.join("/")),
  content: fc.constantFrom("", "1", "2"),
  kind: fc.constantFrom("file", "program", "link", "directory"),
});
/** Paths of which none is below another that is a leaf, each once. */
const leaves = fc.array(aLeaf, { maxLength: 10 }).map((list) => {
  const kept: Leaf[] = [];
  for (const leaf of list) {
    const clash = kept.some(
      ({ path }) => path === leaf.path || path.startsWith(`${leaf.path}/`) || leaf.path.startsWith(`${path}/`),
    );
    if (!clash) kept.push(leaf);
  }
  return kept;
});
const bothOrders = leaves.chain((list) =>
  fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
);

function treeOf(list: readonly Leaf[]): TreeNode {
  const tree = new TreeBuilder();
  for (const { path, content, kind } of list) {
    if (kind === "directory") tree.addDirectory(w(path));
    else if (kind === "link") tree.addSymlink(w(path), `to-${content}`);
    else tree.addFile(w(path), digestOf(content), kind === "program");
  }
  return tree.build();
}

describe("input roots and trees", () => {
  test("do not depend on the order things were added in", () => {
    fc.assert(
      fc.property(bothOrders, ([one, other]) => {
        expect(encodeDirectories(treeOf(one)).root).toEqual(encodeDirectories(treeOf(other)).root);
        expect(encodeTree(treeOf(one)).digest).toEqual(encodeTree(treeOf(other)).digest);
      }),
    );
  });

  test("change with any change", () => {
    fc.assert(
      fc.property(leaves, fc.nat(), fc.constantFrom("content", "kind", "path", "gone"), (list, place, what) => {
        fc.pre(list.length > 0);
        const at = place % list.length;
        const leaf = list[at] as Leaf;
        const changed = list.flatMap((each, i): Leaf[] => {
          if (i !== at) return [each];
          if (what === "gone") return [];
          if (what === "path") return [{ ...each, path: `${each.path}~` }];
          if (what === "content") return [{ ...each, content: `${each.content}!` }];
          return [{ ...each, kind: each.kind === "file" ? "program" : "file" }];
        });
        // A directory has no content, and one that others stand in is there anyway.
        fc.pre(!(what === "content" && leaf.kind === "directory"));
        expect(encodeDirectories(treeOf(changed)).root).not.toEqual(encodeDirectories(treeOf(list)).root);
      }),
      { numRuns: 300 },
    );
  });

  test("are read back as they were", () => {
    fc.assert(
      fc.property(leaves, (list) => {
        const { root, blobs } = encodeDirectories(treeOf(list));
        const kept = new Map<string, Uint8Array>(blobs.map((blob) => [blob.digest.hash, blob.bytes]));
        const fromDirectories = walkTree(
          decodeDirectory(kept.get(root.hash) ?? new Uint8Array(), (hash) => kept.get(hash)),
        );
        const fromTree = walkTree(decodeTree(encodeTree(treeOf(list)).bytes, digestOf));
        expect(fromTree).toEqual(fromDirectories);
        const sorted = (kind: string) =>
          list
            .filter((leaf) => leaf.kind === kind)
            .map(({ path }) => path)
            .sort(compareUtf8);
        expect(fromTree.links.map(({ path }) => path as string).sort(compareUtf8)).toEqual(sorted("link"));
        expect(fromTree.emptyDirectories.map(String).sort(compareUtf8)).toEqual(sorted("directory"));
        const files = fromTree.files.map(({ path, executable }) => `${path} ${executable}`).sort();
        expect(files).toEqual(
          list
            .flatMap(({ path, kind }) => (kind === "file" || kind === "program" ? `${path} ${kind === "program"}` : []))
            .sort(),
        );
      }),
    );
  });

  test.each([
    [
      "a file twice",
      [
        ["f", "a"],
        ["f", "a"],
      ],
      "a stands twice in one input root",
    ],
    [
      "a file below a file",
      [
        ["f", "a"],
        ["f", "a/b"],
      ],
      "a is both a file and a directory",
    ],
    [
      "a file where a directory is",
      [
        ["f", "a/b"],
        ["f", "a"],
      ],
      "a stands twice in one input root",
    ],
    [
      "a link where a file is",
      [
        ["f", "x/a"],
        ["l", "x/a"],
      ],
      "x/a stands twice in one input root",
    ],
    [
      "a directory below a link",
      [
        ["l", "a"],
        ["d", "a/b"],
      ],
      "a is both a file and a directory",
    ],
  ] as const)("%s is refused", (_, adds, message) => {
    const tree = new TreeBuilder();
    const add = () => {
      for (const [kind, path] of adds) {
        if (kind === "f") tree.addFile(w(path), A, false);
        else if (kind === "l") tree.addSymlink(w(path), "t");
        else tree.addDirectory(w(path));
      }
    };
    expect(add).toThrow(expect.objectContaining({ code: "PROTOCOL_PATH_CONFLICT", message }));
  });
});

const aSpec: fc.Arbitrary<ActionSpec> = fc.record({
  argv: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
  env: fc.uniqueArray(fc.tuple(fc.stringMatching(/^[A-Z]{1,3}$/), fc.string()), {
    selector: ([name]) => name,
    maxLength: 4,
  }),
  directory: fc.constantFrom(w(""), w("d"), w("d/e")),
  outputs: fc.uniqueArray(fc.constantFrom(w("o"), w("d/o"), w("d/e/o"), w("p-"), w("p/q")), { maxLength: 4 }),
  platform: fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c"), fc.string()), {
    selector: ([name]) => name,
    maxLength: 3,
  }),
  inputRoot: fc.constantFrom(A, B, EMPTY_DIGEST),
  timeoutMs: fc.nat(10_000_000),
  doNotCache: fc.boolean(),
});
const shuffled = (spec: ActionSpec): fc.Arbitrary<ActionSpec> =>
  fc
    .record({
      env: fc.shuffledSubarray([...spec.env], { minLength: spec.env.length }),
      outputs: fc.shuffledSubarray([...spec.outputs], { minLength: spec.outputs.length }),
      platform: fc.shuffledSubarray([...spec.platform], { minLength: spec.platform.length }),
    })
    .map((parts) => ({ ...spec, ...parts }));

describe("an action's digest", () => {
  const key = (spec: ActionSpec): string => encodeAction(spec).action.digest.hash;

  test("does not depend on the order of variables, outputs and properties", () => {
    fc.assert(
      fc.property(
        aSpec.chain((spec) => fc.tuple(fc.constant(spec), shuffled(spec))),
        ([one, other]) => {
          expect(key(one)).toBe(key(other));
        },
      ),
    );
  });

  test("changes with any part of it", () => {
    fc.assert(
      fc.property(aSpec, (spec) => {
        const others: ActionSpec[] = [
          { ...spec, argv: [...spec.argv, "x"] },
          { ...spec, argv: [`${spec.argv[0]}x`, ...spec.argv.slice(1)] },
          { ...spec, env: [...spec.env, ["NEW_ONE", ""]] },
          {
            ...spec,
            env: spec.env.length === 0 ? [["A", ""]] : spec.env.map(([name, value]) => [name, `${value}x`] as const),
          },
          { ...spec, directory: w(`${spec.directory === "" ? "" : `${spec.directory}/`}z`) },
          { ...spec, outputs: [...spec.outputs, w("new")] },
          { ...spec, platform: [...spec.platform, ["z", ""]] },
          { ...spec, inputRoot: digestOf("c") },
          { ...spec, timeoutMs: spec.timeoutMs + 1 },
          { ...spec, doNotCache: !spec.doNotCache },
        ];
        const keys = others.map(key);
        expect(keys).not.toContain(key(spec));
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  test("is of what can be read back", () => {
    fc.assert(
      fc.property(aSpec, (spec) => {
        const { action, command } = encodeAction(spec);
        expect(decodeAction(action.bytes)).toEqual({
          command: command.digest,
          inputRoot: spec.inputRoot,
          platform: [...spec.platform].sort(([a], [b]) => compareUtf8(a, b)),
          timeoutMs: spec.timeoutMs,
          doNotCache: spec.doNotCache,
        });
        const read = decodeCommand(command.bytes);
        expect([read.argv, read.directory]).toEqual([spec.argv, spec.directory]);
        expect(read.env).toEqual([...spec.env].sort(([a], [b]) => compareUtf8(a, b)));
        expect(read.outputPaths).toHaveLength(spec.outputs.length);
      }),
    );
  });
});
