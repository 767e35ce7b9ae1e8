import { existsSync, readFileSync, rmSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import type { SourceRequest } from "../../src/hermetic/index.ts";
import { gzip } from "./compressors.ts";
import { debianPackage, FakeApt, type FakePackage } from "./fake-apt.ts";
import { never, type SourceWorkspace, sourceWorkspace, tarOf } from "./source-workspace.ts";

const REQUEST: SourceRequest = { name: "p", kind: "deb-src", words: ["pack"] };

let workspace: SourceWorkspace;
let apt: FakeApt;
let upstream: Buffer;
let packaging: Buffer;

beforeEach(async () => {
  workspace = sourceWorkspace();
  apt = new FakeApt(workspace);
  upstream = gzip(await tarOf(["pack-1.0/src/a.c", "a"], ["pack-1.0/debian/old", "upstream's"])) as Buffer;
  packaging = gzip(await tarOf(["debian/control", "Source: pack"], ["debian/patches/series", "fix.patch"])) as Buffer;
});

const provide = (request = REQUEST, offline = false) => workspace.provider({ offline }).provide([request], never);
const read = (path: string) => readFileSync(`${workspace.root}/.begat/source/p/${path}`, "utf8");

function quilt(version: string, signed = true): FakePackage {
  const archives = { "pack_1.0.orig.tar.gz": upstream, [`pack_${version}.debian.tar.gz`]: packaging };
  return debianPackage("pack", version, "3.0 (quilt)", archives, signed);
}

function lose(version: string): void {
  rmSync(`${workspace.root}/.begat`, { recursive: true });
  for (const bytes of quilt(version).files.values()) {
    rmSync(workspace.blobs.layout.blob(sha256(bytes)), { force: true });
  }
}

describe("deb-src", () => {
  for (const signed of [true, false]) {
    test(`unpacks upstream with debian/ beside it (.dsc ${signed ? "signed" : "bare"})`, async () => {
      apt.packages.push(quilt("1.0-1", signed));
      const [source] = await provide();
      expect(source?.lock.version).toBe("1.0-1");
      expect(source?.lock.files.map(({ name }) => name)).toEqual([
        "pack_1.0-1.debian.tar.gz",
        "pack_1.0-1.dsc",
        "pack_1.0.orig.tar.gz",
      ]);
      expect([read("src/a.c"), read("debian/control")]).toEqual(["a", "Source: pack"]);
      expect(existsSync(`${workspace.root}/.begat/source/p/debian/old`)).toBe(false);
      expect(readFileSync(`${workspace.root}/begat.lock`, "utf8")).not.toContain("mirror");
    });
  }

  test("puts further upstream archives where they belong", async () => {
    const extra = gzip(await tarOf(["whatever/x", "x"])) as Buffer;
    const archives = {
      "pack_1.0.orig.tar.gz": upstream,
      "pack_1.0.orig-extra.tar.gz": extra,
      "pack_1.0-1.debian.tar.gz": packaging,
    };
    apt.packages.push(debianPackage("pack", "1.0-1", "3.0 (quilt)", archives));
    await provide();
    expect(read("extra/x")).toBe("x");
  });

  for (const format of ["3.0 (native)", "1.0"]) {
    test(`unpacks a native package of format ${format}`, async () => {
      apt.packages.push(debianPackage("pack", "1.0", format, { "pack_1.0.tar.gz": upstream }));
      await provide();
      expect([read("src/a.c"), read("debian/old")]).toEqual(["a", "upstream's"]);
    });
  }

  const refused: readonly (readonly [format: string, files: readonly string[], code: string, message: string])[] = [
    [
      "1.0",
      ["pack_1.0.orig.tar.gz", "pack_1.0-1.diff.gz"],
      "SOURCE_KIND_UNSUPPORTED",
      "Debian source format 1.0 with its changes in a .diff.gz cannot be unpacked",
    ],
    ["9.0 (new)", ["pack_1.0.orig.tar.gz"], "SOURCE_KIND_UNSUPPORTED", 'Debian source format "9.0 (new)" is not known'],
    [
      "3.0 (quilt)",
      ["pack_1.0.orig.tar.gz"],
      "SOURCE_MALFORMED",
      "source package has 0 files that could be its debian archive",
    ],
  ];
  for (const [format, files, code, message] of refused) {
    test(`refuses format ${format} with ${files.join(" and ")}`, async () => {
      const archives = Object.fromEntries(files.map((file) => [file, upstream]));
      apt.packages.push(debianPackage("pack", "1.0-1", format, archives));
      await expect(provide()).rejects.toMatchObject({ code, message });
    });
  }

  test("takes the version asked for", async () => {
    apt.packages.push(quilt("1.0-1"), quilt("1.0-2"));
    const [source] = await provide({ ...REQUEST, words: ["pack=1.0-1"] });
    expect(source?.lock.version).toBe("1.0-1");
  });

  test("stays at the pinned version, and fetches that one again", async () => {
    apt.packages.push(quilt("1.0-1"));
    await provide();
    apt.packages.push(quilt("1.0-2"));
    lose("1.0-1");
    const [source] = await provide();
    expect(source).toMatchObject({ lockChanged: false, lock: { version: "1.0-1" } });
  });

  test("says when the pinned version vanished, and what there is", async () => {
    apt.packages.push(quilt("1.0-1"));
    await provide();
    apt.packages[0] = quilt("1.0-2");
    lose("1.0-1");
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_VANISHED",
      message: "pack 1.0-1 is pinned in begat.lock and is no longer in the machine's archives, which have 1.0-2",
      hint: 'remove the entry "p" from begat.lock to pin what the archives have now, or add an archive that keeps 1.0-1 to apt\'s sources',
    });
  });

  test("says when there is no such package or version", async () => {
    const message = "apt finds no Debian source package pack";
    await expect(provide()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND", message });
    apt.packages.push(quilt("1.0-2"));
    await expect(provide({ ...REQUEST, words: ["pack=7"] })).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
      message: "apt finds no Debian source package pack 7; the machine's archives have 1.0-2",
    });
  });

  test("says when no archive answers, without its password", async () => {
    apt.updateProblem = "E: Failed to fetch http://user:hunter2@mirror.example/InRelease  Could not resolve\n";
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
      message:
        "apt could not read its package lists: E: Failed to fetch http://mirror.example/InRelease  Could not resolve",
    });
  });

  test("goes on when another archive does not answer", async () => {
    apt.updateProblem = "E: The repository does not have a Release file\n";
    apt.packages.push(quilt("1.0-1"));
    expect((await provide())[0]?.lock.version).toBe("1.0-1");
  });

  test("refuses bytes that the index does not list", async () => {
    apt.packages.push(quilt("1.0-1"));
    apt.tampered.set("pack_1.0.orig.tar.gz", Buffer.from("evil"));
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_DIGEST_MISMATCH",
      message: `pack_1.0.orig.tar.gz has sha256 digest ${sha256("evil")}, the archive's index says ${sha256(upstream)}`,
    });
  });

  test("refuses files that the .dsc does not list as such", async () => {
    const honest = quilt("1.0-1");
    apt.packages.push({ ...honest, files: new Map([...honest.files, ["pack_1.0.orig.tar.gz", Buffer.from("other")]]) });
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_DIGEST_MISMATCH",
      message: `pack_1.0.orig.tar.gz has digest ${sha256("other")}, the .dsc says ${sha256(upstream)}`,
    });
  });

  test("needs apt", async () => {
    workspace.programs.scripted.clear();
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_TOOL_MISSING",
      message: "apt-config could not be run",
      hint: "sources of kind deb-src come through apt-get, so they need Debian or one of its descendants",
    });
  });
});

test("apt reads the machine's source lists, for sources only", async () => {
  const machine = sourceWorkspace();
  const lists = {
    "sources.list":
      "# comment\ndeb [arch=amd64 signed-by=/k.gpg] http://a.example/debian stable main contrib\n  deb-src http://b.example/debian stable main\ndeb-src http://b.example/debian stable main\n",
    "sources.list.d/c.sources":
      "Types: deb\nURIs: http://c.example/debian\nSuites: stable\nComponents: main\n\ntypes: deb\n deb-src\nURIs: http://d.example\nEnabled: no\n",
    "sources.list.d/e.list.disabled": "deb http://e.example stable main\n",
  };
  const fake = new FakeApt(machine, lists);
  fake.packages.push(quilt("1.0-1"));
  await machine.provider().provide([REQUEST], never);
  expect(Object.fromEntries(fake.sourceLists)).toEqual({
    "0.list":
      "deb-src [arch=amd64 signed-by=/k.gpg] http://a.example/debian stable main contrib\ndeb-src http://b.example/debian stable main\n",
    "1.sources":
      "Types: deb-src\nURIs: http://c.example/debian\nSuites: stable\nComponents: main\n\nTypes: deb-src\nURIs: http://d.example\nEnabled: no\n",
  });
});
