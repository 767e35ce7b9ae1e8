import type { Sha256 } from "../../src/base/index.ts";
import type { BuildEvent, BuildSummary, ChoreName, FailureReport } from "../../src/scheduler/index.ts";

const hash = (digit: string) => digit.repeat(64) as Sha256;

export function chore(index: number, label: string, ...outputs: string[]): ChoreName {
  return { index, label, outputs };
}

export const COMPILE_A = chore(0, "compile(src/a.c)", "obj/a.o");
export const COMPILE_B = chore(1, "compile(src/b.c)", "obj/b.o");
export const COMPILE_C = chore(2, "compile(src/c.c)", "obj/c.o");
export const LINK = chore(3, "link(prog)", "prog");
export const DOCS = chore(4, "docs(manual)", "docs/");

export function summary(changes: Partial<BuildSummary> = {}): BuildSummary {
  return {
    outcome: "ok",
    planned: 5,
    executed: 0,
    cached: 0,
    failed: 0,
    skipped: 0,
    settled: 0,
    materialised: 0,
    checked: 0,
    differing: 0,
    durationMs: 1240,
    level: "contained",
    ledgerSize: 1234,
    dryRun: false,
    ...changes,
  };
}

export function failure(changes: Partial<FailureReport> = {}): FailureReport {
  return {
    chore: COMPILE_B,
    verdict: "exit",
    detail: "exit 1",
    hint: undefined,
    decision: { reason: "input changed", input: "include/x.h", from: hash("4"), to: hash("9"), was: 7 },
    at: "begatfile:14:1",
    repeat: "begat build obj/b.o",
    stdout: "",
    stderr: "src/b.c:3:10: \x1b[31merror\x1b[0m: 'x' undeclared\n    3 |   return x;\n      |          ^\n",
    durationMs: 81,
    undeclared: [],
    ...changes,
  };
}

/** Everything that can be told, at least once. */
export const FAILED_BUILD: readonly BuildEvent[] = [
  { type: "waiting", pid: 4711 },
  { type: "fetching", name: "lua", what: "deb-src lua5.4" },
  { type: "fetched", name: "lua", version: "5.4.4-3", sizeBytes: 361_000, lockChanged: true },
  { type: "notice", severity: "warning", code: "EXECUTOR_WEAK", message: "bubblewrap is missing", hint: "install it" },
  {
    type: "build-started",
    build: "b1",
    targets: ["all"],
    planned: 5,
    jobs: 4,
    executor: "bubblewrap",
    level: "contained",
  },
  { type: "progress", decided: 0, planned: 5, running: 0, remainingMs: 12_000 },
  {
    type: "chore-started",
    chore: COMPILE_A,
    decision: { reason: "new" },
    expectedMs: undefined,
    interactive: false,
    atMs: 1,
  },
  {
    type: "chore-started",
    chore: COMPILE_B,
    decision: { reason: "input changed", input: "include/x.h", from: hash("4"), to: hash("9"), was: 7 },
    expectedMs: 80,
    interactive: false,
    atMs: 2,
  },
  { type: "chore-output", chore: COMPILE_A, stream: "stderr", text: "src/a.c: warn" },
  { type: "chore-output", chore: COMPILE_A, stream: "stderr", text: "ing: odd\n" },
  {
    type: "chore-finished",
    chore: COMPILE_A,
    decision: { reason: "new" },
    durationMs: 213,
    changed: true,
    stdout: "",
    stderr: "src/a.c: warning: odd\n",
    undeclared: ["a.tmp"],
  },
  { type: "chore-failed", failure: failure() },
  { type: "chore-cached", chore: COMPILE_C, seq: 41, decision: { reason: "cached", seq: 41 } },
  { type: "chore-skipped", chore: LINK, because: "compile(src/b.c) failed" },
  {
    type: "chore-finished",
    chore: DOCS,
    decision: { reason: "variable changed", name: "TITLE", from: "a", to: "b", was: undefined },
    durationMs: 4200,
    changed: false,
    stdout: "",
    stderr: "",
    undeclared: [],
  },
  { type: "materialised", path: "obj/a.o", hash: hash("a") },
  {
    type: "build-finished",
    summary: summary({ outcome: "failed", executed: 2, cached: 1, failed: 1, skipped: 1, durationMs: 5100 }),
  },
];

/** A failure with everything that can be said about what it lacked. */
export const EXPLAINED_FAILURE: readonly BuildEvent[] = [
  {
    type: "chore-failed",
    failure: failure({
      hint: "the recipe sees only what in[] declares, and the host's tools",
      explanation: [
        { kind: "file", path: "include/x.h" },
        { kind: "output", path: "gen/y.h", madeBy: "generate(y)" },
        { kind: "package", path: "/usr/include/zlib.h", package: "zlib1g-dev", image: "cc" },
        { kind: "package", path: "/usr/bin/bison", package: "bison", image: "host" },
      ],
    }),
  },
];

/** Chores that were executed a second time, and everything that can be said about how they came out. */
export const CHECKED_BUILD: readonly BuildEvent[] = [
  {
    type: "chore-checked",
    chore: COMPILE_A,
    verdict: "match",
    difference: undefined,
    because: undefined,
    of: 4,
    record: { seq: 12, leaf: "5e".repeat(32) },
  },
  ...(
    [
      { kind: "bytes", path: "obj/b.o", offset: 1_200, first: 0x0a, second: 0xff },
      { kind: "bytes", path: "docs", member: "a b.html", offset: 3, first: undefined, second: 0x20 },
      { kind: "bytes", path: "obj/b.o", offset: 0, first: 0x7f, second: undefined },
      { kind: "missing", path: "docs", member: "x" },
      { kind: "extra", path: "docs", member: "y" },
      { kind: "kind", path: "z" },
      { kind: "link", path: "z" },
      { kind: "mode", path: "z" },
      { kind: "failed", path: "", detail: "exit 3" },
    ] as const
  ).map(
    (difference): BuildEvent => ({
      type: "chore-checked",
      chore: COMPILE_B,
      verdict: "differ",
      difference,
      because: undefined,
      of: 5,
      record: { seq: 13, leaf: "6f".repeat(32) },
    }),
  ),
  {
    type: "chore-checked",
    chore: LINK,
    verdict: "unchecked",
    difference: undefined,
    because: "input changed after it was hashed: src/a.c",
    of: undefined,
    record: undefined,
  },
  { type: "build-finished", summary: summary({ outcome: "failed", executed: 3, checked: 2, differing: 1 }) },
];

export const DRY_RUN: readonly BuildEvent[] = [
  { type: "build-started", build: "b2", targets: ["prog"], planned: 5, jobs: 4, executor: "process", level: "none" },
  { type: "chore-planned", chore: COMPILE_A, decision: { reason: "recipe changed", was: 3 } },
  { type: "chore-planned", chore: LINK, decision: { reason: "maybe", after: "compile(src/a.c)" } },
  { type: "build-finished", summary: summary({ dryRun: true, settled: 3, ledgerSize: undefined }) },
];

export const REFUSED: readonly BuildEvent[] = [
  {
    type: "diagnostics",
    diagnostics: [
      {
        code: "EVAL_UNKNOWN_VARIABLE",
        severity: "error",
        at: { file: "begatfile", line: 14, column: 16 },
        length: 7,
        message: "no variable CFLAGZ",
        line: "    import [ \t$CFLAGZ ]",
        hint: 'did you mean "CFLAGS"?',
        notes: [{ at: { file: "begatfile", line: 3, column: 5 }, message: "CFLAGS is defined here" }],
      },
      {
        code: "PARSE_UNUSED",
        severity: "warning",
        at: { file: "begatfile", line: 2, column: 1 },
        length: 3,
        message: "variable X is never used",
        line: "var X = 1",
        notes: [],
      },
    ],
  },
  { type: "build-finished", summary: summary({ outcome: "refused", planned: 0, ledgerSize: undefined }) },
];
