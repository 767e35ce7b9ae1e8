import {
  type Channel,
  FarmError,
  type FarmRole,
  farmErrorOf,
  type Identity,
  instant,
  listIdentities,
  loadIdentity,
  openFarmChannel,
} from "../../fulcrum-client/index.ts";
import { farm, millisecondsOf, type Timestamp } from "../../protocol/index.ts";
import type {
  FarmDescribeReport,
  FarmExecutionView,
  FarmServices,
  FarmStatusReport,
  RnodeView,
} from "../farm-services.ts";
import { pick } from "./farm-service.ts";
import type { Machine } from "./machine.ts";

/** How long a leader may take to answer, milliseconds. */
const PATIENCE_MS = 10_000;

const ANYBODY: readonly FarmRole[] = ["operator", "auditor", "client", "rnode"];
const READERS: readonly FarmRole[] = ["operator", "auditor", "client"];

export async function farmStatus(machine: Machine, cluster: string | undefined): Promise<FarmStatusReport> {
  const status = await asked(machine, cluster, ANYBODY, (channel) =>
    channel.client(farm.StatusDefinition).get({}, { timeoutMs: PATIENCE_MS }),
  );
  return {
    leader: status.leader,
    at: timeText(status.at),
    queued: status.queued,
    rnodes: status.nodes.map(rnodeView),
    executions: status.executions.map(executionView),
  };
}

export async function farmDescribe(
  machine: Machine,
  request: Parameters<FarmServices["farmDescribe"]>[0],
): Promise<FarmDescribeReport> {
  const { name } = request;
  const { execution, decisions } = await asked(machine, request.cluster, READERS, (channel) =>
    channel.client(farm.ControlDefinition).describe({ name }, { timeoutMs: PATIENCE_MS }),
  );
  return {
    ...executionView(execution ?? farm.ExecutionStatus.create()),
    decisions: decisions.map(({ at, text }) => ({ at: timeText(at), text })),
  };
}

export async function farmKill(
  machine: Machine,
  request: Parameters<FarmServices["farmKill"]>[0],
): Promise<{ readonly name: string; readonly killed: boolean }> {
  const { name, reason } = request;
  const { killed } = await asked(machine, request.cluster, ["operator"], (channel) =>
    channel.client(farm.ControlDefinition).kill({ name, reason }, { timeoutMs: PATIENCE_MS }),
  );
  return { name, killed };
}

/** Asks the leader as one of these roles, the first that this state home has. */
async function asked<T>(
  machine: Machine,
  cluster: string | undefined,
  roles: readonly FarmRole[],
  ask: (channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await openFarmChannel(identityOf(machine, cluster, roles));
  try {
    return await ask(channel);
  } catch (error) {
    throw farmErrorOf(error);
  } finally {
    channel.close();
  }
}

function identityOf({ fs, directories }: Machine, cluster: string | undefined, roles: readonly FarmRole[]): Identity {
  const { stateHome } = directories;
  const all = listIdentities(fs, stateHome);
  const role = roles.find((one) => all.some((identity) => identity.role === one));
  const fitting = all.filter((identity) => identity.role === role).map((identity) => identity.cluster);
  const chosen = pick([...new Set(fitting)], cluster, () => {
    const needed = roles.join(" or ");
    return new FarmError("FARM_NOT_JOINED", `this state home is no ${needed} of a farm`, {
      hint: `at the leader \`begat farm token --role ${roles[0]}\` prints a token, with which \`begat farm join\` makes it one`,
    });
  });
  return loadIdentity(fs, stateHome, chosen, role as FarmRole);
}

const timeText = (time: Timestamp | undefined): string | undefined =>
  time === undefined ? undefined : instant(millisecondsOf(time));

const rnodeView = (node: farm.NodeStatus): RnodeView => ({
  name: node.name,
  state: node.state,
  reason: node.reason,
  slots: node.slots,
  busy: node.busy,
  executor: node.executor,
  labels: node.labels,
  version: node.version,
  lastHeard: timeText(node.lastHeard),
});

const executionView = (execution: farm.ExecutionStatus): FarmExecutionView => ({
  name: execution.name,
  action: execution.actionDigest?.hash ?? "",
  chore: execution.chore,
  state: execution.state,
  reason: execution.reason,
  rnodes: execution.nodes,
  queuedAt: timeText(execution.queuedAt),
  startedAt: timeText(execution.startedAt),
  attempt: execution.attempt,
  who: execution.who,
});
