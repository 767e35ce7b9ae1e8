import { expect, test } from "vitest";
import type { FarmExecutionView, FarmStatusReport, RnodeView } from "../../src/cli/farm-services.ts";
import { describeText, statusText } from "../../src/cli/verbs/farm-status.ts";

const plain = (text: string) => text;
const paint = { bold: plain, dim: plain, green: plain, red: plain } as never;

const rnode = (name: string, parts: Partial<RnodeView> = {}): RnodeView => ({
  ...{ name, state: "ready", reason: "", slots: 4, busy: 1, executor: "bubblewrap", labels: { pool: "a" } },
  ...{ version: "0.1.0", lastHeard: undefined },
  ...parts,
});
const execution = (name: string, parts: Partial<FarmExecutionView> = {}): FarmExecutionView => ({
  ...{
    name,
    action: "c".repeat(64),
    chore: "compile(a.c)",
    state: "queued",
    reason: "",
    rnodes: [],
    queuedAt: undefined,
  },
  ...{ startedAt: undefined, attempt: 1, who: "ada" },
  ...parts,
});
const report: FarmStatusReport = {
  leader: "boss",
  at: undefined,
  queued: 1,
  rnodes: [
    rnode("r1"),
    rnode("r2", { state: "quarantined", busy: 0, reason: "no space left; next probe in 30 s" }),
    rnode("r3", { state: "away", busy: 0, reason: "it is not connected" }),
  ],
  executions: [
    execution("executions/1", { state: "executing", rnodes: ["r1"] }),
    execution("executions/2", {
      chore: "link\u001b[31m",
      reason: "pending because all 4 slots of the rnode that could run it are taken",
    }),
  ],
};

test("the status names rnodes and executions, where they are or why they wait, and no control characters", () => {
  expect(statusText({ paint }, report)).toBe(
    [
      "leader boss: 2 rnodes and 1 away, 1 of 8 slots taken, 1 queued",
      "  r1  ready        1/4  bubblewrap  pool=a",
      "  r2  quarantined  0/4  bubblewrap  pool=a  no space left; next probe in 30 s",
      "  r3  away         0/4  bubblewrap  pool=a  it is not connected",
      "",
      "  executions/1  compile(a.c)  on r1",
      "  executions/2  link\\x1b[31m  pending because all 4 slots of the rnode that could run it are taken",
      "",
    ].join("\n"),
  );
});

test("a description has every decision with its time", () => {
  const decisions = [{ at: "2026-01-01T00:00:00Z", text: "placed on rnode r1: no other rnode had a free slot" }];
  expect(
    describeText({ paint }, { ...execution("executions/1", { state: "executing", rnodes: ["r1"] }), decisions }),
  ).toBe(
    [
      "executions/1",
      "  chore                 compile(a.c)",
      `  action                ${"c".repeat(64)}`,
      "  state                 on r1",
      "  for                   ada",
      "  attempt               1",
      "  2026-01-01T00:00:00Z  placed on rnode r1: no other rnode had a free slot",
      "",
    ].join("\n"),
  );
});
