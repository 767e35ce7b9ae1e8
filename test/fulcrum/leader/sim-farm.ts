import {
  type Answer,
  type AssignEffect,
  DEFAULT_LEADER_CONFIG,
  decide,
  type LeaderConfig,
  type LeaderEffect,
  type LeaderEvent,
  LeaderState,
  pendingReason,
  pendingText,
  type Submission,
} from "../../../src/fulcrum/leader/index.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimRnode } from "./sim-rnode.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface Network {
  /** Of 1. */
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: number;
}

/** A leader, rnodes and clients, a bad network between them, and everything that must hold checked at every step. */
export class SimFarm {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly network: Network;
  readonly rnodes: SimRnode[] = [];
  readonly clients: SimClient[] = [];
  config: LeaderConfig;
  leader: LeaderState | undefined;
  /** Effects by type, and what the invariants need. */
  readonly counts = new Map<string, number>();
  readonly durations = new Map<string, number>();
  overcommitted = 0;
  unequal = 0;
  hedged = 0;
  /** Survive the leader, as its journal does. */
  readonly journal = new Map<string, Submission>();
  #epoch = 0;
  #lastFence = 0;
  readonly #fenceOf = new Map<string, number>();
  readonly #begun = new Set<string>();
  readonly #countedOf = new Map<string, string>();
  #answered = new Map<string, Answer>();
  #inOrder = new Map<string, number>();

  constructor(seed: number, network: Network, config: Partial<LeaderConfig> = {}) {
    this.random = new SeededRandom(seed);
    this.network = network;
    this.config = { ...DEFAULT_LEADER_CONFIG, ...config };
  }

  startLeader(): void {
    this.#epoch++;
    this.#answered = new Map();
    this.config = { ...this.config, epoch: this.#epoch };
    this.leader = new LeaderState(this.config);
    const rnodes = this.rnodes.map(({ name }) => name);
    this.#decide({ type: "restored", submissions: [...this.journal.values()], rnodes: this.#epoch > 1 ? rnodes : [] });
  }

  crashLeader(): void {
    this.leader = undefined;
  }

  durationMs(action: string): number {
    return this.durations.get(action) ?? 1_000;
  }

  outcomeOf(_rnode: SimRnode, action: string): string {
    return `bytes of ${action}`;
  }

  toLeader(rnode: SimRnode, event: LeaderEvent): void {
    const epoch = this.#epoch;
    this.#carry(`${rnode.name}>${rnode.connection}`, () => {
      // What was sent to a leader that is gone went with its connection; a hello makes a new one.
      if (rnode.isCutOff || (epoch !== this.#epoch && event.type !== "hello")) return;
      this.#decide(event);
    });
  }

  fromClient(client: SimClient, event: LeaderEvent): void {
    this.#carry(`${client.name}>`, () => {
      if (this.leader === undefined) return;
      if (event.type === "submit" && !this.#answered.has(event.submission.execution)) {
        const { execution } = event.submission;
        const known = this.journal.get(execution);
        this.journal.set(execution, known ?? { ...event.submission, submittedAt: this.time.now });
      }
      this.#decide(event);
    });
  }

  /** The end of a connection is noticed for certain, and after all that came through it. */
  clientLost(client: SimClient): void {
    this.time.after(2 * this.network.delayMs, () => this.#decide({ type: "client-lost", client: client.name }));
  }

  /** Loses it, carries it twice, or late; in order only as long as nothing of that happens. */
  #carry(route: string, deliver: () => void): void {
    const { loss, duplication, delayMs } = this.network;
    if (this.random.chance(loss)) return;
    const copies = this.random.chance(duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const arrives = this.time.now + 1 + this.random.below(delayMs);
      const inOrder = i === 0 ? Math.max(arrives, this.#inOrder.get(route) ?? 0) : arrives;
      this.#inOrder.set(route, inOrder);
      this.time.after(inOrder - this.time.now, deliver);
    }
  }

  /** A timer of an earlier leader is gone with it. */
  #timer(at: number): void {
    const { leader } = this;
    this.time.after(at - this.time.now, () => {
      if (this.leader === leader) this.#decide({ type: "timer" });
    });
  }

  #decide(event: LeaderEvent): void {
    if (this.leader === undefined) return;
    const { effects } = decide(this.leader, event, this.time.now);
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: LeaderEffect): void {
    this.counts.set(effect.type, (this.counts.get(effect.type) ?? 0) + 1);
    switch (effect.type) {
      case "timer":
        this.#timer(effect.at);
        break;
      case "answer":
        this.#checkAnswer(effect.execution, effect.answer);
        if (effect.answer.kind !== "unknown") this.journal.delete(effect.execution);
        this.#toClient(effect.client, effect.execution, effect.answer);
        break;
      case "assign":
        this.#checkAssign(effect);
        this.#toRnode(effect.rnode, effect);
        break;
      case "cancel":
      case "renew":
      case "acknowledge":
        this.#toRnode(effect.rnode, effect);
        break;
      case "compare":
        if (!effect.isEqual) this.unequal++;
        break;
      default:
        break;
    }
  }

  #toRnode(name: string, message: Parameters<SimRnode["receive"]>[0]): void {
    const rnode = this.rnodes.find((one) => one.name === name) as SimRnode;
    // The connection the leader knows: an rnode that has begun another one hears nothing of this.
    const connection = this.leader?.rnodes.get(name)?.connection;
    this.#carry(`>${name}>${connection}`, () => {
      if (rnode.isUp && !rnode.isCutOff && rnode.connection === connection) rnode.receive(message);
    });
  }

  #toClient(name: string, execution: string, answer: Answer): void {
    const client = this.clients.find((one) => one.name === name);
    if (client !== undefined) this.#carry(`>${name}`, () => client.receive(execution, answer));
  }

  #checkAssign(effect: AssignEffect): void {
    const known = this.#fenceOf.get(effect.lease);
    if (effect.hedge && known === undefined) this.hedged++;
    if (known === undefined) {
      if (effect.fence <= this.#lastFence) throw new Error(`fence ${effect.fence} after ${this.#lastFence}`);
      this.#lastFence = effect.fence;
      this.#fenceOf.set(effect.lease, effect.fence);
    } else if (known !== effect.fence) throw new Error(`lease ${effect.lease} has fences ${known}, ${effect.fence}`);
  }

  /** An execution has one answer for as long as its leader lives, and a lease one counted result for ever. */
  #checkAnswer(execution: string, answer: Answer): void {
    if (answer.kind === "unknown") return;
    const earlier = this.#answered.get(execution);
    if (earlier !== undefined && earlier !== answer) throw new Error(`${execution} ended twice`);
    this.#answered.set(execution, answer);
    if (answer.kind !== "result") return;
    const lease = answer.result.split(" ")[0] as string;
    const counted = this.#countedOf.get(lease);
    if (counted !== undefined && counted !== answer.result) throw new Error(`lease ${lease} counted twice`);
    this.#countedOf.set(lease, answer.result);
  }

  /** Called by an rnode that begins to run something. */
  begun(rnode: SimRnode, assign: AssignEffect): void {
    if (this.#begun.has(assign.lease)) throw new Error(`${rnode.name} runs lease ${assign.lease} a second time`);
    this.#begun.add(assign.lease);
    if (!assign.key.startsWith("alone ")) return;
    const twice = this.rnodes.filter(({ held }) =>
      [...held.values()].some((one) => one.assign.key === assign.key && one.outcome === undefined),
    );
    if (twice.length > 1) throw new Error(`${assign.key} runs twice at once, on ${twice.map(({ name }) => name)}`);
  }

  get runs(): number {
    return this.#begun.size;
  }

  /** Until every client that is up has its answers. @returns the virtual time it took. */
  runUntilDone(mostMs: number): number {
    while (this.clients.some((client) => client.isUp && !client.isDone)) {
      if (!this.time.step(mostMs)) {
        const open = this.clients.flatMap(({ plan, ended }) =>
          plan.map(({ submission }) => submission.execution).filter((execution) => !ended.has(execution)),
        );
        throw new Error(`not answered after ${mostMs} ms: ${open.slice(0, 10).map((one) => this.#whyOpen(one))}`);
      }
    }
    return this.time.now;
  }

  #whyOpen(execution: string): string {
    const { leader } = this;
    if (leader === undefined) return `${execution} (no leader)`;
    const known = leader.executions.get(execution);
    if (known === undefined) return `${execution} (unknown to the leader)`;
    const reason = pendingReason(leader, execution, this.time.now);
    const leases = known.chore.leases.map(({ id, rnode }) => `${id} on ${rnode.name}`);
    return `${execution} (${reason === undefined ? `runs: ${leases}` : pendingText(reason, this.time.now)})`;
  }

  /** Goes on until then. */
  runUntil(ms: number): void {
    while (this.time.step(ms));
  }
}
