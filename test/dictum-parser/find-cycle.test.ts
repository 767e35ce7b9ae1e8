import fc from "fast-check";
import { expect, test } from "vitest";
import { findCycle } from "../../src/dictum-parser/index.ts";

function rows(graph: readonly (readonly number[])[]): { starts: number[]; successors: number[] } {
  const starts = [0];
  const successors: number[] = [];
  for (const row of graph) {
    successors.push(...row);
    starts.push(successors.length);
  }
  return { starts, successors };
}

const aGraph = fc.integer({ min: 0, max: 12 }).chain((count) =>
  fc.array(fc.array(fc.nat({ max: Math.max(0, count - 1) }), { maxLength: 3 }), {
    minLength: count,
    maxLength: count,
  }),
);

/** Whether nodes can be taken away one by one, each when nothing it leads to is left. */
function hasOrder(graph: readonly (readonly number[])[]): boolean {
  const left = new Set(graph.keys());
  for (let again = true; again; ) {
    again = false;
    for (const node of left) {
      if (graph[node]?.some((next) => left.has(next))) continue;
      left.delete(node);
      again = true;
    }
  }
  return left.size === 0;
}

test("a cycle is found exactly where there is no order, and each step of it is an edge", () => {
  fc.assert(
    fc.property(aGraph, (graph) => {
      const { starts, successors } = rows(graph);
      const cycle = findCycle(starts, successors);
      expect(cycle === undefined).toBe(hasOrder(graph));
      for (const [i, node] of (cycle ?? []).entries()) expect(graph[node]).toContain(cycle?.[i + 1] ?? cycle?.[0]);
      expect(new Set(cycle).size).toBe(cycle?.length ?? 0);
    }),
    { numRuns: 500 },
  );
});

test("a long chain does not exhaust the stack", () => {
  const count = 200_000;
  const starts = Int32Array.from({ length: count + 1 }, (_, i) => i);
  const successors = Int32Array.from({ length: count }, (_, i) => (i + 1) % count);
  expect(findCycle(starts, successors)).toHaveLength(count);
});
