import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import type { SourceRequest } from "../../src/hermetic/index.ts";
import { gzip } from "./compressors.ts";
import { never, type Program, type SourceWorkspace, sourceWorkspace, tarOf } from "./source-workspace.ts";

const ONE: SourceRequest = { name: "n", kind: "npm", words: ["left"] };
const BOTH: SourceRequest = { name: "n", kind: "npm", words: ["left@^1", "@scope/right"] };

let workspace: SourceWorkspace;
/** The registry: tarballs by `name@version`, oldest first. */
let registry: Map<string, Buffer>;
let integrityOf: (bytes: Buffer) => string;

/** npm in front of it: answers in the shapes npm 10 and 11 give. */
const npm: Program = ({ argv }) => {
  const [, verb, coordinate = ""] = argv;
  const at = coordinate.lastIndexOf("@");
  const [name, range] = at > 0 ? [coordinate.slice(0, at), coordinate.slice(at + 1)] : [coordinate, "latest"];
  const versions = [...registry.keys()].filter((key) => key.startsWith(`${name}@`));
  const fits = range.startsWith("^")
    ? versions
    : versions.filter((key) => range === "latest" || key.endsWith(`@${range}`));
  const found = range === "latest" ? fits.slice(-1) : fits;
  if (found.length === 0) {
    return { exitCode: 1, stdout: JSON.stringify({ error: { code: "E404", summary: "No match found" } }) };
  }
  const published = found.map((key) => ({
    name,
    version: key.slice(key.lastIndexOf("@") + 1),
    "dist.integrity": integrityOf(registry.get(key) ?? Buffer.alloc(0)),
  }));
  if (verb === "view") return { stdout: JSON.stringify(published.length === 1 ? published[0] : published) };
  const filename = `${coordinate.replace(/^@/, "").replace("/", "-").replace("@", "-")}.tgz`;
  writeFileSync(`${argv[argv.indexOf("--pack-destination") + 1]}/${filename}`, registry.get(coordinate) ?? "");
  return { stdout: JSON.stringify([{ id: coordinate, filename }]) };
};

beforeEach(async () => {
  workspace = sourceWorkspace();
  workspace.programs.scripted.set("npm", npm);
  integrityOf = (bytes) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  registry = new Map();
  for (const version of ["1.0.0", "1.3.0"]) {
    registry.set(
      `left@${version}`,
      gzip(await tarOf(["package/index.js", version], ["package/bin/x", "x", 0o755])) as Buffer,
    );
  }
  registry.set("@scope/right@2.0.0", gzip(await tarOf(["oddly-named/index.js", "right"])) as Buffer);
});

const provide = (request: SourceRequest) => workspace.provider().provide([request], never);
const read = (path: string) => readFileSync(`${workspace.root}/.begat/source/n/${path}`, "utf8");

describe("npm", () => {
  test("puts the files of one package at the root", async () => {
    const [source] = await provide(ONE);
    expect(source?.lock.version).toBe("left@1.3.0");
    expect(source?.lock.files).toMatchObject([{ name: "left@1.3.0.tgz" }]);
    expect(read("index.js")).toBe("1.3.0");
  });

  test("puts those of several in directories named after them", async () => {
    const [source] = await provide(BOTH);
    expect(source?.lock.version).toBe("left@1.3.0 @scope/right@2.0.0");
    expect([read("left/index.js"), read("@scope/right/index.js")]).toEqual(["1.3.0", "right"]);
  });

  test("fetches the pinned versions again, and runs no script", async () => {
    await provide(BOTH);
    registry.set("left@1.4.0", registry.get("left@1.0.0") as Buffer);
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    rmSync(workspace.blobs.layout.blob(sha256(registry.get("left@1.3.0") as Buffer)), { force: true });
    const [source] = await provide(BOTH);
    expect(source).toMatchObject({ lockChanged: false, ingested: true });
    const packed = workspace.programs.calls.filter((call) => call[1] === "pack");
    expect(packed.length).toBeGreaterThan(2);
    for (const call of packed) expect(call).toContain("--ignore-scripts");
  });

  test("says when a pinned version vanished", async () => {
    await provide(ONE);
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    rmSync(workspace.blobs.layout.blob(sha256(registry.get("left@1.3.0") as Buffer)), { force: true });
    registry.delete("left@1.3.0");
    await expect(provide(ONE)).rejects.toMatchObject({
      code: "SOURCE_VANISHED",
      message: "left@1.3.0 is pinned in begat.lock and is no longer in the registry",
    });
  });

  test("says when there is no such package", async () => {
    const message = "npm finds no package nothing";
    await expect(provide({ ...ONE, words: ["nothing"] })).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND", message });
  });

  test("refuses a tarball that is not the published one", async () => {
    integrityOf = () => "sha512-AAAA";
    await expect(provide(ONE)).rejects.toMatchObject({
      code: "SOURCE_DIGEST_MISMATCH",
      message: expect.stringMatching(/^left@1\.3\.0 has integrity sha512-\S+, the registry says sha512-AAAA$/),
    });
  });

  test("refuses a package that the registry has only a SHA-1 of", async () => {
    integrityOf = () => "sha1-AAAA";
    const message = "the registry has no SHA-512 for left@1.3.0, so it cannot be pinned";
    await expect(provide(ONE)).rejects.toMatchObject({ code: "SOURCE_KIND_UNSUPPORTED", message });
  });

  test("gives npm the extra certificate authorities back under their own name", async () => {
    let given: Readonly<Record<string, string>> = {};
    workspace.programs.scripted.set("npm", (spec) => {
      given = spec.env;
      return npm(spec);
    });
    const environment = { PATH: "/bin", BEGAT_EXTRA_CA_CERTS: "/etc/extra.pem" };
    await workspace.provider({ environment }).provide([ONE], never);
    expect(given).toMatchObject({ PATH: "/bin", NODE_EXTRA_CA_CERTS: "/etc/extra.pem" });
  });

  test("says when the registry does not answer", async () => {
    workspace.programs.scripted.set("npm", () => ({ exitCode: 1, stderr: "npm error code ENOTFOUND\n" }));
    const message = "npm could not look up left: npm error code ENOTFOUND";
    await expect(provide(ONE)).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE", message });
  });
});
