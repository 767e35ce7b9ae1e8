import { BegatError, type Digest, explain } from "../../base/index.ts";
import { type FileBlobStore, FileBlobStreams } from "../../cache/index.ts";
import { type ExecutionRequest, type Executor, hostIdentity } from "../../executor/index.ts";
import {
  askAbilities,
  type Channel,
  type Endpoint,
  EndpointError,
  enrolCalls,
  type Identity,
  InputUploads,
  keepRenewed,
  LazyBlobs,
  listIdentities,
  loadIdentity,
  openChannel,
  openFarmChannel,
  parseEndpoint,
  RemoteBlobs,
  RemoteExecutor,
  tlsCredentials,
} from "../../fulcrum-client/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";
import { NodeFileStreams } from "../../platform/index.ts";
import { farm as wire } from "../../protocol/index.ts";
import { authoritySigner, type Ledger, readKeyHistory } from "../../provenance/index.ts";
import type { Farm, Records } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import { recordDecision } from "./control-service.ts";
import type { Machine } from "./machine.ts";
import { type TravailCheckParts, travailCheck } from "./travail-check.ts";
import { travellingImage } from "./travelling-image.ts";

class FarmChoiceError extends BegatError<"FARM_UNKNOWN" | "FARM_IDLE"> {}

/** Of an endpoint that does not say how much it does at once. */
const FOREIGN_SLOTS = 32;
/** Executions waiting at the farm beside those that run, so that no slot waits for the next one's inputs. */
const WAITING_PER_SLOT = 1;
const LEAST_SLOTS = 8;
const ASK_TIMEOUT_MS = 20_000;

export interface FarmRooms {
  /** The own store; with outputs that are still elsewhere, where they may stay there. */
  readonly blobs: LazyBlobs;
  farm(): Promise<Farm>;
}

export interface FarmParts {
  readonly machine: Machine;
  readonly options: NonNullable<BuildOptions["farm"]>;
  readonly own: FileBlobStore;
  readonly provider: ImageProvider;
  records(): Promise<Records>;
}

/** What a build needs to have chores executed elsewhere. Nothing is opened before the first of them is to be. */
export function farmRooms(parts: FarmParts): FarmRooms {
  let remote: RemoteBlobs | undefined;
  const blobs = new LazyBlobs(parts.own, () => remote);
  return {
    blobs,
    async farm() {
      const opened = await openFarm(parts, blobs);
      remote = opened.remote;
      return opened.farm;
    },
  };
}

async function openFarm(
  parts: FarmParts,
  lazy: LazyBlobs,
): Promise<{ readonly farm: Farm; readonly remote: RemoteBlobs }> {
  const { machine, options, own, provider } = parts;
  const { clock, random } = machine;
  const { endpoint, identity } = await openEndpoint(machine, options.address, options.instance);
  const abilities = await askAbilities(endpoint, { timeoutMs: ASK_TIMEOUT_MS });
  if (!abilities.executes) throw new EndpointError("ENDPOINT_UNSUITABLE", `${endpoint.name} executes nothing`);
  const { channel, instance } = endpoint;
  const streams = new FileBlobStreams(own, new NodeFileStreams());
  const limits = abilities.maxBatchBytes > 0 ? { maxBatchBytes: abilities.maxBatchBytes } : {};
  const remote = new RemoteBlobs({ channel, instance, blobs: own, streams, clock, random, ...limits });
  const joined = identity && (await joinedFarmParts(parts, channel, identity));
  const executor = new RemoteExecutor({
    endpoint,
    blobs: own,
    remote,
    uploads: new InputUploads(remote, own, machine.fs),
    ...(options.download === "all" ? {} : { offered: lazy }),
    clock,
    random,
    slots: joined?.slots ?? FOREIGN_SLOTS,
    check: joined?.check,
    priority: options.priority,
    imageOf: (value) => travellingImage(provider, streams, value),
  });
  machine.onClose(() => executor.close());
  return {
    remote,
    farm: { executor, slots: executor.slots, refuses: (request) => joined?.refuses(request) },
  };
}

/** What only a farm that was joined offers: it says what it has, and its rnodes sign. */
async function joinedFarmParts({ machine, records }: FarmParts, channel: Channel, identity: Identity) {
  const status = await channel.client(wire.StatusDefinition).get({}, { timeoutMs: ASK_TIMEOUT_MS });
  const ready = status.nodes.filter(({ state }) => state === "ready");
  const slots = ready.reduce((sum, node) => sum + node.slots, 0);
  if (slots === 0) {
    const away = status.nodes.map(
      ({ name, state, reason }) => `${name} is ${state}${reason === "" ? "" : ` (${reason})`}`,
    );
    const who = away.length === 0 ? "none has joined" : away.join(", ");
    throw new FarmChoiceError("FARM_IDLE", `no rnode of the farm at ${identity.leader} is ready: ${who}`);
  }
  const { ledger } = await records();
  const check = travailCheck({
    ledger,
    authority: identity.authority,
    endorse: endorsing(machine, ledger),
  });
  const hostImage = `begat-host:sha256:${hostIdentity([], machine.fs).digest}`;
  const other = ready.find(({ images }) => !images.includes(hostImage));
  const hasHostTools =
    other === undefined
      ? undefined
      : `rnode ${other.name} has other tools than this machine, which are part of its key`;
  return {
    slots: Math.max(LEAST_SLOTS, slots * (1 + WAITING_PER_SLOT)),
    check,
    refuses: ({ encoded }: ExecutionRequest): string | undefined => {
      const image = encoded?.platform.find(([name]) => name === "container-image")?.[1] ?? "";
      return image.startsWith("begat-host:") ? hasHostTools : undefined;
    },
  };
}

/** Enters a key in the ledger, by the root or admin key at hand. @throws {KeyError} where there is none. */
export function endorsing(machine: Machine, ledger: Ledger): TravailCheckParts["endorse"] {
  return async (subject, pop) => {
    const history = readKeyHistory(ledger);
    const signer = authoritySigner(machine.fs, machine.directories.stateHome, history, ledger.size());
    await recordDecision(machine, ledger, signer, { kind: "key.endorse", subject, pop });
  };
}

/**
 * A channel to what `--farm` or `--cache` names.
 *
 * @throws {EndpointError} @throws {FarmError} where this machine has joined no such farm.
 */
export async function openEndpoint(
  machine: Machine,
  text: string,
  instance: string,
): Promise<{ readonly endpoint: Endpoint; readonly identity: Identity | undefined }> {
  const known = text === "joined" ? undefined : parseEndpoint(text);
  if (known === undefined || known.scheme === "farm") {
    const identity = joinedFarm(machine, known?.address);
    const address = known?.address ?? identity.leader;
    const channel = await openFarmChannel(identity, address);
    const stop = new AbortController();
    const calls = enrolCalls(channel, address);
    keepRenewed(identity, calls, { clock: machine.clock, log: machine.log }, stop.signal).catch((error: unknown) =>
      machine.log.warn("the farm certificate is not renewed any more", { error: explain(error) }),
    );
    machine.onClose(() => {
      stop.abort();
      channel.close();
    });
    return { endpoint: { channel, instance, name: address }, identity };
  }
  const { scheme, address } = known;
  const credentials = scheme === "grpcs" ? { credentials: await tlsCredentials(extraAuthorities(machine)) } : {};
  const channel = await openChannel({
    address,
    ...credentials,
    userAgent: `begat/${machine.host.version.version}`,
  });
  machine.onClose(() => channel.close());
  const name = `${scheme}://${address}${instance === "" ? "" : `/${instance}`}`;
  return { endpoint: { channel, instance, name }, identity: undefined };
}

/** Whether it is anybody's endpoint: then nobody signs what it executes. */
export function isForeign(text: string): boolean {
  return text !== "joined" && parseEndpoint(text).scheme !== "farm";
}

/** The membership to go to `address` with: as a client where there is one, and of the farm that is led from there. */
function joinedFarm(machine: Machine, address: string | undefined): Identity {
  const { fs, directories } = machine;
  const all = listIdentities(fs, directories.stateHome).filter(({ role }) => role === "client");
  const identities = all.map(({ cluster, role }) => loadIdentity(fs, directories.stateHome, cluster, role));
  const chosen =
    identities.find(({ leader }) => leader === address) ?? (identities.length === 1 ? identities[0] : undefined);
  if (chosen !== undefined) return chosen;
  const leaders = identities.map(({ leader }) => leader).join(", ");
  if (identities.length === 0) {
    throw new FarmChoiceError("FARM_UNKNOWN", "this state home has joined no farm as a client", {
      hint: "`begat farm join HOST:PORT --token TOKEN`; another endpoint is named grpc://HOST:PORT or grpcs://HOST:PORT",
    });
  }
  throw new FarmChoiceError("FARM_UNKNOWN", `this state home has joined the farms led from ${leaders}`, {
    hint: "name one of these addresses",
  });
}

function extraAuthorities({ fs, host }: Machine): Buffer | undefined {
  const path = host.env.BEGAT_EXTRA_CA_CERTS || host.env.NODE_EXTRA_CA_CERTS;
  return path ? fs.readFile(path) : undefined;
}

/** An executor of this machine that first has what is still elsewhere brought here. */
export function bringing(executor: Executor, blobs: LazyBlobs): Executor {
  return {
    name: executor.name,
    slots: executor.slots,
    probe: (options) => executor.probe(options),
    async execute(request, options) {
      const stored: Digest[] = request.inputs.flatMap(({ from, digest }) => ("blob" in from ? [digest] : []));
      // What cannot be had is missed where it is staged, and named there.
      await blobs.bring(stored, options.signal).catch(() => {});
      return executor.execute(request, options);
    },
    tracingProblem: () => executor.tracingProblem?.(),
    close: () => executor.close(),
  };
}
