import { PRIORITY_CLASSES } from "./events.ts";
import { IndexedHeap } from "./heap.ts";
import type { Chore, Execution, Invocation, Lane, Pool } from "./model.ts";
import type { Needs } from "./needs.ts";

/** Longest way to the build's end first; then who asked first. */
const choreBefore = (a: Chore, b: Chore): boolean =>
  a.rankMs !== b.rankMs
    ? a.rankMs > b.rankMs
    : a.queuedAtMs !== b.queuedAtMs
      ? a.queuedAtMs < b.queuedAtMs
      : a.number < b.number;

/** What the build's share would be with one more running. */
const shareWithOneMore = ({ running, weight }: Invocation): number => (running + 1) / weight;

/** The build that has least of its share; of equal ones the one that was begun first, so that it ends first. */
export function laneBefore(a: Lane, b: Lane): boolean {
  const difference = shareWithOneMore(a.invocation) - shareWithOneMore(b.invocation);
  return difference !== 0 ? difference < 0 : a.invocation.order < b.invocation.order;
}

/** Of those who wait for one chore, the one who decides its place: highest class, then longest way, then first. */
export function leaderOf(executions: readonly Execution[]): Execution | undefined {
  let best: Execution | undefined;
  for (const one of executions) {
    if (
      best === undefined ||
      one.classIndex < best.classIndex ||
      (one.classIndex === best.classIndex && one.rankMs > best.rankMs)
    )
      best = one;
  }
  return best;
}

/** Queued chores: pools by needs, in them lanes by class and build, in those chores by rank. */
export class Queue {
  readonly #pools = new Map<string, Pool>();
  #size = 0;

  /** Queued chores. */
  get size(): number {
    return this.#size;
  }

  pools(): IterableIterator<Pool> {
    return this.#pools.values();
  }

  /** All queued chores of a pool, in no particular order. */
  choresOf(pool: Pool): Chore[] {
    return pool.lanes.flatMap((lanes) => [...lanes.values()].flatMap((lane) => [...lane.chores.values()]));
  }

  /** Puts `chore` into the lane of `execution`, wherever it is now. */
  put(chore: Chore, execution: Execution): void {
    const lane = this.#lane(chore.needs, execution);
    if (chore.lane === lane) {
      lane.chores.update(chore);
      return;
    }
    this.remove(chore);
    chore.lane = lane;
    lane.chores.push(chore);
    this.#size++;
    if (lane.heapIndex < 0) this.#heapOf(lane).push(lane);
  }

  remove(chore: Chore): void {
    const { lane } = chore;
    if (lane === undefined) return;
    lane.chores.remove(chore);
    chore.lane = undefined;
    this.#size--;
    if (lane.chores.size === 0) this.#drop(lane);
  }

  /** To be called when what a build has running, or its weight, has changed. */
  shareChanged(invocation: Invocation): void {
    for (const lane of invocation.lanes.values()) this.#heapOf(lane).update(lane);
  }

  /** Takes a lane out of the order while nothing in it can be placed; `resume` puts it back. */
  suspend(lane: Lane): void {
    this.#heapOf(lane).remove(lane);
  }

  resume(lane: Lane): void {
    if (lane.chores.size > 0 && lane.heapIndex < 0) this.#heapOf(lane).push(lane);
  }

  #heapOf(lane: Lane): IndexedHeap<Lane> {
    return lane.pool.lanes[lane.classIndex] as IndexedHeap<Lane>;
  }

  #lane(needs: Needs, { invocation, classIndex }: Execution): Lane {
    const key = `${classIndex} ${needs.key}`;
    const known = invocation.lanes.get(key);
    if (known !== undefined) return known;
    let pool = this.#pools.get(needs.key);
    if (pool === undefined) {
      pool = { needs, laneCount: 0, lanes: PRIORITY_CLASSES.map(() => new IndexedHeap<Lane>(laneBefore)) };
      this.#pools.set(needs.key, pool);
    }
    const chores = new IndexedHeap<Chore>(choreBefore);
    const lane: Lane = { key, pool, classIndex, invocation, chores, heapIndex: -1 };
    pool.laneCount++;
    invocation.lanes.set(key, lane);
    return lane;
  }

  #drop(lane: Lane): void {
    this.#heapOf(lane).remove(lane);
    lane.invocation.lanes.delete(lane.key);
    if (--lane.pool.laneCount === 0) this.#pools.delete(lane.pool.needs.key);
  }
}
