import { BegatError, parseWorkspacePath, type WorkspacePath } from "../base/index.ts";
import type { GroupDeclaration } from "../dictum-parser/index.ts";
import { OutputIndex } from "./output-index.ts";
import type { Plan } from "./plan.ts";

export class TargetError extends BegatError<"TARGET_UNKNOWN" | "TARGET_IS_SOURCE"> {}

/** What a build is asked for, in terms of the plan. */
export interface Selection {
  /** Outputs that must stand in the checkout: path * 2 + (1 for a tree). */
  readonly wanted: Uint32Array;
  /** 1 for every chore the wanted outputs need. */
  readonly needed: Uint8Array;
  readonly neededCount: number;
}

/** Group `all` where there is one; else every output that no other chore needs. */
function defaultTargets(plan: Plan, groups: readonly GroupDeclaration[]): number[] {
  const all = groups.find((group) => group.name === "all");
  if (all !== undefined) return groupOutputs(all, new OutputIndex(plan, membersOf([all])));
  const { inputs, outputs, producer, inputOffsets } = plan.columns;
  const consumed = new Uint8Array(plan.pathCount);
  for (let chore = 0; chore < plan.choreCount; chore++) {
    for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
      const path = (inputs[i] as number) >>> 1;
      if (producer[path] !== chore) consumed[path] = 1;
    }
  }
  const isUnusedImage = (path: number): boolean => plan.has(plan.columns.producer[path] as number, "image");
  return Array.from(outputs.filter((entry) => consumed[entry >>> 1] === 0 && !isUnusedImage(entry >>> 1)));
}

const membersOf = (groups: readonly GroupDeclaration[]): readonly string[] =>
  groups.flatMap(({ members }) => members.map(({ path }) => path));

function groupOutputs(group: GroupDeclaration, entries: OutputIndex): number[] {
  return group.members.flatMap(({ path }) => resolvePath(path, entries) ?? []);
}

/** An output, or all outputs below a directory. */
function resolvePath(path: WorkspacePath, entries: OutputIndex): number[] | undefined {
  const exact = entries.get(path);
  if (exact !== undefined) return [exact];
  const prefix = path === "" ? "" : `${path}/`;
  const below = [...entries.all()].filter(([text]) => text.startsWith(prefix)).map(([, entry]) => entry);
  return below.length > 0 ? below : undefined;
}

/**
 * What `names` ask for: outputs, directories of outputs, groups, or dictums by name (all their outputs). Nothing named
 * means the default. Paths are taken from `directory`, where the user stands.
 *
 * @throws {TargetError} with the nearest name as a hint.
 */
export function selectTargets(
  plan: Plan,
  groups: readonly GroupDeclaration[],
  names: readonly string[],
  directory: WorkspacePath,
  everyOutput: boolean,
): Selection {
  const { outputs, outputOffsets, producer } = plan.columns;
  const named = groups.filter(({ name }) => names.includes(name));
  const entries =
    names.length === 0 ? undefined : new OutputIndex(plan, [...membersOf(named), ...pathsAmong(names, directory)]);
  const wanted = new Set<number>();
  const needed = new Uint8Array(plan.choreCount);
  const stack: number[] = [];
  const need = (chore: number): void => {
    if (chore < 0 || needed[chore]) return;
    needed[chore] = 1;
    stack.push(chore);
  };
  const want = (entry: number): void => {
    wanted.add(entry);
    need(producer[entry >>> 1] as number);
  };
  if (entries === undefined) {
    const chosen = defaultTargets(plan, groups);
    chosen.forEach(want);
    // A chore without outputs, or with a property alone, is only ever reached by the default.
    if (!groups.some((group) => group.name === "all")) {
      for (let chore = 0; chore < plan.choreCount; chore++) {
        if (outputOffsets[chore] === outputOffsets[chore + 1]) need(chore);
      }
    }
  } else {
    for (const name of names)
      for (const choice of resolveName(plan, groups, name, directory, entries)) {
        if ("entry" in choice) want(choice.entry);
        else {
          need(choice.chore);
          for (let i = outputOffsets[choice.chore] as number; i < (outputOffsets[choice.chore + 1] as number); i++)
            wanted.add(outputs[i] as number);
        }
      }
  }
  let count = 0;
  for (let chore = stack.pop(); chore !== undefined; chore = stack.pop()) {
    count++;
    for (const dependency of plan.dependenciesOf(chore)) need(dependency);
    if (everyOutput) for (const entry of plan.outputsOf(chore)) wanted.add(entry);
  }
  const files = [...wanted].filter((entry) => !plan.isProperty(entry >>> 1));
  return { wanted: Uint32Array.from(files).sort(), needed, neededCount: count };
}

/** Paths that the names may be. */
const pathsAmong = (names: readonly string[], directory: WorkspacePath): readonly string[] =>
  names.flatMap((name) => {
    const parsed = parseWorkspacePath(name, directory);
    return parsed.ok ? [parsed.path] : [];
  });

function resolveName(
  plan: Plan,
  groups: readonly GroupDeclaration[],
  name: string,
  directory: WorkspacePath,
  entries: OutputIndex,
): readonly ({ entry: number } | { chore: number })[] {
  const group = groups.find((candidate) => candidate.name === name);
  if (group !== undefined) return groupOutputs(group, entries).map((entry) => ({ entry }));
  const parsed = parseWorkspacePath(name, directory);
  const outputs = parsed.ok ? resolvePath(parsed.path, entries) : undefined;
  if (outputs !== undefined) return outputs.map((entry) => ({ entry }));
  const chores: { chore: number }[] = [];
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (plan.strings.at(plan.columns.dictum[chore] as number) === name || plan.label(chore) === name)
      chores.push({ chore });
  }
  if (chores.length > 0) return chores;
  if (parsed.ok && isSource(plan, parsed.path)) {
    throw new TargetError("TARGET_IS_SOURCE", `${name} is a source file; no chore makes it`);
  }
  const near = nearest(name, [...groups.map((g) => g.name), ...entries.all().keys()]);
  throw new TargetError(
    "TARGET_UNKNOWN",
    `nothing makes ${JSON.stringify(name)}: no output, group or dictum has that name`,
    {
      hint: near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`,
    },
  );
}

function isSource(plan: Plan, path: string): boolean {
  for (let i = 0; i < plan.pathCount; i++) if (plan.path(i) === path) return plan.columns.producer[i] === -1;
  return false;
}

/** The candidate at the smallest edit distance, if it is at most a third of the name's length. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.startsWith("\u0001") || Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name, candidate, bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Letters put in, left out, changed, or swapped with their neighbour. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] as number) + 1);
      next.push(least);
    }
    if (Math.min(...row, ...next) >= limit) return limit;
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
