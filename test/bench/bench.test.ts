import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const program = join(import.meta.dirname, "../../bench/run.mjs");
const scratch = mkdtempSync(join(tmpdir(), "begat-bench-test-"));
const env = { ...process.env, TMPDIR: scratch };

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/**
 * One measure of each way of measuring, a command, a bundle of its own, a contest, an engine, a study, a peer: all of them
 * together take minutes even in their small form.
 */
const MEASURES = ["startup", "evaluate", "cold-1000", "engine-10k", "schedule", "peer-make"];

/** How each of their rows begins, whatever this machine can measure. */
const ROWS = [
  "begat --version",
  "parse and evaluate 200 dictums",
  "cold, 20 x cp, process",
  "cold, 20 x cp, bubblewrap",
  "cold, 20 x cp, spawn server",
  "null, 50 chores, warm engine",
  "null, 50 chores, without the engine",
  "null, 50 chores, warm engine, its RSS",
  "makespan by lower bound, durations known to 30 %",
  "makespan by lower bound, nothing known, over all farms",
  "bytes moved by those of first-in-first-out, from 16 rnodes up",
  "50 interactive chores beside 10,000 others, by the same alone, 128 slots",
  "the same on 16 slots",
  "cold, 10 x cp",
  "nothing to do, 10 x cp",
  "one file changed, 10 x cp",
  "one file changed, begat's builder not asked, 10 x cp",
];

test("every goal has a row, and nothing is left behind", { timeout: 300_000 }, () => {
  const only = MEASURES.flatMap((name) => ["--only", name]);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "--quick", ...only], {
    env,
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  const rows = stdout.split("\n").filter((line) => line.startsWith("| "));
  // What a row says of each number of slots is no part of its name.
  const names = rows.map((row) =>
    row
      .split("|")[1]
      ?.trim()
      .replace(/ \(slots .*\)$/, ""),
  );
  expect(names).toEqual(["measure", ...ROWS]);
  // A number, or the reason why there is none.
  for (const row of rows.slice(1))
    expect(row).toMatch(/\d(?: ms\b| s\b| MB\b| KiB\b|\/s| ran\b)|\d\.\d\d\b|not measured/);
  expect(readdirSync(scratch)).toEqual([]);
});

test("a measure nobody knows is refused with the names of those there are", () => {
  const { status, stdout } = spawnSync(process.execPath, [program, "--only", "warp"], { encoding: "utf8" });
  expect(status).toBe(2);
  expect(stdout).toMatch(/^measures: .*\bnull-100k\b/);
});
