import { SeededRandom } from "../../support/seeded-random.ts";
import { buildGraph, type GraphTask, lowerBoundMs, ranksOf } from "./build-graphs.ts";
import { type IdealBuild, runIdealFarm } from "./ideal-farm.ts";

// What the leader's choices alone are worth: no time is measured, so the same seeds give the same figures anywhere.

export interface Farm {
  readonly tasks: number;
  readonly rnodes: number;
  /** Of each rnode. */
  readonly slots: number;
}

/** From 16 slots up, each with a build that keeps it busy for some rounds: about 23 chores a slot at the largest. */
export const FARMS: readonly Farm[] = [
  { tasks: 1_000, rnodes: 4, slots: 4 },
  { tasks: 2_000, rnodes: 16, slots: 4 },
  { tasks: 3_000, rnodes: 16, slots: 8 },
];

const NAME = "build";
/** Where nothing is known, every chore takes as long as every other. */
const PRIOR_MS = 1_000;

interface Run {
  /** Makespan by the lower bound that no schedule beats. */
  readonly ofBound: number;
  readonly movedBytes: number;
}

function runAlone(graph: readonly GraphTask[], farm: Farm, build: Partial<IdealBuild>, window?: number): Run {
  const of: IdealBuild = { name: NAME, class: "ci", graph, rankMs: undefined, ...build };
  const config = window === undefined ? {} : { window };
  const { makespanMs, movedBytes } = runIdealFarm([of], farm.rnodes, farm.slots, { config });
  const boundMs = lowerBoundMs(graph, farm.rnodes * farm.slots);
  return { ofBound: (makespanMs.get(NAME) as number) / boundMs, movedBytes };
}

/** With durations that are wrong by up to 30 %: makespan by its bound, and bytes moved by what first-in-first-out moves. */
export function studyEstimates(seed: number, farm: Farm): { readonly ofBound: number; readonly ofFifo: number } {
  const graph = buildGraph(seed, farm.tasks);
  const known = runAlone(graph, farm, estimated(graph, seed));
  const fifo = runAlone(graph, farm, { rankMs: () => 0, hidesInputs: true }, 1);
  return { ofBound: known.ofBound, ofFifo: known.movedBytes / fifo.movedBytes };
}

/** With no durations at all: makespan by its bound. */
export function studyNoHistory(seed: number, farm: Farm): number {
  const graph = buildGraph(seed, farm.tasks);
  return runAlone(graph, farm, { rankMs: ranked(graph, () => PRIOR_MS).rankMs }).ofBound;
}

/** A build of 50 chores that somebody waits for, beside one of `load`: how much longer than alone. */
export function studyInteractive(seed: number, load: number, { rnodes, slots }: Omit<Farm, "tasks">): number {
  const small = buildGraph(seed + 1_000, 50);
  const large = buildGraph(seed, load);
  const waitedFor: IdealBuild = { name: "small", class: "interactive", graph: small, ...estimated(small, seed) };
  const alone = runIdealFarm([waitedFor], rnodes, slots).makespanMs.get("small") as number;
  const builds = [
    { name: "large", class: "ci" as const, graph: large, ...estimated(large, seed) },
    { ...waitedFor, startMs: 30_000 },
  ];
  const beside = runIdealFarm(builds, rnodes, slots, { until: "small" }).makespanMs.get("small") as number;
  return beside / alone;
}

function estimated(graph: readonly GraphTask[], seed: number) {
  const wrong = wrongDurations(graph, seed);
  return ranked(graph, (task) => wrong[task] as number);
}

function ranked(graph: readonly GraphTask[], expectedMs: (task: number) => number) {
  const ranks = ranksOf(graph, expectedMs);
  return { rankMs: (task: number) => ranks[task], expectedMs };
}

/** Each wrong by up to 30 % either way. */
function wrongDurations(graph: readonly GraphTask[], seed: number): number[] {
  const dice = new SeededRandom(seed + 99);
  return graph.map(({ durationMs }) => durationMs * (0.7 + dice.below(601) / 1000));
}

/** Nearest rank. */
export function p95(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.ceil(0.95 * sorted.length) - 1] as number;
}
