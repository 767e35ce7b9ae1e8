import { gzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { afterAll, describe, expect, test } from "vitest";
import { explain } from "../../src/base/index.ts";
import { suggestedLinks } from "../../src/hermetic/image/alternatives.ts";
import { PackageStore } from "../../src/hermetic/image/package-store.ts";
import { mergedPath, movedTarget } from "../../src/hermetic/image/place.ts";
import { ImageError } from "../../src/hermetic/index.ts";
import { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "../../src/hermetic/source-limits.ts";
import { NodeFileStreams } from "../../src/platform/index.ts";
import { debOf, type FakeDeb, imageWorkspace, never } from "./image-workspace.ts";
import { type Entry, tarOf } from "./source-workspace.ts";

const workspace = imageWorkspace();
afterAll(() => workspace.fs.remove(workspace.base));
const blobs = workspace.blobs();
let temporaries = 0;

function storeWith(limits: Partial<SourceLimits> = {}): PackageStore {
  return new PackageStore({
    fs: workspace.fs,
    streams: new NodeFileStreams(),
    blobs,
    tools: { runner: workspace.programs, environment: { PATH: process.env.PATH ?? "" }, cwd: workspace.root },
    limits: { ...DEFAULT_SOURCE_LIMITS, ...limits },
    home: `${workspace.cacheHome}/images/packages`,
    temporary: () => `${workspace.base}/tmp/${++temporaries}`,
  });
}

async function unpack(deb: FakeDeb, limits: Partial<SourceLimits> = {}) {
  const digest = blobs.write(await debOf(deb));
  return storeWith(limits).stand({ shown: `${deb.name} 1.0`, kind: "deb", digest }, never);
}

async function listed(...files: readonly Entry[]) {
  const { listing } = await unpack({ name: "p", files });
  return listing.entries.map((entry) => {
    if (entry.kind === "directory") return `${entry.place}/`;
    return entry.kind === "symlink"
      ? `${entry.place} -> ${entry.target}`
      : `${entry.place}${entry.executable ? "*" : ""}`;
  });
}

const normalised: readonly (readonly [title: string, files: readonly Entry[], entries: readonly string[]])[] = [
  [
    "sorts, and adds parents",
    [
      ["./usr/b", "b"],
      ["./usr/a/x", "x", 0o755],
    ],
    ["usr/", "usr/a/", "usr/a/x*", "usr/b"],
  ],
  [
    "moves what is merged into /usr",
    [
      ["./bin/x", "x"],
      ["./lib64/y", "y"],
    ],
    ["usr/", "usr/bin/", "usr/bin/x", "usr/lib64/", "usr/lib64/y"],
  ],
  ["keeps links beside", [["./lib/a.so", { link: "a.so.1" }]], ["usr/", "usr/lib/", "usr/lib/a.so -> a.so.1"]],
  [
    "moves links that climb",
    [["./lib/a", { link: "../usr/share/a" }]],
    ["usr/", "usr/lib/", "usr/lib/a -> ../share/a"],
  ],
  [
    "drops a link to itself",
    [
      ["./usr/bin/x", "x"],
      ["./bin/x", { link: "/usr/bin/x" }],
    ],
    ["usr/", "usr/bin/", "usr/bin/x"],
  ],
  [
    "makes hard links files",
    [
      ["./a", "a", 0o755],
      ["./b", { hard: "./a" }],
    ],
    ["a*", "b*"],
  ],
];

const refused: readonly (readonly [title: string, files: readonly Entry[], problem: string])[] = [
  ["a climb", [["../../evil", "x"]], 'archive entry "../../evil" climbs out of the tree'],
  ["an absolute name", [["/etc/passwd", "x"]], 'archive entry "/etc/passwd" is absolute'],
  [
    "a write through a link",
    [
      ["./d", { link: "/etc" }],
      ["./d/passwd", "x"],
    ],
    "./d/passwd would be written through d, which is a symlink",
  ],
  [
    "a write through a file",
    [
      ["./d", "f"],
      ["./d/x", "x"],
    ],
    "./d/x would be written through d, which is a file",
  ],
  [
    "a hard link to nothing before",
    [["./b", { hard: "../../etc/shadow" }]],
    'archive entry "../../etc/shadow" climbs out of the tree',
  ],
  [
    "a hard link to a link",
    [
      ["./a", { link: "/etc/shadow" }],
      ["./b", { hard: "./a" }],
    ],
    "hard link ./b leads to ./a, which is no file before it",
  ],
  [
    "a device",
    [["./dev/null", { type: "character-device" }]],
    "./dev/null is a character-device, which no image can hold",
  ],
  ["a FIFO", [["./f", { type: "fifo" }]], "./f is a fifo, which no image can hold"],
  [
    "a name twice",
    [
      ["./a", "1"],
      ["./a", "2"],
    ],
    "./a stands twice",
  ],
  [
    "a name twice once /usr is merged",
    [
      ["./bin/a", "1"],
      ["./usr/bin/a", "2"],
    ],
    "./usr/bin/a stands twice",
  ],
  ["a link to nothing", [["./a", { link: "x\ny" }]], 'link a has the target "x\\ny"'],
];

describe("a package", () => {
  test.each(normalised)("%s", async (_title, files, entries) => {
    expect(await listed(...files)).toEqual(entries);
  });

  test.each(refused)("with %s is refused", async (_title, files, problem) => {
    const failure = await unpack({ name: "evil", files }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ImageError);
    expect((failure as ImageError).code).toBe("IMAGE_ARCHIVE_REFUSED");
    expect(explain(failure)).toBe(`package evil 1.0 cannot be unpacked: ${problem}`);
    // Nothing is left of it, neither where packages stand nor on the way there.
    expect(workspace.fs.readDirectory(`${workspace.base}/tmp`)).toEqual([]);
  });

  const limits: readonly (readonly [Partial<SourceLimits>, readonly Entry[], string])[] = [
    [{ entryBytes: 3 }, [["./a", "1234"]], "./a has 4 bytes, the limit for one file is 3"],
    [
      { unpackedBytes: 5 },
      [
        ["./a", "123"],
        ["./b", "123"],
      ],
      "it has more than 5 bytes at ./b",
    ],
    [
      { entryCount: 2 },
      [
        ["./a", ""],
        ["./b", ""],
        ["./c", ""],
      ],
      "it has more than 2 entries at ./c",
    ],
    [{ depth: 2 }, [["./a/b/c/d", ""]], "./a/b/c/d is more than 2 directories deep"],
  ];
  test.each(limits)("above the ceiling %j is refused", async (ceiling, files, problem) => {
    const failure = await unpack({ name: "big", files }, ceiling).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "IMAGE_TOO_LARGE" });
    expect(explain(failure)).toBe(`package big 1.0 cannot be unpacked: ${problem}`);
  });

  test("loses set-user-id bits and owners, and says so", async () => {
    const files: Entry[] = [
      ["./usr/bin/su", "su", 0o4755],
      ["./var/local", { type: "directory" }, 0o2775],
    ];
    const { listing, files: directory } = await unpack({ name: "su", files });
    expect(listing.stripped).toEqual([
      { place: "usr/bin/su", what: "mode 4755" },
      { place: "var/local", what: "mode 2775" },
    ]);
    expect(workspace.fs.stat(`${directory}/0`)?.mode).toBe(0o755);
  });

  test("has its scripts listed, never run, and their alternatives suggested", async () => {
    const postinst =
      "#!/bin/sh\ntouch /tmp/begat-was-here\nupdate-alternatives --install /usr/bin/cc cc /usr/bin/gcc 20\n";
    const { listing } = await unpack({ name: "s", files: [["./a", ""]], scripts: { postinst, prerm: "exit 1\n" } });
    expect(listing.scripts.map(({ name }) => name)).toEqual(["postinst", "prerm"]);
    expect(listing.suggested).toEqual([{ place: "/usr/bin/cc", target: "/usr/bin/gcc" }]);
    expect(workspace.fs.stat("/tmp/begat-was-here")).toBeUndefined();
  });

  const damaged: readonly (readonly [string, (deb: Buffer) => Buffer, string])[] = [
    ["is no archive", () => Buffer.from("hello"), "it does not begin like an ar archive"],
    ["is cut short", (deb) => deb.subarray(0, deb.length - 40), 'member "data.tar.gz" is cut short'],
    [
      "is of another format",
      (deb) => Buffer.from(deb.toString("latin1").replace("2.0\n", "3.0\n"), "latin1"),
      'its format is "3.0", expected "2.0"',
    ],
    [
      "lacks its files",
      (deb) => Buffer.from(deb.toString("latin1").replace("data.tar.gz ", "date.tar.gz "), "latin1"),
      "it has 0 members named data.tar, expected 1",
    ],
  ];
  test.each(damaged)("that %s is refused", async (_title, damage, problem) => {
    const digest = blobs.write(damage(await debOf({ name: "d", files: [["./a", "a".repeat(500)]] })));
    const failure = await storeWith()
      .stand({ shown: "d 1.0", kind: "deb", digest }, never)
      .catch((error: unknown) => error);
    expect(explain(failure)).toBe(`package d 1.0 cannot be unpacked: package is no Debian binary package: ${problem}`);
  });

  test("whose compressed files are damaged is refused", async () => {
    const data = gzipSync(await tarOf(["./a", "a".repeat(100_000)]));
    data.fill(7, 40, 60);
    await expect(unpack({ name: "z", data })).rejects.toMatchObject({ code: "IMAGE_ARCHIVE_REFUSED" });
  });

  test("is made again where its segment was lost, into the very same bytes", async () => {
    const deb: FakeDeb = { name: "again", files: [["./usr/x", "x"]] };
    const { listing } = await unpack(deb);
    const before = blobs.read(listing.segment);
    workspace.fs.remove(blobs.layout.blob(listing.segment.hash));
    const again = await unpack(deb);
    expect(again.listing).toEqual(listing);
    expect(blobs.read(again.listing.segment)).toEqual(before);
  });

  test("has a segment that any tar reader reads, long and foreign names too", async () => {
    const long = `${"d/".repeat(60)}${"n".repeat(120)}`;
    const target = "t".repeat(150);
    const { listing } = await unpack({
      name: "long",
      files: [
        [`./${long}`, "long"],
        ["./é", "é"],
        ["./l", { link: target }],
      ],
    });
    const seen: string[] = [];
    const reader = extract();
    reader.on("entry", (header, body, next) => {
      seen.push(`${header.name} ${header.linkname ?? ""} ${header.uid} ${header.mtime?.getTime()}`);
      body.resume();
      body.on("end", () => next());
    });
    const done = new Promise<void>((resolve) => reader.on("finish", () => resolve()));
    reader.end(blobs.read(listing.segment));
    await done;
    expect(seen).toEqual([`${long}  0 315532800000`, `l ${target} 0 315532800000`, "é  0 315532800000"]);
  });
});

const moved: readonly (readonly [path: string, target: string, expected: string])[] = [
  ["lib/x/a", "b", "b"],
  ["lib/x/a", "/lib/b", "/lib/b"],
  ["lib/x/a", "../y/b", "../y/b"],
  ["lib/x/a", "../../usr/share/b", "../../share/b"],
  ["lib/x/a", "../../etc/b", "../../../etc/b"],
  ["bin/a", "../lib/b", "../lib/b"],
  ["usr/a", "../etc", "../etc"],
];
test.each(moved)("a link %s to %s leads there from /usr as %s", (path, target, expected) => {
  expect(movedTarget(path, mergedPath(path), target)).toBe(expected);
});

const scripts: readonly (readonly [string, readonly string[]])[] = [
  ["update-alternatives --quiet --install /usr/bin/a a /usr/bin/b 10", ["/usr/bin/a=/usr/bin/b"]],
  ["update-alternatives \\\n  --install /a a /b 1 \\\n  --slave /c c /d", ["/a=/b", "/c=/d"]],
  ["# update-alternatives --install /a a /b 1", []],
  ['update-alternatives --install /a a "$b" 1', []],
  [
    "update-alternatives --install /a a /b 1 --slave /usr/share/man/man1/a.1.gz x /usr/share/man/man1/b.1.gz",
    ["/a=/b"],
  ],
];
test.each(scripts)("finds the alternatives in %j", (text, links) => {
  expect(suggestedLinks(text).map(({ place, target }) => `${place}=${target}`)).toEqual(links);
});
