import {
  type AssignEffect,
  DEFAULT_LEADER_CONFIG,
  decide,
  type LeaderConfig,
  type LeaderEvent,
  LeaderState,
  type PriorityClass,
} from "../../../src/fulcrum/leader/index.ts";
import type { GraphTask } from "./build-graphs.ts";
import { VirtualTime } from "./virtual-time.ts";

/** A build for the farm to do. What it knows of its tasks may be wrong, or nothing. */
export interface IdealBuild {
  readonly name: string;
  readonly class: PriorityClass;
  readonly weight?: number;
  readonly graph: readonly GraphTask[];
  readonly startMs?: number;
  readonly rankMs: ((task: number) => number | undefined) | undefined;
  readonly expectedMs?: ((task: number) => number | undefined) | undefined;
  /** Tells the leader nothing of the inputs, so that it places as if there were none. */
  readonly hidesInputs?: boolean;
}

export interface IdealResult {
  /** By build: from its start to its last result. */
  readonly makespanMs: Map<string, number>;
  readonly movedBytes: number;
  readonly events: number;
  /** Running, by build, each time something was assigned while several builds had work queued. */
  readonly shares: Map<string, number>[];
}

/** A farm where nothing fails and nothing takes time but the tasks: what the leader's choices alone are worth. */
export function runIdealFarm(
  builds: readonly IdealBuild[],
  rnodes: number,
  slots: number,
  options: {
    config?: Partial<LeaderConfig>;
    sampleShares?: boolean /** Looks no further than the end of this build. */;
    until?: string;
    onDecide?: (state: LeaderState) => void;
  } = {},
): IdealResult {
  const time = new VirtualTime();
  const state = new LeaderState({ ...DEFAULT_LEADER_CONFIG, hedgeFactor: 1e9, ...options.config });
  const makespanMs = new Map<string, number>();
  const shares: Map<string, number>[] = [];
  const running = new Map<string, number>();
  const done = new Map<string, number>();
  const stored = Array.from({ length: rnodes }, () => new Set<string>());
  const waitsFor = builds.map(({ graph }) => graph.map(({ after }) => after.length));
  const unlocks = builds.map(({ graph }) => {
    const users: number[][] = graph.map(() => []);
    for (const [i, { after }] of graph.entries()) for (const before of after) users[before]?.push(i);
    return users;
  });
  let movedBytes = 0;
  let events = 0;
  const tell = (event: LeaderEvent): void => {
    events++;
    const { effects } = decide(state, event, time.now);
    for (const effect of effects) {
      if (effect.type === "assign") assigned(effect);
      else if (effect.type === "timer") time.after(effect.at - time.now, () => tell({ type: "timer" }));
    }
    options.onDecide?.(state);
  };
  const submit = (b: number, i: number): void => {
    const build = builds[b] as IdealBuild;
    const task = build.graph[i] as GraphTask;
    tell({
      type: "submit",
      submission: {
        execution: `${b} ${i}`,
        client: build.name,
        invocation: build.name,
        weight: build.weight ?? 1,
        class: build.class,
        action: task.name,
        scope: "",
        platform: [],
        inputs: build.hidesInputs ? [] : task.inputs,
        historyKey: "",
        expectedMs: build.expectedMs?.(i),
        rankMs: build.rankMs?.(i),
        skipCache: false,
        doNotCache: false,
      },
    });
  };
  const assigned = (assign: AssignEffect): void => {
    const [b, i] = assign.execution.split(" ").map(Number) as [number, number];
    const build = builds[b] as IdealBuild;
    const task = build.graph[i] as GraphTask;
    const number = Number(assign.rnode.slice(1));
    const here = stored[number] as Set<string>;
    for (const { digest, sizeBytes } of task.inputs) {
      if (here.has(digest)) continue;
      here.add(digest);
      movedBytes += sizeBytes;
    }
    running.set(build.name, (running.get(build.name) ?? 0) + 1);
    if (options.sampleShares) shares.push(new Map(running));
    time.after(task.durationMs, () => {
      here.add(task.output.digest);
      running.set(build.name, (running.get(build.name) as number) - 1);
      done.set(build.name, (done.get(build.name) ?? 0) + 1);
      makespanMs.set(build.name, time.now - (build.startMs ?? 0));
      tell({
        type: "result",
        rnode: assign.rnode,
        boot: assign.boot,
        lease: assign.lease,
        fence: assign.fence,
        key: assign.key,
        action: assign.action,
        outcome: { kind: "done", result: assign.lease, outcome: task.name, durationMs: task.durationMs },
        outputs: [task.output],
      });
      for (const user of unlocks[b]?.[i] ?? []) {
        const left = waitsFor[b] as number[];
        left[user] = (left[user] as number) - 1;
        if (left[user] === 0) submit(b, user);
      }
    });
  };
  for (let r = 0; r < rnodes; r++) {
    const rnode = `r${r}`;
    const boot = `boot ${r}`;
    tell({ type: "hello", rnode, boot, connection: 1, slots, labels: {}, images: "any", held: [] });
    let sequence = 0;
    const beat = (): void => {
      if (state.executions.size === 0 && builds.every(({ startMs }) => (startMs ?? 0) < time.now)) return;
      const held = [...(state.rnodes.get(rnode)?.leases.keys() ?? [])];
      tell({ type: "heartbeat", rnode, boot, sequence: ++sequence, held });
      time.after(3_000, beat);
    };
    time.after(3_000, beat);
  }
  for (const [b, build] of builds.entries()) {
    time.after(build.startMs ?? 0, () => {
      for (const [i, { after }] of build.graph.entries()) if (after.length === 0) submit(b, i);
    });
  }
  const { until } = options;
  const left = builds.find(({ name }) => name === until)?.graph.length ?? Number.POSITIVE_INFINITY;
  while ((done.get(until ?? "") ?? 0) < left && time.step());
  return { makespanMs, movedBytes, events, shares };
}
