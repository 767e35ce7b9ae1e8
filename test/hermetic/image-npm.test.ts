import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { readNpmLock } from "../../src/hermetic/image/npm-pins.ts";
import { imageWorkspace, never, request } from "./image-workspace.ts";
import { tarOf } from "./source-workspace.ts";

const integrity = (bytes: Uint8Array | string) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
const lockOf = (packages: object, dependencies: object = {}) =>
  Buffer.from(JSON.stringify({ lockfileVersion: 3, packages: { "": { dependencies }, ...packages } }));
const entry = (version: string, more: object = {}) => ({ version, integrity: integrity(version), ...more });

const chosen: readonly (readonly [title: string, packages: object, expected: readonly string[]])[] = [
  [
    "packages at their places",
    { "node_modules/b": entry("1"), "node_modules/a": entry("2"), "node_modules/a/node_modules/b": entry("3") },
    ["a a@2", "a/node_modules/b b@3", "b b@1"],
  ],
  [
    "scoped ones",
    { "node_modules/@s/a": entry("1"), "node_modules/a/node_modules/@s/b": entry("2") },
    ["@s/a @s/a@1", "a/node_modules/@s/b @s/b@2"],
  ],
  ["another name for a package", { "node_modules/alias": entry("1", { name: "real" }) }, ["alias real@1"]],
  [
    "what is for this platform",
    {
      "node_modules/l": entry("1", { os: ["linux"], cpu: ["x64"] }),
      "node_modules/m": entry("1", { os: ["darwin"] }),
      "node_modules/n": entry("1", { cpu: ["arm64"] }),
      "node_modules/o": entry("1", { os: ["!win32"] }),
      "node_modules/p": entry("1", { libc: ["musl"] }),
    },
    ["l l@1", "o o@1"],
  ],
  [
    "nothing for development, no links",
    { "node_modules/d": entry("1", { dev: true }), "node_modules/l": { link: true } },
    [],
  ],
];
test.each(chosen)("takes from npm's lock %s", (_title, packages, expected) => {
  const found = readNpmLock(lockOf(packages), "amd64");
  expect(found.map(({ directory, name, version }) => `${directory} ${name}@${version}`)).toEqual(expected);
});

test("takes nothing that no registry vouches for", () => {
  const lock = lockOf({ "node_modules/g": { version: "1", resolved: "git+ssh://example.org/g" } });
  expect(() => readNpmLock(lock, "amd64")).toThrow("the registry has no SHA-512 for g@1, so it cannot be pinned");
});

describe("an image of npm packages", () => {
  let workspace: ReturnType<typeof imageWorkspace>;
  afterEach(() => workspace.fs.remove(workspace.base));

  /** A registry with `tool`, which needs `dep`, and npm in front of it. */
  async function registry() {
    workspace = imageWorkspace();
    const tool = gzipSync(
      await tarOf(
        [
          "package/package.json",
          JSON.stringify({ name: "tool", bin: { tool: "bin/tool.js", evil: "../../../../bin/sh" } }),
        ],
        ["package/bin/tool.js", "#!/usr/bin/env node\n"],
      ),
    );
    const dep = gzipSync(await tarOf(["package/package.json", '{"name":"dep","bin":"x.js"}'], ["package/x.js", "x"]));
    const tarballs = new Map([
      ["tool@1.0.0", tool],
      ["dep@2.0.0", dep],
    ]);
    workspace.programs.scripted.set("npm", (spec) => {
      const words = spec.argv.slice(spec.argv.indexOf("--") + 1);
      if (spec.argv[1] === "install") {
        const packages = {
          "node_modules/tool": { version: "1.0.0", integrity: integrity(tool) },
          "node_modules/dep": { version: "2.0.0", integrity: integrity(dep) },
        };
        writeFileSync(`${spec.cwd}/package-lock.json`, lockOf(packages, { tool: "^1" }));
        return words[0] === "tool"
          ? {}
          : { exitCode: 1, stderr: `npm error code E404\nnpm error 404 ${words[0]} is not there\n` };
      }
      for (const word of words) {
        const bytes = tarballs.get(word);
        if (bytes === undefined) return { exitCode: 1, stderr: "npm error code E404\n" };
        writeFileSync(`${spec.cwd}/${word.replace("@", "-")}.tgz`, bytes);
      }
      return {};
    });
    return tarballs;
  }
  const image = request("i", { npm: ["tool"] });

  test("has them with all they need, programs linked, and is pinned without a registry's name", async () => {
    await registry();
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    const built = await workspace.provider().build(resolved!, [], never);
    const modules = `${built.root}/usr/lib/node_modules`;
    expect(readFileSync(`${modules}/dep/x.js`, "utf8")).toBe("x");
    expect(readlinkSync(`${built.root}/usr/bin/tool`)).toBe("../lib/node_modules/tool/bin/tool.js");
    expect(statSync(`${modules}/tool/bin/tool.js`).mode & 0o777).toBe(0o755);
    // Only what was asked for by name has its programs linked, and only files of its own.
    expect(workspace.fs.readDirectory(`${built.root}/usr/bin`).map(({ name }) => name)).toEqual(["tool"]);
    expect(readFileSync(`${workspace.root}/begat.lock`, "utf8")).not.toContain("://");

    workspace.fs.remove(workspace.cacheHome);
    mkdirSync(workspace.cacheHome);
    const [again] = await workspace.provider().resolve([image], {}, never);
    expect(again?.lockChanged).toBe(false);
    expect((await workspace.provider().build(again!, [], never)).configDigest).toBe(built.configDigest);
  });

  test("refuses other bytes than pinned, and says what vanished", async () => {
    const tarballs = await registry();
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    workspace.fs.remove(workspace.cacheHome);
    tarballs.set("dep@2.0.0", gzipSync("evil"));
    await expect(workspace.provider().build(resolved!, [], never)).rejects.toMatchObject({
      code: "IMAGE_DIGEST_MISMATCH",
    });
    tarballs.delete("dep@2.0.0");
    await expect(workspace.provider().build(resolved!, [], never)).rejects.toMatchObject({
      code: "IMAGE_PACKAGE_VANISHED",
      hint: "begat image lock --update i pins what there is now",
    });
  });

  test("refuses what the registry gives under another integrity, and names what it has not", async () => {
    const tarballs = await registry();
    tarballs.set("dep@2.0.0", gzipSync("evil"));
    await expect(workspace.provider().resolve([image], {}, never)).rejects.toMatchObject({
      code: "IMAGE_DIGEST_MISMATCH",
    });
    const absent = request("i", { npm: ["nothing"] });
    await expect(workspace.provider().resolve([absent], {}, never)).rejects.toMatchObject({
      code: "IMAGE_PACKAGE_NOT_FOUND",
    });
  });
});
