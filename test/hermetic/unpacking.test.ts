import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "../../src/hermetic/index.ts";
import { bzip2, gzip, xz } from "./compressors.ts";
import { type Entry, never, type SourceWorkspace, sourceWorkspace, tarOf } from "./source-workspace.ts";

const ADDRESS = "https://example.org/a.tar";
const REQUEST = { name: "a", kind: "url", words: [ADDRESS] } as const;

function unpack(workspace: SourceWorkspace, bytes: Uint8Array, limits: SourceLimits = DEFAULT_SOURCE_LIMITS) {
  workspace.network.set(ADDRESS, bytes);
  return workspace.provider({ limits }).provide([REQUEST], never);
}

const at = (workspace: SourceWorkspace, path: string) => `${workspace.root}/.begat/source/a/${path}`;

const hostile: readonly (readonly [what: string, entries: readonly Entry[], message: string])[] = [
  ["absolute name", [["/etc/passwd", "x"]], 'archive entry "/etc/passwd" is absolute'],
  ["dots", [["a/../../evil", "x"]], 'archive entry "a/../../evil" climbs out of the tree'],
  ["dots that stay inside", [["a/../b", "x"]], 'archive entry "a/../b" climbs out of the tree'],
  ["control character", [["a\nb", "x"]], 'archive entry "a\\nb" has a control character in its name'],
  ["absolute link", [["d/l", { link: "/etc" }]], 'link l leads to "/etc", outside the tree'],
  [
    "climbing link",
    [
      ["x", "1"],
      ["d/l", { link: "../../x" }],
    ],
    'link d/l leads to "../../x", outside the tree',
  ],
  [
    "link that climbs through another",
    [
      ["x", "1"],
      ["d/here", { link: "." }],
      ["d/l", { link: "here/../../x" }],
    ],
    'link d/l leads to "here/../../x", outside the tree',
  ],
  [
    "link to a link outside",
    [
      ["x", "1"],
      ["b", { link: "c/x" }],
      ["c", { link: ".." }],
    ],
    'link b leads to "c/x", outside the tree',
  ],
  [
    "write through a link",
    [
      ["l", { link: "d" }],
      ["l/file", "x"],
    ],
    "l/file would be written through l, which is a symlink",
  ],
  [
    "entry below a file",
    [
      ["f", "1"],
      ["f/g", "x"],
    ],
    "f/g would be written through f, which is a file",
  ],
  ["hard link outside", [["h", { hard: "/etc/passwd" }]], 'archive entry "/etc/passwd" is absolute'],
  ["hard link to nothing", [["h", { hard: "later" }]], "hard link h leads to later, which is no file before it"],
  ["FIFO", [["p", { type: "fifo" }]], "archive entry p is a fifo, which a source cannot hold"],
  [
    "device",
    [["d", { type: "character-device" }]],
    "archive entry d is a character-device, which a source cannot hold",
  ],
  [
    "same name twice",
    [
      ["f", "1"],
      ["f", "2"],
    ],
    "f stands twice in the archive",
  ],
  [
    "same name twice, spelt apart",
    [
      ["f", "1"],
      ["./f", "2"],
    ],
    "./f stands twice in the archive",
  ],
  [
    "directory over a file",
    [
      ["f", "1"],
      ["f", { type: "directory" }],
    ],
    "f would be written through f, which is a file",
  ],
  [
    "file over a directory",
    [
      ["f/g", "1"],
      ["f", "2"],
    ],
    "f stands twice in the archive",
  ],
  ["name of 300 bytes", [[`${"n".repeat(300)}`, "x"]], `archive entry "${"n".repeat(300)}" has a name of 300 bytes`],
];

describe("a hostile archive", () => {
  for (const [what, entries, message] of hostile) {
    test(`is refused: ${what}`, async () => {
      const workspace = sourceWorkspace();
      const bytes = await tarOf(...entries);
      await expect(unpack(workspace, bytes)).rejects.toMatchObject({ code: "SOURCE_UNSAFE_PATH", message });
      expect(workspace.fs.lstat(`${workspace.root}/.begat/source/a`)).toBeUndefined();
      expect(workspace.fs.lstat(`${workspace.root}/begat.lock`)).toBeUndefined();
    });
  }

  test("is refused: a name that is not UTF-8", async () => {
    const bytes = await tarOf(["caf_", "x"]);
    bytes[3] = 0xe9;
    repairChecksum(bytes);
    await expect(unpack(sourceWorkspace(), bytes)).rejects.toMatchObject({
      code: "SOURCE_UNSAFE_PATH",
      message: 'archive entry "café" has a name that is not UTF-8',
    });
  });

  const small: SourceLimits = { fetchedBytes: 10_000, unpackedBytes: 1000, entryBytes: 600, entryCount: 5, depth: 4 };
  const tooLarge: readonly (readonly [what: string, entries: readonly Entry[], message: string])[] = [
    ["one file", [["f", "x".repeat(601)]], "f has 601 bytes, the limit for one file is 600"],
    [
      "all files",
      [
        ["f", "x".repeat(600)],
        ["g", "x".repeat(401)],
      ],
      "the tree has more than 1000 bytes at g",
    ],
    [
      "entries",
      [
        ["a/b", ""],
        ["a/c", ""],
        ["a/d", ""],
        ["a/e", ""],
        ["a/f", ""],
      ],
      "the tree has more than 5 entries at a/f",
    ],
    ["depth", [["a/b/c/d/e/f", ""]], "a/b/c/d/e/f is 5 directories deep, the limit is 4"],
  ];
  for (const [what, entries, message] of tooLarge) {
    test(`is refused: above the ceiling for ${what}`, async () => {
      const refused = unpack(sourceWorkspace(), await tarOf(...entries), small);
      await expect(refused).rejects.toMatchObject({ code: "SOURCE_TOO_LARGE", message });
    });
  }

  for (const [name, compress] of [
    ["gzip", gzip],
    ["xz", xz],
    ["bzip2", bzip2],
  ] as const) {
    test(`is refused before a ${name} bomb is read to its end`, async ({ skip }) => {
      const bytes = compress(await tarOf(["zeros", Buffer.alloc(64 * 1024 * 1024)], ["more", "x"]));
      if (bytes === undefined) return skip(`needs the program ${name}`);
      const limits = { ...DEFAULT_SOURCE_LIMITS, entryBytes: 1024 * 1024 };
      await expect(unpack(sourceWorkspace(), bytes, limits)).rejects.toMatchObject({ code: "SOURCE_TOO_LARGE" });
    });
  }
});

describe("an archive", () => {
  test("loses its one top directory, owners, times and special bits", async () => {
    const workspace = sourceWorkspace();
    await unpack(
      workspace,
      await tarOf(
        ["a-1.0/", { type: "directory" }],
        ["a-1.0/tool", "#!/bin/sh\n", 0o4755],
        ["a-1.0/read me", "text", 0o666],
        ["a-1.0/empty/", { type: "directory" }],
        ["a-1.0/sub/link", { link: "../tool" }],
        ["a-1.0/sub/dangling", { link: "nothing" }],
        ["a-1.0/sub/copy", { hard: "a-1.0/tool" }],
      ),
    );
    expect(lstatSync(at(workspace, "tool")).mode & 0o7111).toBe(0o111);
    expect(lstatSync(at(workspace, "read me")).mode & 0o7111).toBe(0);
    expect(lstatSync(at(workspace, "empty")).isDirectory()).toBe(true);
    expect(readlinkSync(at(workspace, "sub/link"))).toBe("../tool");
    expect(readlinkSync(at(workspace, "sub/dangling"))).toBe("nothing");
    expect(readFileSync(at(workspace, "sub/copy"), "utf8")).toBe("#!/bin/sh\n");
    expect(lstatSync(at(workspace, "sub/copy")).nlink).toBe(1);
  });

  test("keeps its top when more than one thing stands there", async () => {
    const workspace = sourceWorkspace();
    await unpack(workspace, await tarOf(["a/f", "1"], ["b", "2"]));
    expect(readFileSync(at(workspace, "a/f"), "utf8")).toBe("1");
  });

  test("gives the same tree however it is compressed, ordered and owned", async () => {
    const entries: Entry[] = [
      ["d/b", "2"],
      ["d/a", "1", 0o755],
      ["d/é/ü", "3"],
    ];
    const plain = await tarOf(...entries);
    const forms = [
      plain,
      gzip(plain),
      xz(plain),
      bzip2(plain),
      gzipSync(await tarOf(...entries.toReversed()), { level: 1 }),
    ];
    const trees = new Set<string>();
    for (const bytes of forms) {
      if (bytes === undefined) continue;
      const [source] = await unpack(sourceWorkspace(), bytes);
      trees.add(source?.lock.tree ?? "");
    }
    expect(trees.size).toBe(1);
  });

  test("of the machine's own tar is read, long names and all", async ({ skip }) => {
    const workspace = sourceWorkspace();
    const made = `${workspace.root}/made`;
    const long = `${"directory-".repeat(9)}/${"name-".repeat(40)}`;
    mkdirSync(`${made}/t/${"directory-".repeat(9)}`, { recursive: true });
    writeFileSync(`${made}/t/${long}`, "long");
    writeFileSync(`${made}/t/ünïcode`, "names");
    symlinkSync(long, `${made}/t/l`);
    for (const format of ["gnu", "pax", "ustar"]) {
      const excluded = format === "ustar" ? ["--exclude=name-*", "--exclude=l"] : [];
      let bytes: Buffer;
      try {
        bytes = execFileSync("tar", ["-C", made, `--format=${format}`, ...excluded, "-cf", "-", "t"]);
      } catch {
        return skip("needs GNU tar");
      }
      const other = sourceWorkspace();
      await unpack(other, bytes);
      expect(readFileSync(at(other, "ünïcode"), "utf8")).toBe("names");
      if (format !== "ustar") expect(readFileSync(at(other, "l"), "utf8")).toBe("long");
    }
  });

  test("that is cut short is refused", async () => {
    const bytes = await tarOf(["a/f", "x".repeat(2000)], ["a/g", "y"]);
    const cut = unpack(sourceWorkspace(), bytes.subarray(0, 1500));
    await expect(cut).rejects.toMatchObject({ code: "SOURCE_MALFORMED", message: "tar archive is damaged" });
    const packed = gzipSync(await tarOf(["a/f", Buffer.from(Array.from({ length: 99_999 }, (_, i) => (i * i) % 251))]));
    const cutPacked = unpack(sourceWorkspace(), packed.subarray(0, packed.length - 100));
    await expect(cutPacked).rejects.toMatchObject({ code: "SOURCE_MALFORMED", message: "gzip data is damaged" });
  });

  test("that needs a program the machine lacks says which", async ({ skip }) => {
    const bytes = bzip2(await tarOf(["f", "x"]));
    if (bytes === undefined) return skip("needs the program bzip2");
    const workspace = sourceWorkspace();
    workspace.network.set(ADDRESS, bytes);
    const bare = workspace.provider({ environment: { PATH: "/nowhere" } }).provide([REQUEST], never);
    await expect(bare).rejects.toMatchObject({
      code: "SOURCE_TOOL_MISSING",
      message: "bzip2 is needed to unpack and could not be run",
      hint: "install the program bzip2 (Debian package bzip2)",
    });
  });
});

describe("a file that is no archive", () => {
  for (const [what, bytes] of [
    ["text", Buffer.from("hello\n")],
    ["nothing", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(2048)],
    ["compressed text", gzipSync("hello\n".repeat(1000))],
    ["text that begins like bzip2", Buffer.from("BZh not really")],
    ["text that begins like gzip", Buffer.from([0x1f, 0x8b, 1, 2, 3])],
  ] as const) {
    test(`stands as it came: ${what}`, async () => {
      const workspace = sourceWorkspace();
      await unpack(workspace, bytes);
      expect(readFileSync(at(workspace, "a.tar")).equals(bytes)).toBe(true);
    });
  }
});

function repairChecksum(block: Buffer): void {
  block.write("        ", 148, "latin1");
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += block[i] ?? 0;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
