import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { NodeFileStreams } from "../../src/platform/index.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const scratch = scratchDirectory();
afterAll(() => scratch.dispose());
const streams = new NodeFileStreams();

test("writes piece by piece, with exactly the permissions asked for", () => {
  const old = process.umask(0o077);
  try {
    const sink = streams.create(`${scratch.path}/a`, 0o755);
    sink.write(Buffer.from("one "));
    sink.write(Buffer.from("two"));
    sink.close();
  } finally {
    process.umask(old);
  }
  expect(readFileSync(`${scratch.path}/a`, "utf8")).toBe("one two");
  expect(statSync(`${scratch.path}/a`).mode & 0o777).toBe(0o755);
});

test("reads from any position, and nothing past the end", () => {
  writeFileSync(`${scratch.path}/b`, "0123456789");
  const source = streams.open(`${scratch.path}/b`);
  const buffer = Buffer.alloc(4);
  expect(source.sizeBytes).toBe(10);
  expect(source.read(buffer, 3)).toBe(4);
  expect(buffer.toString()).toBe("3456");
  expect(source.read(buffer, 8)).toBe(2);
  expect(source.read(buffer, 10)).toBe(0);
  source.close();
});

const refused: readonly (readonly [string, () => unknown, string])[] = [
  ["to write over a file", () => streams.create(`${scratch.path}/there`, 0o644), "FILE_EXISTS"],
  ["to write where no directory is", () => streams.create(`${scratch.path}/none/x`, 0o644), "FILE_NOT_FOUND"],
  ["to read what is not there", () => streams.open(`${scratch.path}/none`), "FILE_NOT_FOUND"],
  ["to read a directory", () => streams.open(scratch.path), "FILE_IO"],
  ["to follow a link", () => streams.open(`${scratch.path}/link`), "FILE_IO"],
];
test.each(refused)("refuses %s", (_title, act, code) => {
  writeFileSync(`${scratch.path}/there`, "");
  try {
    symlinkSync("there", `${scratch.path}/link`);
  } catch {
    // An earlier case made it.
  }
  expect(act).toThrow(expect.objectContaining({ code }));
});
