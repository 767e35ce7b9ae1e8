import { SeededRandom } from "../../support/seeded-random.ts";

export interface GraphBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface GraphTask {
  readonly name: string;
  readonly durationMs: number;
  readonly after: readonly number[];
  readonly inputs: readonly GraphBlob[];
  readonly output: GraphBlob;
}

/** Log-normal: most are short, some are long. */
function logNormal(dice: SeededRandom, median: number, sigma: number): number {
  const uniform = () => (dice.below(2 ** 31) + 1) / (2 ** 31 + 1);
  return median * Math.exp(sigma * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/**
 * A build as large programs have them: modules with a generated header each, compilations that read their module's
 * and some other modules' headers, a library a module, programs of several libraries, and tests of the programs.
 * Every task stands after those it waits for.
 */
export function buildGraph(seed: number, tasks: number): GraphTask[] {
  const dice = new SeededRandom(seed);
  const graph: GraphTask[] = [];
  const add = (
    name: string,
    durationMs: number,
    after: number[],
    sources: GraphBlob[],
    outputBytes: number,
  ): number => {
    const number = graph.length;
    graph.push({
      name: `${seed} ${name}`,
      durationMs: Math.max(10, Math.round(durationMs)),
      after,
      inputs: [...sources, ...after.map((one) => (graph[one] as GraphTask).output)],
      output: { digest: `${seed} output ${number}`, sizeBytes: Math.round(outputBytes) },
    });
    return number;
  };
  const source = (name: string, bytes: number): GraphBlob => ({
    digest: `${seed} source ${name}`,
    sizeBytes: Math.round(bytes),
  });
  const modules = Math.max(2, Math.round(tasks / 50));
  const headers: number[] = [];
  const libraries: number[] = [];
  for (let m = 0; m < modules; m++) {
    const own = source(`${m}/idl`, logNormal(dice, 20_000, 0.5));
    headers.push(add(`generate ${m}`, logNormal(dice, 500, 0.5), [], [own], logNormal(dice, 300_000, 0.8)));
  }
  const perModule = Math.floor((tasks * 0.8) / modules);
  for (let m = 0; m < modules; m++) {
    const others = Array.from({ length: 1 + dice.below(3) }, () => headers[dice.below(modules)] as number);
    const needs = [...new Set([headers[m] as number, ...others])];
    const objects = Array.from({ length: perModule }, (_, i) =>
      add(
        `compile ${m} ${i}`,
        logNormal(dice, 2_000, 0.5),
        needs,
        [source(`${m}/${i}.cc`, logNormal(dice, 15_000, 0.8))],
        logNormal(dice, 80_000, 0.8),
      ),
    );
    libraries.push(add(`archive ${m}`, logNormal(dice, 400, 0.5), objects, [], 80_000 * perModule));
  }
  const programs = Math.max(1, Math.round((tasks - graph.length) / 3));
  for (let p = 0; p < programs && graph.length < tasks; p++) {
    const parts = [...new Set(Array.from({ length: 3 }, () => libraries[dice.below(modules)] as number))];
    const program = add(`link ${p}`, logNormal(dice, 2_000, 0.5), parts, [], logNormal(dice, 3_000_000, 0.5));
    for (let t = 0; t < 2 && graph.length < tasks; t++) {
      const data = source(`${p} data`, logNormal(dice, 50_000, 1));
      add(`test ${p} ${t}`, logNormal(dice, 1_500, 0.7), [program], [data], 1_000);
    }
  }
  return graph;
}

/** Upward ranks by the given durations. */
export function ranksOf(graph: readonly GraphTask[], durationMs: (task: number) => number): Float64Array {
  const rank = new Float64Array(graph.length);
  for (let i = graph.length - 1; i >= 0; i--) {
    rank[i] = (rank[i] as number) + durationMs(i);
    for (const before of (graph[i] as GraphTask).after)
      rank[before] = Math.max(rank[before] as number, rank[i] as number);
  }
  return rank;
}

/** No schedule is shorter: the longest way through the graph, or all the work on all the slots. */
export function lowerBoundMs(graph: readonly GraphTask[], slots: number): number {
  const work = graph.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return Math.max(Math.max(...ranksOf(graph, (i) => (graph[i] as GraphTask).durationMs)), work / slots);
}
