import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import type { ProcessTable } from "../../src/cache/index.ts";
import { NodeProcessTable } from "../../src/platform/index.ts";

const table: ProcessTable = new NodeProcessTable();

test("this process is alive, under its own start time", () => {
  expect(table.self.pid).toBe(process.pid);
  expect(table.isAlive(table.self)).toBe(true);
});

test("an id that was handed out again is another process", () => {
  expect(table.isAlive({ ...table.self, startedAt: table.self.startedAt + 1 })).toBe(false);
});

test("a process that has ended is gone, with and without a start time", () => {
  const { pid } = spawnSync("true");
  expect(table.isAlive({ pid, startedAt: 0 })).toBe(false);
  expect(table.isAlive({ pid, startedAt: 12345 })).toBe(false);
});

test("another user's process counts as alive", () => {
  expect(table.isAlive({ pid: 1, startedAt: 0 })).toBe(true);
});
