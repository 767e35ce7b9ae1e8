// Reads a begatfile of N dictums through the parser's door, in a process that does nothing else.
//
//   evaluate-many <begatfile>       prints {"wallMs":...,"chores":...}
//
// The parser reads a text held in memory, so that what is measured is parsing and evaluation.

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";
import type { WorkspacePath } from "../../src/base/index.ts";
import { type EvaluationHost, evaluate } from "../../src/dictum-parser/index.ts";

const bytes = readFileSync(argv[2] ?? "");
const host: EvaluationHost = {
  readFile: () => bytes,
  listDirectory: () => undefined,
  env: () => undefined,
};
let recipes = 0;
const begin = process.hrtime.bigint();
const { choreCount, diagnostics } = evaluate(
  { entries: ["begatfile" as WorkspacePath], overrides: {}, sourceDirectory: (name) => name as WorkspacePath },
  host,
  (chore) => {
    recipes += chore.recipe.length;
  },
);
const wallMs = Number(process.hrtime.bigint() - begin) / 1e6;
if (diagnostics.length > 0 || recipes === 0) throw new Error(diagnostics[0]?.message ?? "no chore was made");
stdout.write(`${JSON.stringify({ wallMs, chores: choreCount })}\n`);
