import type { Sha256 } from "../../base/index.ts";
import type { HandedOn } from "./handed-on.ts";
import { keyOf } from "./index-filler.ts";
import type { ProvIndex } from "./prov-index.ts";

/** What a taint begins with. */
export type ClosureTarget =
  /** Bytes: whatever consumed them, whoever made them. */
  | { readonly digest: Sha256 }
  /** Executions: what they made, and whatever consumed that later. */
  | { readonly seqs: readonly number[] };

export interface ClosureNode {
  readonly seq: number;
  /** The execution whose output it consumed; `undefined` where the closure begins. */
  readonly from: number | undefined;
  /** Key of the artifact it consumed; `undefined` for the executions of the target themselves, and where `handed` says it. */
  readonly through: number | undefined;
  /** The property it was given, where no file of `from` reached it. */
  readonly handed?: HandedOn;
}

/**
 * Every execution that something reached, oldest first, with one way by which it did: the reverse closure. By the index
 * alone, so each node is a place to look, not yet a statement. Some microseconds a node.
 *
 * Executions are taken in the order of the ledger, which is an order of cause: what an execution made counts against later
 * ones only.
 *
 * @param since Nothing before this record counts as reached.
 * @param handedOn What an execution gave to later ones besides files.
 */
export function closureOf(
  index: ProvIndex,
  target: ClosureTarget,
  since = 0,
  handedOn: (seq: number) => readonly HandedOn[] = () => [],
): ReadonlyMap<number, ClosureNode> {
  const nodes = new Map<number, ClosureNode>();
  const waiting = new SeqQueue();
  const reached = new Set<number>();
  const reach = (artifact: number, from: number | undefined): void => {
    if (reached.has(artifact)) return;
    reached.add(artifact);
    for (const seq of index.consumers(artifact, Math.max(from ?? -1, since - 1))) {
      if (nodes.has(seq)) continue;
      nodes.set(seq, { seq, from, through: artifact });
      waiting.push(seq);
    }
  };
  if ("digest" in target) reach(keyOf(target.digest), undefined);
  else {
    for (const seq of target.seqs) {
      if (seq < since || seq >= index.size || nodes.has(seq)) continue;
      nodes.set(seq, { seq, from: undefined, through: undefined });
      waiting.push(seq);
    }
  }
  for (let seq = waiting.pop(); seq !== undefined; seq = waiting.pop()) {
    for (const artifact of index.outputsOf(seq)) reach(artifact, seq);
    for (const handed of handedOn(seq)) {
      for (const later of handed.seqs) {
        if (later < since || nodes.has(later)) continue;
        nodes.set(later, { seq: later, from: seq, through: undefined, handed });
        waiting.push(later);
      }
    }
  }
  return new Map([...nodes].sort(([a], [b]) => a - b));
}

/** The executions from where the closure began to this one. */
export function wayTo(nodes: ReadonlyMap<number, ClosureNode>, seq: number): readonly ClosureNode[] {
  const way: ClosureNode[] = [];
  for (
    let node = nodes.get(seq);
    node !== undefined;
    node = node.from === undefined ? undefined : nodes.get(node.from)
  ) {
    way.push(node);
  }
  return way.reverse();
}

/** Numbers, the least first. */
class SeqQueue {
  readonly #heap: number[] = [];

  push(seq: number): void {
    const heap = this.#heap;
    let at = heap.push(seq) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((heap[above] as number) <= seq) break;
      heap[at] = heap[above] as number;
      at = above;
    }
    heap[at] = seq;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const least = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return least;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] as number) < (heap[below] as number)) below++;
      if ((heap[below] as number) >= last) break;
      heap[at] = heap[below] as number;
      at = below;
    }
    heap[at] = last;
    return least;
  }
}
