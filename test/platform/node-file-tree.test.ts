import { execFileSync } from "node:child_process";
import * as node from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeFileTree } from "../../src/platform/index.ts";
import { fileTreeContract } from "../contracts/file-tree.contract.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

fileTreeContract("NodeFileTree", () => {
  const scratch = scratchDirectory();
  return { fs: new NodeFileTree(), root: scratch.path, dispose: scratch.dispose };
});

describe("NodeFileTree", () => {
  const fs = new NodeFileTree();
  let root: string;
  let dispose: () => void;

  beforeEach(() => {
    const scratch = scratchDirectory();
    root = scratch.path;
    dispose = scratch.dispose;
  });
  afterEach(() => dispose());

  test("a name that is no UTF-8 is listed without a kind; a name with U+FFFD of its own is a name", () => {
    node.writeFileSync(Buffer.concat([Buffer.from(`${root}/bad`), Buffer.from([0xff])]), "");
    node.writeFileSync(`${root}/own\ufffd`, "");
    expect(fs.readDirectory(root)).toEqual([
      { name: "bad\ufffd", kind: undefined },
      { name: "own\ufffd", kind: "file" },
    ]);
  });

  test("a directory with names that are no UTF-8 can be removed", () => {
    fs.makeDirectory(`${root}/d`);
    node.writeFileSync(Buffer.concat([Buffer.from(`${root}/d/`), Buffer.from([0xff, 0xfe])]), "");
    fs.remove(`${root}/d`);
    expect(fs.readDirectory(root)).toEqual([]);
  });

  test("a FIFO is refused rather than waited for", () => {
    execFileSync("mkfifo", [`${root}/fifo`]);
    expect(() => fs.readFile(`${root}/fifo`)).toThrow(expect.objectContaining({ code: "FILE_IO" }));
    expect(fs.lstat(`${root}/fifo`)?.kind).toBe("other");
  });

  test("a device is refused, a file of /proc is read although its size says 0", () => {
    expect(() => fs.readFile("/dev/null")).toThrow(expect.objectContaining({ code: "FILE_IO" }));
    expect(fs.readFile("/proc/self/stat").toString()).toMatch(new RegExp(`^${process.pid} `));
  });

  test("the system's own words stay in the cause", () => {
    try {
      fs.readFile(`${root}/missing`);
      expect.unreachable();
    } catch (error) {
      expect(((error as Error).cause as NodeJS.ErrnoException).code).toBe("ENOENT");
    }
  });

  test("a sparse file of 5 GB has its size", () => {
    node.writeFileSync(`${root}/sparse`, "");
    node.truncateSync(`${root}/sparse`, 5e9);
    expect(fs.stat(`${root}/sparse`)?.sizeBytes).toBe(5e9);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "as a plain user: refusals by code, and unreadable trees of one's own removed",
    () => {
      node.chmodSync(root, 0o777);
      process.setegid?.(65534);
      process.seteuid?.(65534);
      try {
        fs.makeDirectory(`${root}/d/e`);
        fs.writeFile(`${root}/d/e/f`, "", { mode: 0o000 });
        fs.setMode(`${root}/d/e`, 0o000);
        fs.setMode(`${root}/d`, 0o555);
        const denied = expect.objectContaining({ code: "FILE_ACCESS_DENIED" });
        expect(() => fs.readDirectory(`${root}/d/e`)).toThrow(denied);
        expect(() => fs.stat(`${root}/d/e/f`)).toThrow(denied);
        expect(() => fs.writeFile(`${root}/d/x`, "")).toThrow(denied);
        fs.remove(`${root}/d`);
        expect(fs.readDirectory(root)).toEqual([]);
      } finally {
        process.seteuid?.(0);
        process.setegid?.(0);
      }
    },
  );

  test("200,000 statInto calls hold on to no memory", () => {
    fs.writeFile(`${root}/f`, "");
    const numbers = new Float64Array(5);
    const path = `${root}/f`;
    for (let i = 0; i < 200_000; i++) fs.statInto(path, numbers, 0);
    expect(process.memoryUsage().heapUsed).toBeLessThan(256e6);
  });
});
