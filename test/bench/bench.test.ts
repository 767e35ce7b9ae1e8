import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const program = join(import.meta.dirname, "../../bench/run.mjs");
const scratch = mkdtempSync(join(tmpdir(), "begat-bench-test-"));
const env = { ...process.env, TMPDIR: scratch };

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Every goal has its row, whatever this machine can measure; how each begins. */
const ROWS = [
  "begat --version",
  "parse and evaluate 200 dictums",
  "sign and record one execution, CPU",
  "verified and durable, records a second",
  "verified and durable, a record, CPU",
  "ledger verify, 205 records a second of CPU",
  "ledger verify --no-signatures, 205 records a second of CPU",
  "prov show, new process, of 409 records",
  "prov show, warm, of 409 records",
  "reverse closure of a source, an execution, CPU",
  "reverse closure of what all 400 used, an execution, CPU",
  "reindex of 409 records, records a second of CPU",
  "proof of an artifact, of 409 records",
  "verify a proof, new process",
  "cold, 20 x cp, process",
  "cold, 20 x cp, bubblewrap",
  "chain of 5, a step, bubblewrap",
  "chain of 5, a step, process",
  "cold, 10 layers x 3, process",
  "null, 10 layers x 3",
  "cold, C project of 4 files, bubblewrap",
  "cold, 2 x 1 MiB cp + sha256sum, process",
  "cold, 2 x 1 MiB cp + sha256sum, bubblewrap",
  "restored, 2 x 1 MiB",
  "null, 50 chores, new process",
  "null, 20 chores, new process",
  "one leaf of 20 changed, process",
  "one leaf of 20 changed, usual executor",
  "outputs of 20 chores restored",
  "one source touched, not changed",
  "null, 100 chores, new process",
  "null, 100 chores, new process, peak RSS",
  "null, 50 chores, warm engine",
  "null, 50 chores, warm engine, its RSS",
  "null, 100 chores, warm engine",
  "null, 100 chores, warm engine, its RSS",
  "watch, 100 chores: save to build begun",
  "watch, 100 chores: save to recipe started",
  "gcc image, packages fetched, nothing unpacked",
  "gcc image, all packages unpacked",
  "gcc image, nothing changed",
  "bubblewrap over plain processes, 100 inputs, least wall",
  "bubblewrap over plain processes, 100 inputs, CPU",
  "1,000 inputs of 10 KB staged and removed, over none",
  "docker, a container for a chore",
  "docker, a chore in a standing container",
  "makespan by lower bound, durations known to 30 %",
  "makespan by lower bound, nothing known",
  "bytes moved by those of first-in-first-out, from 16 rnodes up",
  "50 interactive chores beside 10,000 others, by the same alone",
  "50 hits through a leader",
  "the leader's own processor time for a hit",
  "a leader with 50 queued executions, each with its stream",
  "a blob of 4 MB through ByteStream, written, MB a second",
  "a blob of 4 MB through ByteStream, read, MB a second",
  "a blob of 4 MB through ByteStream, peak RSS of either side",
  "cold, 20 x cp, two rnodes on this machine, time by that without a farm",
];

test("every goal has a row, and nothing is left behind", { timeout: 300_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "--quick"], { env, encoding: "utf8" });
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
