import { farm, timestampOf } from "../../protocol/index.ts";
import type { Rnode } from "../leader/model.ts";
import { type BoundService, bindService } from "../wire/index.ts";
import type { Executions } from "./executions.ts";
import type { Operation } from "./operation.ts";
import type { LeaderOptions } from "./options.ts";

/** Executions told of in one status; all of them are counted, and `Control.List` has them. */
const MOST_TOLD = 1_000;
/** Between two messages of a watch: what changes a thousand times a second is looked at once. */
const WATCH_MS = 250;

/** Status and Resources of `radix.farm.v1`. */
export function statusServices(executions: Executions, options: LeaderOptions): BoundService[] {
  const { clock } = options.ports;
  const status = (): farm.FarmStatus => {
    const told: farm.ExecutionStatus[] = [];
    for (const operation of executions.operations.active()) {
      if (told.push(executionStatus(executions, operation)) >= MOST_TOLD) break;
    }
    return {
      at: timestampOf(executions.wallMs),
      leader: options.name,
      nodes: [...executions.state.rnodes.values()].map((rnode) => nodeStatus(executions, rnode)),
      executions: told,
      queued: executions.state.queue.size,
    };
  };
  return [
    bindService(farm.StatusDefinition, {
      get: async () => status(),
      async *watch(_request, { signal }) {
        while (!signal.aborted) {
          const changed = executions.nextChange(signal);
          yield status();
          await changed;
          await clock.sleep(WATCH_MS, signal).catch(() => {});
        }
      },
    }),
    bindService(farm.ResourcesDefinition, { get: async () => resources(executions) }),
  ];
}

function nodeStatus(executions: Executions, rnode: Rnode): farm.NodeStatus {
  const connection = executions.connections.get(rnode.name);
  const { state, reason } = stateOf(rnode, executions.nowMs);
  return {
    name: rnode.name,
    state,
    reason,
    slots: rnode.slots,
    busy: rnode.leases.size,
    labels: { ...rnode.labels },
    executor: connection?.hello.executor ?? "",
    version: connection?.hello.version ?? "",
    lastHeard: connection === undefined ? undefined : timestampOf(connection.lastHeardMs),
    images: [...(connection?.hello.images ?? [])],
  };
}

function stateOf(rnode: Rnode, now: number): { state: string; reason: string } {
  if (!rnode.isConnected) return { state: "away", reason: "it is not connected" };
  if (rnode.isSilent) return { state: "away", reason: `not heard for ${seconds(now - rnode.lastHeardMs)}` };
  if (rnode.isDraining) return { state: "draining", reason: "it takes no more work" };
  if (rnode.probeAtMs > 0) {
    const next = `next probe in ${seconds(rnode.probeAtMs - now)}`;
    return { state: "quarantined", reason: `${rnode.lastFailure}; ${next}` };
  }
  return { state: "ready", reason: "" };
}

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1000))} s`;

/** An execution as people ask for it: where it is, or why it waits. */
export function executionStatus(executions: Executions, operation: Operation): farm.ExecutionStatus {
  const { action, context, queuedAtMs } = operation.request;
  const chore = executions.state.executions.get(operation.name)?.chore;
  const pending = executions.pendingText(operation.name);
  return {
    name: operation.name,
    actionDigest: { hash: action.hash, sizeBytes: action.sizeBytes },
    chore: context.chore,
    state:
      operation.response !== undefined
        ? "done"
        : chore !== undefined && chore.leases.length > 0
          ? "executing"
          : "queued",
    reason: pending === undefined ? "" : `pending because ${pending}`,
    nodes: chore?.leases.map(({ rnode }) => rnode.name) ?? [],
    queuedAt: timestampOf(queuedAtMs),
    startedAt: operation.startedAtMs === undefined ? undefined : timestampOf(operation.startedAtMs),
    attempt: (chore?.failures.length ?? 0) + 1,
    who: context.who,
  };
}

function resources(executions: Executions): farm.FarmResources {
  const labels: Record<string, number> = {};
  let [slots, busy] = [0, 0];
  for (const rnode of executions.state.rnodes.values()) {
    if (!rnode.isConnected) continue;
    slots += rnode.slots;
    busy += rnode.leases.size;
    for (const [name, value] of Object.entries(rnode.labels)) {
      const label = `${name}=${value}`;
      labels[label] = (labels[label] ?? 0) + 1;
    }
  }
  return { slots, busy, labels };
}
