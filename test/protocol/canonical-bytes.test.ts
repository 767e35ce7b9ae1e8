import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Digest, digestOf, EMPTY_DIGEST, type WorkspacePath } from "../../src/base/index.ts";
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
} from "../../src/protocol/index.ts";
import { field, message } from "../support/wire.ts";

const w = (text: string) => text as WorkspacePath;
const A = digestOf("a");
const B = digestOf("b");
const digest = (number: number, { hash, sizeBytes }: Digest): Buffer =>
  sizeBytes === 0 ? field(number, field(1, hash)) : field(number, field(1, hash), field(2, sizeBytes));
const pair = (number: number, name: string, value: string): Buffer => field(number, field(1, name), field(2, value));
const entry = (number: number, name: string, its: Digest, ...rest: Buffer[]): Buffer =>
  field(number, field(1, name), digest(2, its), ...rest);

/** Hexadecimal, 32 bytes a line, so that a difference can be pointed at. */
const hex = (bytes: Uint8Array): string =>
  `${Buffer.from(bytes).toString("hex").replaceAll(/.{64}/g, "$&\n").trim()}\n`;
const golden = async (name: string, bytes: Uint8Array): Promise<void> => {
  await expect(hex(bytes)).toMatchFileSnapshot(`golden/${name}.hex`);
};

const SPEC: ActionSpec = {
  argv: ["sh", "-eu", ".begat/recipe"],
  env: [
    ["PATH", "/usr/bin:/bin"],
    ["CFLAGS", "-O2 -Wall"],
  ],
  directory: w("sub"),
  outputs: [w("sub/obj/a.o"), w("sub/docs"), w("top")],
  platform: [
    ["network", "host"],
    ["container-image", "begat-host:sha256:00"],
  ],
  inputRoot: A,
  timeoutMs: 90_250,
  doNotCache: true,
};

describe("golden bytes, and the same made by hand", () => {
  test("of a Command", async () => {
    const { command } = encodeAction(SPEC);
    const byHand = message(
      ...["sh", "-eu", ".begat/recipe"].map((word) => field(1, word)),
      pair(2, "CFLAGS", "-O2 -Wall"),
      pair(2, "PATH", "/usr/bin:/bin"),
      field(6, "sub"),
      ...["../top", "docs", "obj/a.o"].map((path) => field(7, path)),
    );
    expect(hex(command.bytes)).toBe(hex(byHand));
    expect(command.digest).toEqual(digestOf(byHand));
    await golden("command", command.bytes);
  });

  test("of an Action with everything", async () => {
    const { action, command } = encodeAction(SPEC);
    const byHand = message(
      digest(1, command.digest),
      digest(2, A),
      field(6, field(1, 90), field(2, 250_000_000)),
      field(7, true),
      field(10, pair(1, "container-image", "begat-host:sha256:00"), pair(1, "network", "host")),
    );
    expect(hex(action.bytes)).toBe(hex(byHand));
    await golden("action", action.bytes);
  });

  test("of an Action with defaults, which are not written", async () => {
    const { action, command } = encodeAction({
      ...{ argv: ["sh"], env: [], directory: w(""), outputs: [], platform: [] },
      ...{ inputRoot: EMPTY_DIGEST, timeoutMs: 0, doNotCache: false },
    });
    expect(hex(command.bytes)).toBe(hex(field(1, "sh")));
    // A message that is there and empty is written; of a digest, only its size of 0 is not.
    expect(hex(action.bytes)).toBe(hex(message(digest(1, command.digest), digest(2, EMPTY_DIGEST), field(10))));
    await golden("action-defaults", action.bytes);
  });

  function sample(): TreeNode {
    const tree = new TreeBuilder();
    tree.addFile(w("b.txt"), B, false);
    tree.addFile(w("bin/tool"), A, true);
    tree.addSymlink(w("link"), "bin/tool");
    tree.addFile(w("a-b"), A, false);
    tree.addFile(w("a/x"), EMPTY_DIGEST, false);
    tree.addDirectory(w("empty/deep"));
    tree.addFile(w("same/tool"), A, true);
    tree.addFile(w("\u{10000}"), A, false);
    tree.addFile(w("\uffff"), A, false);
    return tree.build();
  }
  const bin = entry(1, "tool", A, field(4, true));
  const withX = entry(1, "x", EMPTY_DIGEST);
  const empty = entry(2, "deep", EMPTY_DIGEST);
  // By bytes of UTF-8: U+FFFF before U+10000, which UTF-16 has the other way round.
  const root = message(
    entry(1, "a-b", A),
    entry(1, "b.txt", B),
    entry(1, "\uffff", A),
    entry(1, "\u{10000}", A),
    entry(2, "a", digestOf(withX)),
    entry(2, "bin", digestOf(bin)),
    entry(2, "empty", digestOf(empty)),
    entry(2, "same", digestOf(bin)),
    pair(3, "link", "bin/tool"),
  );

  test("of Directories: children before their parents, equal ones once", async () => {
    const encoded = encodeDirectories(sample());
    expect(encoded.root).toEqual(digestOf(root));
    expect(encoded.blobs.map(({ bytes }) => hex(bytes)).sort()).toEqual([withX, bin, empty, root].map(hex).sort());
    expect(encoded.blobs.at(-1)?.digest).toEqual(encoded.root);
    for (const { bytes, digest: its } of encoded.blobs) expect(its).toEqual(digestOf(bytes));
    await golden("directory", encoded.blobs.at(-1)?.bytes ?? Buffer.alloc(0));
  });

  test("of a Tree: the root, then each directory once, level by level", async () => {
    const tree = encodeTree(sample());
    const children = [withX, bin, empty, Buffer.alloc(0)].map((bytes) => field(2, bytes));
    expect(hex(tree.bytes)).toBe(hex(message(field(1, root), ...children)));
    await golden("tree", tree.bytes);
  });

  test("of nothing", () => {
    const nothing = new TreeBuilder().build();
    expect(encodeDirectories(nothing)).toEqual({ root: EMPTY_DIGEST, blobs: [] });
    expect(hex(encodeTree(nothing).bytes)).toBe(hex(field(1)));
  });
});

describe("bytes from a peer", () => {
  const refused = expect.objectContaining({ code: "PROTOCOL_MALFORMED" });
  const load = () => undefined;

  test.each<readonly [what: string, bytes: Uint8Array]>([
    ["a file without digest", field(1, field(1, "a"))],
    ["a digest that is none", field(1, field(1, "a"), field(2, field(1, "ab")))],
    ["a negative size", field(1, field(1, "a"), field(2, field(1, A.hash), field(2, -1)))],
    ["a name with a slash", entry(1, "a/b", A)],
    ["a name of two dots", pair(3, "..", "x")],
    ["an empty name", entry(2, "", EMPTY_DIGEST)],
    ["a child nobody has", entry(2, "a", A)],
    ["half a message", entry(1, "a", A).subarray(0, 20)],
    ["a name twice", message(entry(1, "a", A), entry(1, "a", B))],
    ["a name as file and directory", message(entry(1, "a", A), entry(2, "a", EMPTY_DIGEST))],
  ])("%s is refused", (_, bytes) => {
    expect(() => decodeDirectory(bytes, load)).toThrow(refused);
  });

  test("whatever they are, end in an answer or a refusal", () => {
    const { action, command } = encodeAction(SPEC);
    const builder = new TreeBuilder();
    builder.addFile(w("a/b"), A, false);
    const tree = encodeTree(builder.build());
    const decoders: readonly { bytes: Uint8Array; decode: (bytes: Uint8Array) => unknown }[] = [
      { bytes: action.bytes, decode: decodeAction },
      { bytes: command.bytes, decode: decodeCommand },
      { bytes: tree.bytes, decode: (bytes) => decodeTree(bytes, digestOf) },
      { bytes: tree.bytes, decode: (bytes) => decodeDirectory(bytes, load) },
    ];
    fc.assert(
      fc.property(fc.constantFrom(...decoders), fc.nat(), fc.nat(255), fc.nat(), (target, place, byte, length) => {
        const changed = Buffer.from(target.bytes);
        changed[place % changed.length] = byte;
        try {
          target.decode(changed.subarray(0, length % (changed.length + 1)));
        } catch (error) {
          expect(error).toMatchObject({ code: "PROTOCOL_MALFORMED" });
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("a tree deeper than 200 directories is refused, not followed", () => {
    const deep = new TreeBuilder();
    deep.addFile(w(`${"d/".repeat(250)}f`), A, false);
    expect(() => decodeTree(encodeTree(deep.build()).bytes, digestOf)).toThrow(refused);
  });
});
