import { BlobHints } from "./blob-hints.ts";
import type { LeaderConfig } from "./config.ts";
import { Durations } from "./durations.ts";
import type { Answer } from "./effects.ts";
import { IndexedHeap } from "./heap.ts";
import type { Alarm, Chore, Execution, Finished, Invocation, Lease, Ring, Rnode } from "./model.ts";
import { Queue } from "./queue.ts";
import { Reserve } from "./reserve.ts";

/** An answer kept for a client that asks again. */
interface KeptAnswer {
  readonly answer: Answer;
  readonly atMs: number;
}

/** A map that forgets what was put in first. */
class Recent<V> {
  readonly #map = new Map<string, V>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size > this.#most) this.#map.delete(this.#map.keys().next().value as string);
  }
}

/** Everything the leader knows. Changed by `decide` alone; others only read. */
export class LeaderState {
  readonly config: LeaderConfig;
  readonly rnodes = new Map<string, Rnode>();
  readonly executions = new Map<string, Execution>();
  readonly ofClient = new Map<string, Set<Execution>>();
  readonly invocations = new Map<string, Invocation>();
  /** Chores that others may join, and those with a lease, by key. */
  readonly chores = new Map<string, Chore>();
  /** Live leases and cancelled ones that still take a slot. */
  readonly leases = new Map<string, Lease>();
  readonly queue = new Queue();
  readonly reserve = new Reserve();
  readonly blobs: BlobHints;
  readonly durations: Durations;
  readonly alarms = new IndexedHeap<Alarm>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  readonly answers = new Map<string, KeptAnswer>();
  readonly finished: Recent<Finished>;
  /** What became of a closed lease: its result counts, was compared with the one that counts, or was never seen. */
  readonly closed: Recent<"counted" | "compared" | "lost">;
  /** Running chores that take longer than they ever did. */
  readonly overdue = new Set<Chore>();
  /** Clients that went away, and until when their executions are kept. */
  readonly lostClients = new Map<string, number>();
  /** Rnodes that may hold leases of an earlier leader, and until when they are waited for. */
  readonly awaited = new Set<string>();
  adoptUntilMs = 0;
  /** When the last timer effect asked to be called. */
  timerAtMs = Number.POSITIVE_INFINITY;
  #fences = 0;
  #numbers = 0;

  constructor(config: LeaderConfig) {
    this.config = config;
    this.blobs = new BlobHints(config.hintsPerRnode);
    this.durations = new Durations(config.priorMs);
    this.finished = new Recent(config.remembered);
    this.closed = new Recent(config.remembered);
  }

  /** Greater than every fence before, also of earlier starts. */
  nextFence(): number {
    return this.config.epoch * 2 ** 32 + ++this.#fences;
  }

  nextNumber(): number {
    return ++this.#numbers;
  }

  isAdopting(now: number): boolean {
    return this.awaited.size > 0 && now < this.adoptUntilMs;
  }

  setAlarm(at: number, ring: Ring): Alarm {
    const alarm: Alarm = { at, order: this.nextNumber(), ring, heapIndex: -1 };
    this.alarms.push(alarm);
    return alarm;
  }

  invocation(id: string, weight: number): Invocation {
    let known = this.invocations.get(id);
    if (known === undefined) {
      known = { id, order: this.nextNumber(), weight, running: 0, waiting: 0, lanes: new Map() };
      this.invocations.set(id, known);
    }
    if (known.weight !== weight) {
      known.weight = weight;
      this.queue.shareChanged(known);
    }
    return known;
  }

  forgetInvocation(invocation: Invocation): void {
    if (invocation.waiting === 0 && invocation.running === 0) this.invocations.delete(invocation.id);
  }

  keepAnswer(execution: string, answer: Answer, now: number): void {
    this.answers.set(execution, { answer, atMs: now });
    for (const [id, { atMs }] of this.answers) {
      if (atMs >= now - this.config.keepAnswersMs) break;
      this.answers.delete(id);
    }
  }
}
