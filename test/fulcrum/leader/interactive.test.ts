import { expect, test } from "vitest";
import {
  type AssignEffect,
  DEFAULT_LEADER_CONFIG,
  decide,
  type LeaderEffect,
  type LeaderEvent,
  LeaderState,
  type PriorityClass,
  pendingReason,
  type Submission,
} from "../../../src/fulcrum/leader/index.ts";

/** A leader with one rnode of eight slots, two of which are kept while somebody waits. */
class Desk {
  now = 0;
  readonly state = new LeaderState(DEFAULT_LEADER_CONFIG);
  readonly placed = new Map<string, AssignEffect>();
  readonly ended: string[] = [];

  constructor(slots = 8) {
    this.tell({ type: "hello", rnode: "r", boot: "b", connection: 1, slots, labels: {}, images: "any", held: [] });
  }

  tell(event: LeaderEvent): readonly LeaderEffect[] {
    const { effects } = decide(this.state, event, this.now);
    for (const effect of effects) {
      if (effect.type === "assign") this.placed.set(effect.execution, effect);
      if (effect.type === "cancel") this.ended.push(this.#executionOf(effect.lease));
    }
    return effects;
  }

  submit(execution: string, priority: PriorityClass, more: Partial<Submission> = {}): readonly LeaderEffect[] {
    const submission: Submission = {
      execution,
      client: execution,
      invocation: priority,
      weight: 1,
      class: priority,
      action: execution,
      scope: "",
      platform: [],
      inputs: [],
      historyKey: "",
      expectedMs: undefined,
      rankMs: undefined,
      skipCache: false,
      doNotCache: false,
      ...more,
    };
    return this.tell({ type: "submit", submission });
  }

  end(execution: string, kind: "done" | "stopped" = "done"): readonly LeaderEffect[] {
    const { rnode, boot, lease, fence, key, action } = this.placed.get(execution) as AssignEffect;
    const outcome = kind === "done" ? { kind, result: lease, outcome: action, durationMs: 1 } : { kind };
    this.placed.delete(execution);
    return this.tell({ type: "result", rnode, boot, lease, fence, key, action, outcome, outputs: [] });
  }

  #executionOf(lease: string): string {
    return [...this.placed.values()].find((one) => one.lease === lease)?.execution ?? lease;
  }
}

const several = (count: number, name: string): string[] => Array.from({ length: count }, (_, i) => `${name} ${i}`);

test("while somebody waits, a quarter of the slots is kept for what comes next, and for a second after it", () => {
  const desk = new Desk();
  desk.submit("mine", "interactive");
  for (const one of several(8, "ci")) desk.submit(one, "ci");
  expect([...desk.placed.keys()]).toEqual(["mine", ...several(5, "ci")]);
  expect(pendingReason(desk.state, "ci 5", desk.now)).toEqual({ kind: "kept", slots: 2 });
  desk.end("mine");
  expect(desk.placed.has("ci 5")).toBe(true);
  desk.now = 999;
  desk.end("ci 0");
  expect(desk.placed.has("ci 6")).toBe(true);
  expect(desk.placed.has("ci 7")).toBe(false);
  desk.submit("mine again", "interactive");
  expect(desk.placed.has("mine again")).toBe(true);
  desk.end("mine again");
  desk.now = 1_998;
  desk.tell({ type: "timer" });
  expect(desk.placed.has("ci 7")).toBe(false);
  desk.now = 1_999;
  desk.tell({ type: "timer" });
  expect(desk.placed.has("ci 7")).toBe(true);
});

test("slots are kept only where what is waited for could run", () => {
  const desk = new Desk(2);
  const labels = { gpu: "yes" };
  desk.tell({ type: "hello", rnode: "g", boot: "b", connection: 1, slots: 4, labels, images: "any", held: [] });
  desk.submit("mine", "interactive", { platform: [["gpu", "yes"]] });
  for (const one of several(6, "ci")) desk.submit(one, "ci");
  const where = [...desk.placed.values()].map(({ rnode }) => rnode);
  expect(where.filter((rnode) => rnode === "r")).toHaveLength(2);
  expect(where.filter((rnode) => rnode === "g")).toHaveLength(3);
});

test("background work gives way to what somebody waits for, what was begun last first, and is queued again", () => {
  const desk = new Desk(2);
  desk.submit("old", "background");
  desk.now = 10;
  desk.submit("young", "background");
  desk.submit("mine", "interactive");
  expect(desk.ended).toEqual(["young"]);
  // The slot is free once the rnode has stopped it; until then no other one is ended for the same chore.
  desk.tell({ type: "timer" });
  expect(desk.ended).toEqual(["young"]);
  desk.end("young", "stopped");
  expect([...desk.placed.keys()]).toEqual(["old", "mine"]);
  expect(pendingReason(desk.state, "young", desk.now)?.kind).toBe("no-slot");
  desk.end("mine");
  expect([...desk.placed.keys()]).toEqual(["old", "young"]);
});

test("a background chore is ended three times at most, and one that must not run twice at once never", () => {
  const desk = new Desk(1);
  desk.submit("alone", "background", { doNotCache: true });
  desk.submit("first", "interactive");
  expect(desk.ended).toEqual([]);
  desk.end("alone");
  desk.end("first");
  desk.submit("often", "background");
  for (const one of several(3, "mine")) {
    desk.submit(one, "interactive");
    desk.end("often", "stopped");
    desk.end(one);
  }
  expect(desk.ended).toEqual(["often", "often", "often"]);
  desk.submit("last", "interactive");
  expect(desk.ended).toHaveLength(3);
});

test("nothing but background work is ended for anybody's sake", () => {
  const desk = new Desk(2);
  for (const one of several(2, "ci")) desk.submit(one, "ci");
  desk.submit("mine", "interactive");
  expect(desk.ended).toEqual([]);
  const other = new Desk(2);
  for (const one of several(2, "idle")) other.submit(one, "background");
  other.submit("ci", "ci");
  expect(other.ended).toEqual([]);
});
