import { describe, expect, it } from "vitest";
import { palette } from "../../src/cli/render/colour.ts";
import { createJsonRenderer } from "../../src/cli/render/json.ts";
import { LiveState } from "../../src/cli/render/live-state.ts";
import { createNarrator, type NarratorOptions } from "../../src/cli/render/narrator.ts";
import { createPlainRenderer } from "../../src/cli/render/plain.ts";
import { reasonInFull, reasonText } from "../../src/cli/render/reason.ts";
import { summaryLine } from "../../src/cli/render/summary.ts";
import { count, newTally, position } from "../../src/cli/render/tally.ts";
import { renderDiagnostic } from "../../src/dictum-parser/index.ts";
import type { BuildEvent, BuildSummary, Decision } from "../../src/scheduler/index.ts";
import { ManualTicker, MemoryOutput } from "../support/fake-host.ts";
import {
  CHECKED_BUILD,
  COMPILE_A,
  chore,
  DRY_RUN,
  EXPLAINED_FAILURE,
  FAILED_BUILD,
  failure,
  LINK,
  REFUSED,
  summary,
} from "../support/scripted-events.ts";

function plain(events: readonly BuildEvent[], options: Partial<NarratorOptions> = {}): string {
  const output = new MemoryOutput();
  const narrator = createNarrator({
    paint: palette(false),
    drawDiagnostic: renderDiagnostic,
    quiet: false,
    verbose: false,
    lineBudget: Number.POSITIVE_INFINITY,
    ...options,
  });
  const renderer = createPlainRenderer(output, narrator, new ManualTicker().every);
  for (const event of events) renderer.onEvent(event);
  renderer.finish();
  return output.text;
}

const views: readonly (readonly [name: string, events: readonly BuildEvent[], options: Partial<NarratorOptions>])[] = [
  ["plain-failed", FAILED_BUILD, {}],
  ["plain-failed-colour", FAILED_BUILD, { paint: palette(true) }],
  ["plain-failed-quiet", FAILED_BUILD, { quiet: true }],
  ["plain-failed-verbose", FAILED_BUILD, { verbose: true }],
  ["plain-explained", EXPLAINED_FAILURE, {}],
  ["plain-checked", CHECKED_BUILD, {}],
  ["plain-checked-verbose", CHECKED_BUILD, { verbose: true }],
  ["plain-dry-run", DRY_RUN, {}],
  ["plain-refused", REFUSED, {}],
];
describe("plain lines", () => {
  for (const [name, events, options] of views) {
    it(name, () => expect(plain(events, options)).toMatchFileSnapshot(`golden/${name}.txt`));
  }

  it("says nothing at all about a good build when quiet", () => {
    const good = FAILED_BUILD.filter((event) => event.type === "chore-finished" || event.type === "chore-cached");
    const end: BuildEvent = { type: "build-finished", summary: summary({ executed: 2, cached: 1 }) };
    expect(plain([...good, end], { quiet: true })).toBe("");
  });

  it("keeps a name from forging lines", () => {
    const forged = chore(0, "run(\nbuilt: 9 executed\x1b[2J)", "x");
    const text = plain([{ type: "chore-failed", failure: failure({ chore: forged, stderr: "" }) }]);
    expect(text.split("\n")[0]).toBe("failed run(\\nbuilt: 9 executed\\x1b[2J): exit 1  0.08s");
  });

  it("names both streams where both have something, and cuts what is long", () => {
    const long = `${Array.from({ length: 400 }, (_, i) => `line ${i}`).join("\n")}\n`;
    const text = plain([
      { type: "chore-failed", failure: failure({ stdout: long, stderr: "bad\n", hint: "declare y.h" }) },
    ]);
    expect(text).toContain("  -- stdout --\nline 0\n");
    expect(text).toContain(
      "line 49\n  -- 250 lines, 2.1 KiB, left out; the whole: begat log 'compile(src/b.c)' --\nline 300\n",
    );
    expect(text).toContain("line 399\n  -- stderr --\nbad\n");
    expect(text).toContain("\n  hint    declare y.h\n");
  });

  it("gives the first chores a line each on a terminal and counts the others", () => {
    const events = Array.from(
      { length: 5 },
      (_, i): BuildEvent => ({
        type: "chore-finished",
        chore: chore(i, `run(${i})`),
        decision: { reason: "new" },
        durationMs: 10,
        changed: true,
        stdout: "",
        stderr: i === 4 ? "warning: late\n" : "",
        undeclared: [],
      }),
    );
    const start = FAILED_BUILD.find((event) => event.type === "build-started");
    expect(start).toBeDefined();
    const text = plain([start as BuildEvent, ...events], { lineBudget: 2 });
    expect(text).toBe(
      "[1/5] run(0)  0.01s  new\n[2/5] run(1)  0.01s  new\n" +
        "further chores are only counted; --verbose gives each its line\n" +
        "[5/5] run(4)  0.01s  new\nwarning: late\n",
    );
  });

  it("gathers lines, but shows failures at once", () => {
    const output = new MemoryOutput();
    const ticker = new ManualTicker();
    const narrator = createNarrator({
      paint: palette(false),
      drawDiagnostic: renderDiagnostic,
      quiet: false,
      verbose: false,
      lineBudget: 1e9,
    });
    const renderer = createPlainRenderer(output, narrator, ticker.every);
    const fetching: BuildEvent = { type: "fetching", name: "x", what: "npm x" };
    for (let i = 0; i < 1000; i++) renderer.onEvent(fetching);
    expect(output.writes.length).toBe(0);
    ticker.advance(50);
    expect(output.writes.length).toBe(1);
    expect(ticker.active).toBe(0);
    renderer.onEvent({ type: "chore-failed", failure: failure() });
    expect(output.writes.length).toBe(2);
  });
});

describe("JSON lines", () => {
  it("has every event, whole, one a line", () => {
    const output = new MemoryOutput();
    const renderer = createJsonRenderer(output, new ManualTicker().every);
    const all = [...FAILED_BUILD, ...DRY_RUN, ...REFUSED];
    for (const event of all) renderer.onEvent(event);
    renderer.finish();
    const lines = output.text.trimEnd().split("\n");
    expect(lines.length).toBe(all.length);
    const nulled = (value: unknown) =>
      JSON.parse(JSON.stringify(value, (_, v: unknown) => (v === undefined ? null : v)));
    expect(lines.map((line) => JSON.parse(line))).toEqual(all.map((event) => nulled({ v: 1, ...event })));
  });

  it("keeps its form", () => {
    const output = new MemoryOutput();
    const renderer = createJsonRenderer(output, new ManualTicker().every);
    for (const event of FAILED_BUILD) renderer.onEvent(event);
    renderer.finish();
    return expect(output.text).toMatchFileSnapshot("golden/json-failed.jsonl");
  });
});

const summaries: readonly (readonly [name: string, changes: Partial<BuildSummary>, line: string])[] = [
  ["null build", { settled: 5, ledgerSize: undefined }, "nothing to do: 5 chores up to date  (1.2s)"],
  ["no chores", { planned: 0 }, "nothing to do: no chores  (1.2s, ledger 1,234 records)"],
  ["all cached", { cached: 5 }, "nothing to do: 5 chores up to date  (1.2s, ledger 1,234 records)"],
  [
    "restored",
    { cached: 5, materialised: 2 },
    "restored: 2 artifacts from the cache, nothing had to be executed  (1.2s, ledger 1,234 records)",
  ],
  [
    "built",
    { executed: 3, cached: 1, settled: 1 },
    "built: 3 executed, 1 cached, 1 up to date  (1.2s, level contained, ledger 1,234 records)",
  ],
  [
    "cancelled",
    { outcome: "cancelled", executed: 1 },
    "cancelled: 1 executed, 4 not reached  (1.2s, level contained, ledger 1,234 records)",
  ],
  [
    "failed",
    { outcome: "failed", failed: 1, skipped: 4 },
    "failed: 1 failed, 0 executed, 4 skipped  (1.2s, level contained, ledger 1,234 records)",
  ],
  ["refused", { outcome: "refused", ledgerSize: undefined }, "nothing was built  (1.2s)"],
  [
    "dry run",
    { dryRun: true, settled: 5, ledgerSize: undefined },
    "dry run: nothing to do, 5 chores up to date  (1.2s)",
  ],
];
describe("the last line", () => {
  for (const [name, changes, line] of summaries) {
    it(name, () => expect(summaryLine(summary(changes), newTally(), palette(false))).toBe(`${line}\n`));
  }
});

const a = "a".repeat(64);
const b = "b".repeat(64);
const reasons: readonly (readonly [decision: Decision, short: string, full: string])[] = [
  [{ reason: "settled" }, "up to date", "up to date"],
  [{ reason: "cached", seq: 3 }, "cached (record 3)", "cached (record 3)"],
  [{ reason: "new" }, "new", "new"],
  [
    { reason: "input changed", input: "x.h", from: a, to: b, was: 7 },
    "input changed: x.h",
    "input changed: x.h (aaaaaaaaaaaa -> bbbbbbbbbbbb, since record 7)",
  ],
  [
    { reason: "image changed", from: a, to: b, was: undefined },
    "image changed",
    "image changed (aaaaaaaaaaaa -> bbbbbbbbbbbb)",
  ],
  [{ reason: "recipe changed", was: 2 }, "recipe changed", "recipe changed (since record 2)"],
  [
    { reason: "variable changed", name: "V", from: "", to: "x".repeat(99), was: 1 },
    "variable changed: V",
    `variable changed: V ("" -> ${"x".repeat(57)}..., since record 1)`,
  ],
  [
    { reason: "declaration changed", what: "outputs", was: undefined },
    "declaration changed: outputs",
    "declaration changed: outputs",
  ],
  [{ reason: "evicted", output: "a\nb" }, "evicted: a\\nb", "evicted: a\\nb"],
  [{ reason: "forced" }, "forced", "forced"],
  [{ reason: "volatile" }, "volatile", "volatile"],
  [{ reason: "untrusted", because: "key unknown" }, "untrusted: key unknown", "untrusted: key unknown"],
  [{ reason: "quarantined", because: "bad" }, "quarantined: bad", "quarantined: bad"],
  [{ reason: "challenge" }, "challenge", "challenge"],
];
describe("reasons", () => {
  for (const [decision, short, full] of reasons) {
    it(decision.reason, () => expect([reasonText(decision), reasonInFull(decision)]).toEqual([short, full]));
  }
});

describe("the live view's layout", () => {
  const start = (index: number, label: string, expectedMs?: number): BuildEvent => ({
    type: "chore-started",
    chore: chore(index, label),
    decision: { reason: "new" },
    expectedMs,
    interactive: false,
    atMs: 0,
  });
  const begin = (planned: number): BuildEvent => ({
    type: "build-started",
    build: "b",
    targets: ["all"],
    planned,
    jobs: 4,
    executor: "process",
    level: "none",
  });
  function state(events: readonly (readonly [atMs: number, event: BuildEvent])[]): LiveState {
    const narrator = createNarrator({
      paint: palette(false),
      drawDiagnostic: renderDiagnostic,
      quiet: false,
      verbose: false,
      lineBudget: 0,
    });
    const live = new LiveState(narrator.tally, 0);
    for (const [atMs, event] of events) {
      narrator.tell(event);
      live.apply(event, atMs);
    }
    return live;
  }
  it("counts a chore once, also where its result was lost and it runs again", () => {
    const tally = newTally();
    const events: BuildEvent[] = [
      begin(3),
      { type: "chore-cached", chore: chore(0, "lost"), seq: 1, decision: { reason: "cached", seq: 1 } },
      { type: "chore-cached", chore: chore(300, "kept"), seq: 2, decision: { reason: "cached", seq: 2 } },
      {
        type: "chore-finished",
        chore: chore(0, "lost"),
        decision: { reason: "evicted", output: "o" },
        durationMs: 1,
        changed: false,
        stdout: "",
        stderr: "",
        undeclared: [],
      },
    ];
    for (const event of events) count(tally, event);
    expect(position(tally)).toBe("[2/3]");
  });

  const text = (live: LiveState, nowMs: number, columns: number, rows: number) =>
    live.layout(nowMs, columns, rows).map(({ pieces }) => pieces.map((piece) => piece.text).join(""));

  it("shows what runs, oldest first, and counts", () => {
    const live = state([
      [0, begin(40)],
      [100, start(1, "compile(src/a.c)")],
      [200, start(2, "compile(src/b.c)", 1000)],
      [300, { type: "progress", decided: 12, planned: 40, running: 2, remainingMs: 60_400 }],
    ]);
    expect(text(live, 6200, 80, 24)).toEqual([
      "  6.1s  compile(src/a.c)  new",
      "  6.0s  compile(src/b.c)  usually 1.0s  new",
      "[12/40] 2 running  6.2s, about 55s left",
    ]);
  });

  it("counts what was given to a farm apart, which may be queued there", () => {
    const there = (index: number): BuildEvent => {
      return {
        ...start(index, `run(${index})`),
        place: { on: "farm", because: "no slot was free here" },
      } as BuildEvent;
    };
    const far = state([
      [0, begin(9)],
      [0, there(1)],
      [0, there(2)],
    ]);
    expect(text(far, 1000, 80, 24).at(-1)).toBe("[0/9] 2 at the farm  1.0s");
    const both = state([
      [0, begin(9)],
      [0, there(1)],
      [0, start(0, "run(0)")],
      [0, there(2)],
    ]);
    expect(text(both, 1000, 80, 5).at(-1)).toBe("[0/9] 1 running, 2 at the farm (1 not shown)  1.0s");
  });

  it("leaves out what does not fit, the least worth first", () => {
    const live = state([
      [0, begin(1000)],
      [0, { type: "chore-failed", failure: failure() }],
      [0, { type: "chore-cached", chore: LINK, seq: 4, decision: { reason: "cached", seq: 4 } }],
      [0, start(5, "compile(a/very/long/directory/of/sources/file.c)")],
      [0, { type: "progress", decided: 2, planned: 1000, running: 1, remainingMs: 3_700_000 }],
    ]);
    expect(text(live, 1000, 80, 24).at(-1)).toBe("[   2/1000] 1 failed, 1 running  1.0s, about 1h02m left, 1 cached");
    expect(text(live, 1000, 40, 24)).toEqual([
      "  1.0s  compile(a/…y/of/sources/file.c)  new",
      "[   2/1000] 1 failed, 1 running  1.0s",
    ]);
    expect(text(live, 1000, 20, 24).at(-1)).toBe("[   2/1000]");
  });

  it("is never as high as the terminal, and says how many it hides", () => {
    const many = Array.from({ length: 100 }, (_, i) => [0, start(i, `run(${i})`)] as const);
    const live = state([[0, begin(100)], ...many]);
    for (const rows of [3, 5, 10, 24, 200]) {
      const lines = text(live, 1000, 80, rows);
      expect(lines.length).toBeLessThan(Math.min(rows, 20));
      expect(lines.at(-1)).toContain(`100 running (${101 - lines.length} not shown)`);
    }
  });

  it("says what it waits for, what it fetches, and that it is being cancelled", () => {
    const waiting = state([[0, { type: "waiting", pid: 12 }]]);
    expect(text(waiting, 3000, 80, 24)).toEqual(["waiting for the build of process 12  3.0s"]);
    const fetching = state([[0, { type: "fetching", name: "lua", what: "deb-src lua5.4" }]]);
    expect(text(fetching, 3000, 80, 24)).toEqual(["  3.0s  fetching lua  deb-src lua5.4", "fetching  3.0s"]);
    const made = state([
      [0, { type: "fetching", name: "gcc", what: "to choose from" }],
      [0, begin(2)],
      [0, start(0, "image(gcc)")],
      [1, { type: "fetching", name: "gcc", what: "62 packages" }],
      [2, { type: "chore-cached", chore: chore(0, "image(gcc)"), seq: 1, decision: { reason: "cached", seq: 1 } }],
    ]);
    expect(text(made, 3000, 80, 24)).toEqual(["[1/2]  3.0s, 1 cached"]);
    fetching.cancel();
    expect(text(fetching, 3000, 80, 24).at(-1)).toBe("fetching cancelling  3.0s");
    const finished = state([
      [0, begin(1)],
      [0, start(0, "compile(src/a.c)")],
      [9, { type: "chore-cached", chore: COMPILE_A, seq: 1, decision: { reason: "cached", seq: 1 } }],
    ]);
    expect(text(finished, 10, 80, 24)).toEqual(["[1/1]  0.01s, 1 cached"]);
  });
});
