import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { runCommand, type Services } from "../../src/cli/index.ts";
import type { BuildEvent, EventListener } from "../../src/scheduler/index.ts";
import { FakeHost, MemoryOutput } from "../support/fake-host.ts";
import { chore, failure, summary } from "../support/scripted-events.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** A small terminal: what a person would see after all that was written. Knows what the live view uses. */
function screen(text: string, columns: number): string[] {
  const lines: string[] = [""];
  let row = 0;
  let column = 0;
  for (const [piece] of text.matchAll(/\x1b\[[?0-9;]*[A-Za-z]|[\s\S]/gu)) {
    const control = /^\x1b\[(\??[0-9;]*)([A-Za-z])$/.exec(piece);
    if (control !== null) {
      const count = Number(control[1]) || 1;
      if (control[2] === "A") row = Math.max(0, row - count);
      else if (control[2] === "G") column = count - 1;
      else if (control[2] === "K") lines[row] = control[1] === "2" ? "" : (lines[row] ?? "").slice(0, column);
      else if (control[2] === "E") row += count;
      else if (control[2] !== "m" && !/^\?/.test(control[1] ?? "")) throw new Error(`unknown ${JSON.stringify(piece)}`);
    } else if (piece === "\n") {
      row++;
      column = 0;
    } else {
      if (column === columns) {
        row++;
        column = 0;
      }
      const line = (lines[row] ?? "").padEnd(column);
      lines[row] = line.slice(0, column) + piece + line.slice(column + 1);
      column++;
    }
    while (lines.length <= row) lines.push("");
  }
  // What was erased below the cursor is not there to be seen.
  while (lines.at(-1) === "") lines.pop();
  return lines.map((line) => line.trimEnd());
}

let live: typeof import("../../src/cli/render/live.tsx");
beforeAll(async () => {
  // Ink looks at CI once, when it is loaded, and then draws the last picture only.
  const before = process.env.CI;
  process.env.CI = "false";
  live = await import("../../src/cli/render/live.tsx");
  if (before === undefined) delete process.env.CI;
  else process.env.CI = before;
});

const open: (() => void)[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end();
});

/** A build whose events the test sends; the live view is loaded whenever it is asked for. */
async function start(columns = 80, rows = 24, line: readonly string[] = ["build"], env: Record<string, string> = {}) {
  let listener: EventListener = () => {};
  let end: (event: BuildEvent & { type: "build-finished" }) => void = () => {};
  let begun: () => void = () => {};
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const build: Services["build"] = (_options, tell, signal) =>
    new Promise((resolve) => {
      listener = tell;
      begun();
      end = (event) => {
        tell(event);
        resolve(event.summary);
      };
      signal.addEventListener("abort", () =>
        end({ type: "build-finished", summary: summary({ outcome: "cancelled", executed: 1 }) }),
      );
    });
  const output = new MemoryOutput({ isTerminal: true, columns, rows });
  const host = new FakeHost({ build }, output);
  Object.assign(host.env, env);
  let loads = 0;
  host.loadLive = async () => {
    loads++;
    return live;
  };
  const exitCode = runCommand([...line, "--no-color"], host);
  await hasBegun;
  const finish = async (changes: Parameters<typeof summary>[0] = { executed: 1 }) => {
    end({ type: "build-finished", summary: summary(changes) });
    return exitCode;
  };
  open.push(() => end({ type: "build-finished", summary: summary() }));
  return {
    output,
    host,
    exitCode,
    finish,
    loads: () => loads,
    tell: (event: BuildEvent) => listener(event),
    /** Moves the clock and lets everything that waits for a turn have it. */
    advance: async (ms: number) => {
      host.ticker.advance(ms);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    },
    shown: () => screen(output.text, output.columns()),
  };
}

const begin: BuildEvent = {
  type: "build-started",
  build: "b",
  targets: ["all"],
  planned: 40,
  jobs: 4,
  executor: "bubblewrap",
  level: "contained",
};
const started = (index: number, label = `run(${index})`): BuildEvent => ({
  type: "chore-started",
  chore: chore(index, label),
  decision: { reason: "new" },
  expectedMs: undefined,
  interactive: false,
  atMs: 0,
});
const finished = (index: number): BuildEvent => ({
  type: "chore-finished",
  chore: chore(index, `run(${index})`),
  decision: { reason: "new" },
  durationMs: 5,
  changed: true,
  stdout: "",
  stderr: "",
  undeclared: [],
});

describe("the live view", () => {
  it("is never loaded for a short build", async () => {
    const view = await start();
    view.tell(begin);
    view.tell(finished(0));
    await view.advance(299);
    expect(await view.finish()).toBe(0);
    expect(view.loads()).toBe(0);
    expect(view.output.text).toBe(
      "[ 1/40] run(0)  0.01s  new\nbuilt: 1 executed  (1.2s, level contained, ledger 1,234 records)\n",
    );
    expect(view.host.ticker.active).toBe(0);
  });

  it("draws what runs below what has been said, and leaves only that", async () => {
    const view = await start();
    view.tell(begin);
    view.tell(started(0));
    view.tell(started(1));
    await view.advance(300);
    await view.advance(100);
    expect(view.loads()).toBe(1);
    // Ink draws in a timer of its own.
    await expect.poll(view.shown).toEqual([" 0.40s  run(0)  new", " 0.40s  run(1)  new", "[ 0/40] 2 running  0.40s"]);
    view.tell(finished(0));
    view.tell({ type: "chore-failed", failure: failure({ chore: chore(1, "run(1)"), stderr: "bad\n" }) });
    view.tell(started(2));
    await view.advance(100);
    const said = [
      "[ 1/40] run(0)  0.01s  new",
      "failed run(1): exit 1  0.08s",
      "  at      begatfile:14:1",
      "  ran     input changed: include/x.h (444444444444 -> 999999999999, since record",
      " 7)",
      "  repeat  begat build obj/b.o",
      "bad",
    ];
    await expect.poll(view.shown).toEqual([...said, " 0.10s  run(2)  new", "[ 2/40] 1 failed, 1 running  0.50s"]);
    expect(await view.finish({ outcome: "failed", executed: 1, failed: 1 })).toBe(1);
    const last = "failed: 1 failed, 1 executed  (1.2s, level contained, ledger 1,234 records)";
    expect(view.shown()).toEqual([...said, last]);
    expect(view.output.text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(view.output.text.lastIndexOf(HIDE_CURSOR));
    expect([view.host.ticker.active, view.output.watchers]).toEqual([0, 0]);
  });

  it("draws at most ten pictures a second, whatever happens", async () => {
    const view = await start();
    view.tell(begin);
    await view.advance(300);
    const before = view.output.writes.length;
    for (let i = 0; i < 10_000; i++) {
      view.tell(started(i));
      view.tell({ type: "chore-cached", chore: chore(i, `run(${i})`), seq: i, decision: { reason: "cached", seq: i } });
    }
    await view.advance(1000);
    // A picture may be written in two parts: what scrolls, what stands.
    expect(view.output.writes.length - before).toBeLessThanOrEqual(20);
    await view.finish();
  });

  it("follows the terminal's size and never fills its height", async () => {
    const view = await start(80, 12);
    view.tell(begin);
    for (let i = 0; i < 30; i++) view.tell(started(i, `compile(some/directory/with/a/long/name/file-${i}.c)`));
    await view.advance(300);
    await view.advance(100);
    await expect.poll(() => view.shown().length).toBe(10);
    view.output.resize(40, 8);
    await view.advance(100);
    const picture = () => view.output.text.slice(view.output.text.lastIndexOf("\x1b[G"));
    await expect.poll(() => picture().split("\n").length).toBeLessThanOrEqual(8);
    const last = picture();
    for (const line of screen(last, 1000)) expect(line.length).toBeLessThan(40);
    // Clearing screen and scrollback would take what was there before begat.
    expect(view.output.text).not.toContain("\x1b[2J");
    expect(view.output.text).not.toContain("\x1b[3J");
    await view.finish();
  });

  it("gives the cursor back when it is interrupted", async () => {
    const view = await start();
    view.tell(begin);
    view.tell(started(0));
    await view.advance(300);
    view.host.signal("SIGINT");
    expect(await view.exitCode).toBe(130);
    expect(view.output.text.endsWith(SHOW_CURSOR)).toBe(true);
    expect(view.shown()).toEqual([
      "cancelling: ending what runs (Ctrl-C again stops at once)",
      "cancelled: 1 executed, 4 not reached  (1.2s, level contained, ledger 1,234 recor",
      "ds)",
    ]);
  });

  for (const [name, line, env] of [
    ["a quiet build", ["build", "-q"], {}],
    ["a dry run", ["build", "-n"], {}],
    ["a CI system", ["build"], { CI: "true" }],
    ["a dumb terminal", ["build"], { TERM: "dumb" }],
    ["JSON", ["build", "--json"], {}],
  ] as const) {
    it(`is not for ${name}`, async () => {
      const view = await start(80, 24, line, env);
      view.tell(begin);
      await view.advance(1000);
      expect(view.loads()).toBe(0);
      await view.finish();
    });
  }

  it("can fail to load without the build failing", async () => {
    const view = await start();
    view.host.loadLive = () => Promise.reject(new Error("no such module"));
    view.tell(begin);
    await view.advance(300);
    view.tell(finished(0));
    expect(await view.finish()).toBe(0);
    expect(view.output.text).toContain("[ 1/40] run(0)");
  });
});
