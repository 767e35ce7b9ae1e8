import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import type { ImageRequest } from "../../src/hermetic/index.ts";
import {
  type FakeDeb,
  failureOf,
  fileIn,
  imageWorkspace,
  LIBC,
  make,
  never,
  request,
  SHELL,
  treeOf,
} from "./image-workspace.ts";

const workspaces: ReturnType<typeof imageWorkspace>[] = [];
afterAll(() => {
  for (const { fs, base } of workspaces) fs.remove(base);
});
function fresh() {
  const workspace = imageWorkspace();
  workspaces.push(workspace);
  return workspace;
}

describe("merging", () => {
  const a = (...files: NonNullable<FakeDeb["files"]>): FakeDeb => ({ name: "a", files });
  const b = (...files: NonNullable<FakeDeb["files"]>): FakeDeb => ({ name: "b", files });

  test("lets packages share what is the same", async () => {
    const workspace = fresh();
    await workspace.apt.add(
      a(["./usr/x", "same"], ["./l", { link: "t" }]),
      b(["./usr/x", "same"], ["./l", { link: "t" }], ["./usr/y", "y"]),
    );
    const built = await make(workspace, request("i", { deb: ["a", "b"] }));
    expect(built.report.replaced).toEqual([]);
    expect(readFileSync(`${built.root}/usr/y`, "utf8")).toBe("y");
  });

  const conflicts: readonly (readonly [string, FakeDeb, FakeDeb, string])[] = [
    ["two contents", a(["./x", "1"]), b(["./x", "2"]), "two contents for /x: package a and package b differ there"],
    [
      "a file and a link",
      a(["./x", "1"]),
      b(["./x", { link: "y" }]),
      "two contents for /x: package a and package b differ there",
    ],
    [
      "a file and a directory",
      a(["./x", "1"]),
      b(["./x/y", "2"]),
      "two contents for /x: package a has a file there, package b a directory",
    ],
    [
      "a directory and a file",
      a(["./x/y", "1"]),
      b(["./x", "2"]),
      "two contents for /x: package a has a directory there, package b a file",
    ],
    [
      "a write through a package's link",
      a(["./d", { link: "etc" }]),
      b(["./d/passwd", "evil"]),
      "two contents for /d: package a has a symlink there, package b a directory",
    ],
  ];
  test.each(conflicts)("refuses %s", async (_title, one, other, message) => {
    const workspace = fresh();
    await workspace.apt.add(one, other);
    const failure = await failureOf(make(workspace, request("i", { deb: ["a", "b"] })));
    expect(failure).toMatchObject({ code: "IMAGE_FILE_CONFLICT", message });
    // Nothing is left on the way, and no image is there.
    expect(readdirSync(`${workspace.cacheHome}/tmp`)).toEqual([]);
    expect(workspace.provider().list()).toEqual([]);
  });

  test("follows Replaces, whichever comes first", async () => {
    for (const winner of ["a", "b"]) {
      const workspace = fresh();
      const fields = (name: string) => (name === winner ? [`Replaces: ${winner === "a" ? "b" : "a"} (<< 9)`] : []);
      await workspace.apt.add({ ...a(["./x", "a"]), fields: fields("a") }, { ...b(["./x", "b"]), fields: fields("b") });
      const built = await make(workspace, request("i", { deb: ["a", "b"] }));
      expect(readFileSync(`${built.root}/x`, "utf8")).toBe(winner);
      expect(built.report.replaced).toMatchObject([{ place: "x", by: `package ${winner}` }]);
    }
  });

  test("lets a begatfile's own words stand in place of a package's, and says so", async () => {
    const workspace = fresh();
    await workspace.apt.add(a(["./etc/conf", "theirs"], ["./bin/sh", { link: "bash" }]));
    const image = request("i", { deb: ["a"], link: ["/bin/sh=dash"], file: ["/etc/conf=mine"] }, [
      treeOf(fileIn(workspace, "/etc/conf", "mine")),
    ]);
    const built = await make(workspace, image);
    expect(readFileSync(`${built.root}/etc/conf`, "utf8")).toBe("mine");
    expect(built.report.replaced).toEqual([
      { place: "etc/conf", by: "the begatfile", instead: "package a" },
      { place: "usr/bin/sh", by: "the begatfile", instead: "package a" },
    ]);
  });

  test("makes the bundle of certificates", async () => {
    const workspace = fresh();
    const certificates = ["./usr/share/ca-certificates/mozilla/B.crt", "./usr/share/ca-certificates/mozilla/A.crt"];
    await workspace.apt.add({
      name: "ca-certificates",
      files: [
        [certificates[0]!, "B"],
        [certificates[1]!, "A\n"],
      ],
    });
    const built = await make(workspace, request("i", { deb: ["ca-certificates"] }));
    expect(readFileSync(`${built.root}/etc/ssl/certs/ca-certificates.crt`, "utf8")).toBe("A\nB\n");
  });
});

describe("an image on another", () => {
  test("adds a layer, follows its links, and keeps its settings", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC, {
      name: "tool",
      files: [
        ["./usr/bin/tool", "tool", 0o755],
        ["./usr/bin/dash", "#!dash", 0o755],
      ],
    });
    const file = fileIn(workspace, "/etc/base", "base");
    const base = request("base", { deb: ["dash"], env: ["A=1", "B=2"], user: ["build"] }, [treeOf(file)]);
    const top = request("top", { from: ["base"], deb: ["tool"], env: ["B=3"], link: ["/bin/t=tool"] });
    const built = await make(workspace, top, { others: [base] });
    const alone = await make(workspace, base);
    expect(built.diffIds).toHaveLength(2);
    expect(built.diffIds[0]).toBe(alone.diffIds[0]);
    expect(built.user).toBe("build");
    expect(built.env.slice(0, 2)).toEqual(["A=1", "B=3"]);
    expect(readFileSync(`${built.root}/etc/base`, "utf8")).toBe("base");
    expect(execFileSync("readlink", [`${built.root}/usr/bin/t`]).toString()).toBe("tool\n");
    const layers = workspace.provider().list();
    expect(layers.map(({ name }) => name).sort()).toEqual(["top", "top"].sort());
  });

  const mistakes: readonly (readonly [string, readonly ImageRequest[], string])[] = [
    ["itself", [request("a", { from: ["a"] })], "images stand on one another in a circle: a on a"],
    [
      "one that stands on it",
      [request("a", { from: ["b"] }), request("b", { from: ["a"] })],
      "images stand on one another in a circle: a on b on a",
    ],
    ["nothing declared", [request("a", { from: ["x"] })], "image a stands on x, which is not declared"],
    ["two", [request("a", { from: ["x", "y"] })], "image a stands on 2 images, expected 1"],
  ];
  test.each(mistakes)("cannot stand on %s", async (_title, requests, message) => {
    const failure = await failureOf(fresh().provider().resolve(requests, {}, never));
    expect(failure).toMatchObject({ code: "IMAGE_MALFORMED", message });
  });
});

const words: readonly (readonly [kind: string, word: string, message: string])[] = [
  ["deb", "G++", 'expected a Debian package, found "G++"'],
  ["npm", "a b", 'expected an npm package, found "a b"'],
  ["link", "/usr/bin/cc", 'expected a link like /usr/bin/cc=gcc, found "/usr/bin/cc"'],
  ["link", "usr/bin/cc=gcc", '"usr/bin/cc" is no absolute place in an image'],
  ["link", "/../x=gcc", '"/../x" cannot be a place in an image'],
  ["env", "A", 'expected a setting like NAME=value, found "A"'],
  ["user", "alice", 'expected root, build, nobody, UID or UID:GID, found "alice"'],
  ["oci", "dir", 'expected an image layout like "dir@sha256:<64 digits>", found "dir"'],
  ["file", "x=y", 'expected a file like /place/in/image=path/in/workspace, found "x=y"'],
];
test.each(words)("refuses %s %j", async (kind, word, problem) => {
  const failure = await failureOf(
    fresh()
      .provider()
      .resolve([request("i", { [kind]: [word] })], {}, never),
  );
  expect(failure).toMatchObject({ code: "IMAGE_MALFORMED", message: `begatfile:3:5: image i: ${problem}` });
});
