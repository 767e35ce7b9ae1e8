import { createHash } from "node:crypto";
import * as node from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import type { BulkFiles } from "../../src/cache/index.ts";
import { NodeBulkFiles } from "../../src/platform/index.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const bulk = new NodeBulkFiles();
afterAll(() => bulk.close());

describe("NodeBulkFiles", () => {
  let root: string;
  let dispose: () => void;
  beforeEach(() => {
    const scratch = scratchDirectory();
    root = scratch.path;
    dispose = scratch.dispose;
  });
  afterEach(() => dispose());

  test("is what the cache asks for", () => {
    const asked: BulkFiles = bulk;
    expect(asked).toBe(bulk);
  });

  test.each([0, 1, 1 << 20, (1 << 20) + 1, 3 << 20])("hashes and copies %i bytes", async (size) => {
    const bytes = Buffer.alloc(size, "begat");
    node.writeFileSync(`${root}/f`, bytes);
    const digest = { hash: sha256(bytes), sizeBytes: size };
    expect(await bulk.hash(`${root}/f`)).toEqual(digest);
    expect(await bulk.copy(`${root}/f`, `${root}/copy`, 0o444)).toEqual(digest);
    expect(node.readFileSync(`${root}/copy`).equals(bytes)).toBe(true);
    expect(node.statSync(`${root}/copy`).mode & 0o777).toBe(0o444);
  });

  test("many files at once each get their own answer", async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => {
        node.writeFileSync(`${root}/f${i}`, `content ${i}`);
        return bulk.hash(`${root}/f${i}`);
      }),
    );
    expect(answers.map((digest) => digest.hash)).toEqual(answers.map((_, i) => sha256(`content ${i}`)));
  });

  test("what is known is answered and not computed", async () => {
    const known = { hash: sha256("as the caller says"), sizeBytes: 5 };
    node.writeFileSync(`${root}/f`, "bytes");
    expect(await bulk.copy(`${root}/f`, `${root}/copy`, 0o640, { known })).toEqual(known);
    expect(node.readFileSync(`${root}/copy`, "utf8")).toBe("bytes");
    expect(node.statSync(`${root}/copy`).mode & 0o777).toBe(0o640);
    await expect(bulk.copy(`${root}/f`, `${root}/copy`, 0o640, { known })).rejects.toMatchObject({
      code: "FILE_EXISTS",
    });
  });

  test("runs of zeros become holes, and the size is kept", async () => {
    node.writeFileSync(`${root}/sparse`, "begin");
    node.truncateSync(`${root}/sparse`, 300e6);
    const known = { hash: sha256("begin"), sizeBytes: 300e6 };
    await bulk.copy(`${root}/sparse`, `${root}/known`, 0o444, { known });
    expect(node.statSync(`${root}/known`).blocks * 512).toBeLessThan(4e6);
    const { hash, sizeBytes } = await bulk.copy(`${root}/sparse`, `${root}/copy`, 0o444);
    const stat = node.statSync(`${root}/copy`);
    expect([sizeBytes, stat.size]).toEqual([300e6, 300e6]);
    expect(stat.blocks * 512).toBeLessThan(4e6);
    const expected = createHash("sha256").update("begin");
    const zeros = Buffer.alloc(1e6);
    expected.update(zeros.subarray(5));
    for (let i = 1; i < 300; i++) expected.update(zeros);
    expect(hash).toBe(expected.digest("hex"));
  });

  test("sealing makes the file ours and read-only, and refuses a symlink", async () => {
    node.writeFileSync(`${root}/f`, "theirs", { mode: 0o666 });
    if (process.getuid?.() === 0) node.chownSync(`${root}/f`, 65534, 65534);
    await bulk.hash(`${root}/f`, { seal: true });
    const stat = node.statSync(`${root}/f`);
    expect([stat.uid, stat.mode & 0o777]).toEqual([process.getuid?.(), 0o444]);
    node.symlinkSync("f", `${root}/link`);
    await expect(bulk.hash(`${root}/link`, { seal: true })).rejects.toMatchObject({ code: "FILE_IO" });
  });

  test("refusals have the codes of the file tree, and leave nothing behind", async () => {
    node.writeFileSync(`${root}/f`, "x");
    node.mkdirSync(`${root}/d`);
    await expect(bulk.hash(`${root}/missing`)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
    await expect(bulk.hash(`${root}/d`)).rejects.toMatchObject({ code: "FILE_IS_DIRECTORY" });
    await expect(bulk.hash("/dev/zero")).rejects.toMatchObject({ code: "FILE_IO" });
    await expect(bulk.copy(`${root}/f`, `${root}/missing/f`, 0o444)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
    await expect(bulk.copy(`${root}/f`, `${root}/f`, 0o444)).rejects.toMatchObject({ code: "FILE_EXISTS" });
    expect(node.readdirSync(root)).toEqual(["d", "f"]);
    expect(node.readFileSync(`${root}/f`, "utf8")).toBe("x");
  });
});
