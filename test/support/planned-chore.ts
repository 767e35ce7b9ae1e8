import type { WorkspacePath } from "../../src/base/index.ts";
import type { ChorePath, EvaluatedChore } from "../../src/dictum-parser/index.ts";
import { type Plan, PlanBuilder } from "../../src/scheduler/index.ts";

type Parts = Partial<Omit<EvaluatedChore, "inputs" | "outputs" | "directory" | "mounts">> & {
  readonly directory?: string;
  /** Where, and the tree's place in the workspace. */
  readonly mounts?: readonly (readonly [where: string, source: string])[];
};

const paths = (texts: readonly string[]): ChorePath[] =>
  texts.map((text) => ({
    path: text.replace(/\/$/, "") as WorkspacePath,
    kind: text.endsWith("/") ? "tree" : "file",
  }));

/** A chore as the evaluator gives it. A trailing slash makes a path a tree. */
export function plannedChore(
  label: string,
  inputs: readonly string[],
  outputs: readonly string[],
  { directory = "", mounts = [], ...parts }: Parts = {},
): EvaluatedChore {
  return {
    dictum: label.replace(/\(.*/, ""),
    label,
    at: { file: "begatfile", line: 1, column: 1 },
    up: [],
    properties: [],
    env: [],
    interpreter: ["sh", "-eu"],
    recipe: label,
    image: "host",
    attributes: { volatile: false, nocache: false, interactive: false, exclusive: false, fixpoint: 0, traced: false },
    tools: [],
    timeoutMs: 0,
    resources: {},
    network: "none",
    depfile: undefined,
    ...parts,
    directory: directory as WorkspacePath,
    inputs: paths(inputs),
    outputs: paths(outputs),
    mounts: mounts.map(([where, source]) => ({
      where: where as WorkspacePath,
      mode: "ro",
      source: source as WorkspacePath,
    })),
  };
}

export function planOf(...chores: readonly EvaluatedChore[]): Plan {
  const builder = new PlanBuilder();
  for (const chore of chores) builder.add(chore);
  const result = builder.finish();
  if (!result.ok) throw new Error(`a cycle: ${JSON.stringify(result.cycle)}`);
  return result.plan;
}
