import type { Plan } from "./plan.ts";
import type { Selection } from "./targets.ts";

/** A chore for a picture of the graph. */
export interface GraphNode {
  readonly label: string;
  readonly dictum: string;
  /** `begatfile:14:1`. */
  readonly at: string;
  /** Paths; a tree ends in a slash. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Properties it takes and gives. */
  readonly imports: readonly string[];
  readonly up: readonly string[];
  /** Places in the list of the chores it waits for; sorted. */
  readonly needs: readonly number[];
}

/** The needed part of the plan, each chore after those it waits for. */
export function describeGraph(plan: Plan, selection: Selection): GraphNode[] {
  const chosen = plan.columns.order.filter((chore) => selection.needed[chore] === 1);
  const placeOf = new Map(Array.from(chosen, (chore, place) => [chore, place]));
  const paths = (entries: Uint32Array): string[] =>
    Array.from(entries)
      .filter((entry) => !plan.isProperty(entry >>> 1))
      .map((entry) => plan.path(entry >>> 1) + (entry & 1 ? "/" : ""));
  return Array.from(chosen, (chore) => {
    const { file, line, column } = plan.place(chore);
    const { properties, up } = plan.extras(chore);
    return {
      label: plan.label(chore),
      dictum: plan.strings.at(plan.columns.dictum[chore] as number),
      at: `${file}:${line}:${column}`,
      inputs: paths(plan.inputsOf(chore)),
      outputs: paths(plan.outputsOf(chore)),
      imports: properties,
      up,
      needs: Array.from(plan.dependenciesOf(chore), (dependency) => placeOf.get(dependency) ?? -1).sort(
        (a, b) => a - b,
      ),
    };
  });
}
