import { expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import type { Context } from "../../src/cli/context.ts";
import { PLAIN } from "../../src/cli/render/colour.ts";
import { toldAnswer } from "../../src/cli/render/told-answer.ts";
import type { BuildSummary } from "../../src/scheduler/index.ts";

const SUMMARY = { outcome: "ok", planned: 3, settled: 3, level: "hermetic", durationMs: 5 } as BuildSummary;

function told(...argv: readonly string[]) {
  const host = { stdout: { isTerminal: false } } as Context["host"];
  return toldAnswer({ argv, args: parseArguments(argv), host, paint: PLAIN } as unknown as Context, SUMMARY);
}

test.each<readonly [string, readonly string[]]>([
  ["a build of images, which is followed by what they are", ["image", "build", "app", "--json"]],
  ["a quiet build, which says nothing", ["build", "-q"]],
  ["a build elsewhere", ["build", "-C", "/elsewhere"]],
])("no other program is told the answer of %s", (_what, argv) => {
  expect(told(...argv)).toBeUndefined();
});

test("of a plain build it is told all but the time, by the words that were used", () => {
  expect(told("build", "app", "--no-daemon", "--json")).toMatchObject({ words: ["build", "app", "--json"] });
  expect(told()).toMatchObject({ words: [], isTerminal: false, before: expect.stringContaining("nothing to do") });
});
