import type {
  AssignEffect,
  HeldLease,
  LeaderEffect,
  LeaderEvent,
  RnodeOutcome,
} from "../../../src/fulcrum/leader/index.ts";
import { HEARTBEAT_MS } from "../../../src/fulcrum/leader/index.ts";
import type { SimFarm } from "./sim-farm.ts";

interface Held {
  readonly assign: AssignEffect;
  endsAt: number;
  /** Set once it has run. */
  outcome: RnodeOutcome | undefined;
}

type ToRnode = Extract<LeaderEffect, { type: "assign" | "cancel" | "renew" | "acknowledge" }>;

/** An rnode as the real one must behave: it stops what it may no longer run, and repeats what was not acknowledged. */
export class SimRnode {
  readonly name: string;
  readonly slots: number;
  readonly labels: Record<string, string>;
  /** Of 1: how often it fails without having run anything. */
  failureShare = 0;
  slowness = 1;
  boot = 0;
  isUp = false;
  /** Messages to and from it are lost while it is cut off. */
  isCutOff = false;
  connection = 0;
  readonly held = new Map<string, Held>();
  readonly #seen = new Set<string>();
  readonly #farm: SimFarm;
  #sentAt: number[] = [];
  #lastAnswer = 0;

  constructor(farm: SimFarm, name: string, slots: number, labels: Record<string, string>) {
    this.#farm = farm;
    this.name = name;
    this.slots = slots;
    this.labels = labels;
  }

  start(): void {
    this.boot++;
    this.isUp = true;
    this.#seen.clear();
    this.#connect();
    const { boot } = this;
    const beat = (): void => {
      if (!this.isUp || this.boot !== boot) return;
      this.#beat();
      this.#farm.time.after(HEARTBEAT_MS, beat);
    };
    this.#farm.time.after(this.#farm.random.below(HEARTBEAT_MS), beat);
  }

  /** All that ran is gone with it, unless a supervisor keeps it for the next boot. */
  crash(): void {
    this.isUp = false;
    this.held.clear();
  }

  running(): Held[] {
    return [...this.held.values()].filter(({ outcome }) => outcome === undefined);
  }

  #connect(): void {
    this.connection++;
    this.#lastAnswer = this.#farm.time.now;
    this.#sentAt = [this.#farm.time.now];
    this.#send({
      type: "hello",
      rnode: this.name,
      boot: this.#boot(),
      connection: this.connection,
      slots: this.slots,
      labels: this.labels,
      images: "any",
      held: [...this.held.values()].map(
        ({ assign }): HeldLease => ({
          lease: assign.lease,
          fence: assign.fence,
          key: assign.key,
          action: assign.action,
        }),
      ),
    });
  }

  #boot(): string {
    return `${this.name} boot ${this.boot}`;
  }

  #send(event: LeaderEvent): void {
    this.#farm.toLeader(this, event);
  }

  #beat(): void {
    const { now } = this.#farm.time;
    // Two heartbeats without an answer: the connection is taken as broken.
    if (now - this.#lastAnswer > 2.5 * HEARTBEAT_MS) {
      this.#connect();
      return;
    }
    const sequence = this.#sentAt.length;
    this.#sentAt.push(now);
    this.#send({
      type: "heartbeat",
      rnode: this.name,
      boot: this.#boot(),
      sequence,
      held: [...this.held.keys()],
    });
    for (const held of this.held.values()) if (held.outcome !== undefined) this.#sendResult(held);
  }

  #sendResult({ assign, outcome }: Held): void {
    if (outcome === undefined) return;
    const { lease, fence, key, action } = assign;
    this.#send({
      type: "result",
      rnode: this.name,
      boot: this.#boot(),
      lease,
      fence,
      key,
      action,
      outcome,
      outputs: [{ digest: `output of ${action}`, sizeBytes: 1_000 }],
    });
  }

  receive(message: ToRnode): void {
    switch (message.type) {
      case "assign":
        this.#assigned(message);
        break;
      case "cancel":
        this.#cancelled(message.lease);
        break;
      case "renew":
        this.#lastAnswer = this.#farm.time.now;
        for (const id of message.leases) this.#renew(id, message.sequence);
        break;
      case "acknowledge":
        if (this.held.get(message.lease)?.outcome !== undefined) this.held.delete(message.lease);
        break;
    }
  }

  #renew(id: string, sequence: number): void {
    const held = this.held.get(id);
    const sentAt = this.#sentAt[sequence];
    if (held === undefined || sentAt === undefined) return;
    held.endsAt = Math.max(held.endsAt, sentAt + this.#farm.config.leaseMs);
    this.#watchEnd(held);
  }

  #watchEnd(held: Held): void {
    const { time } = this.#farm;
    time.after(held.endsAt - time.now, () => {
      if (this.held.get(held.assign.lease) !== held || held.outcome !== undefined || held.endsAt > time.now) return;
      this.held.delete(held.assign.lease);
    });
  }

  #assigned(assign: AssignEffect): void {
    const { time, config } = this.#farm;
    if (assign.boot !== this.#boot() || this.#seen.has(assign.lease)) return;
    const endsAt = (this.#sentAt[assign.heard] ?? Number.NEGATIVE_INFINITY) + config.leaseMs;
    if (endsAt <= time.now) return;
    const of = { rnode: this.name, boot: this.#boot(), lease: assign.lease, fence: assign.fence };
    if (this.running().length >= this.slots) {
      this.#farm.overcommitted++;
      return;
    }
    this.#seen.add(assign.lease);
    const held: Held = { assign, endsAt, outcome: undefined };
    this.held.set(assign.lease, held);
    this.#farm.begun(this, assign);
    this.#watchEnd(held);
    this.#send({ type: "accepted", ...of });
    this.#send({ type: "running", ...of });
    const fails = this.#farm.random.chance(this.failureShare);
    const durationMs = fails ? 10 : this.#farm.durationMs(assign.action) * this.slowness;
    time.after(durationMs, () => {
      if (this.held.get(assign.lease) !== held) return;
      held.outcome = fails
        ? { kind: "infrastructure", text: "disk is full" }
        : {
            kind: "done",
            result: `${assign.lease} on ${this.name}`,
            outcome: this.#farm.outcomeOf(this, assign.action),
            durationMs,
          };
      this.#sendResult(held);
    });
  }

  #cancelled(lease: string): void {
    const held = this.held.get(lease);
    if (held === undefined) {
      // The cancel may overtake its assignment.
      this.#seen.add(lease);
      return;
    }
    if (held.outcome === undefined) held.outcome = { kind: "stopped" };
    this.#sendResult(held);
  }
}
