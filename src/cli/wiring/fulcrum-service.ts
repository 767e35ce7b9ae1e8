import { createServer } from "node:net";
import { join } from "node:path/posix";
import { FileBlobStreams, USES_WRITTEN_EVERY_MS } from "../../cache/index.ts";
import { Fulcrum, FulcrumError, FulcrumLock, startStatusServer, tellSystemd } from "../../daemons/index.ts";
import { listAuthorities, openAuthority } from "../../fulcrum/index.ts";
import {
  type Identity,
  listIdentities,
  loadIdentity,
  parseAddress,
  parseJoinToken,
} from "../../fulcrum-client/index.ts";
import { NodeFileStreams, StderrLog } from "../../platform/index.ts";
import { ensureSigner, openLedger } from "../../provenance/index.ts";
import type { ServeHooks, ServeRequest } from "../fulcrum-services.ts";
import { chooseExecutor } from "./choose-executor.ts";
import { farmInit, farmJoin } from "./farm-service.ts";
import { HostTools } from "./host-tools.ts";
import { imageProvider } from "./images.ts";
import { keepToSize } from "./keep-to-size.ts";
import type { Machine } from "./machine.ts";
import { rnodeImages } from "./rnode-images.ts";

const LEADER_PORT = 7300;
const RNODE_PORT = 7301;
/** What a drain and an end give calls that are still running, milliseconds. */
const GRACE_MS = 2_000;
/** What each machine calls itself: in a certificate they would name every machine, so one member at most has them. */
const OWN_NAMES = new Set(["127.0.0.1", "::1", "localhost"]);
/** Plain text that others can reach. */
const EXPOSED = "whoever reaches it may have anything executed on this farm, and read what is in its store";

export async function fulcrumServe(machine: Machine, request: ServeRequest, hooks: ServeHooks): Promise<void> {
  const { fs, clock, random, processes, directories } = machine;
  const { stateHome, cacheHome } = directories;
  const log = new StderrLog(clock);
  const directory = join(stateHome, "fulcrum");
  const lock = FulcrumLock.take(fs, directory, processes);
  machine.onClose(() => lock.release());
  const authorities = listAuthorities(fs, stateHome);
  const isLeader = request.leads || (request.join === undefined && authorities.length > 0);
  const listen = await withPort(request.listen ?? `0.0.0.0:${isLeader ? LEADER_PORT : RNODE_PORT}`);
  const insecureListen = request.insecureListen && (await withPort(request.insecureListen));
  const identity = await membership(machine, request, listen);
  const { cluster, name } = identity.member;
  const leads = listAuthorities(fs, stateHome).includes(cluster) && request.join === undefined;
  const ledger = await openLedger({ stateHome, cacheHome, files: fs, clock, random, cluster, rnode: name });
  machine.onClose(() => ledger.close());
  const blobs = machine.blobs(undefined);
  // So that a collection knows what is used; it is not kept from anything: a blob that is gone is fetched again.
  blobs.attachIndex((await machine.index((text) => log.info("cache", { text }))).blobs);
  const uses = new AbortController();
  void writeUses(machine, blobs, uses.signal);
  if (request.maxSizeBytes !== undefined) void keepToSize(machine, request.maxSizeBytes, log, uses.signal);
  machine.onClose(() => {
    uses.abort();
    blobs.flush();
  });
  const host = new HostTools(fs);
  const slots = request.slots ?? machine.jobs;
  // Recipes see nothing of the state home, where the keys are: the executor's canaries look for it.
  const workspace = { root: stateHome, entries: [], directory: "" };
  const provider = imageProvider(machine, workspace, blobs, { offline: true, onFetching: () => {} });
  const chosen =
    slots === 0
      ? undefined
      : await chooseExecutor({
          machine,
          workspace,
          options: { executor: request.executor, jobs: slots, minIsolation: undefined },
          images: true,
          provider,
          blobs,
          onNotice: (text) => log.info("executor", { text }),
          onWeaker: (text) => hooks.onNotice(text),
        });
  const fulcrum = new Fulcrum({
    name,
    version: machine.host.version.version,
    ports: { files: fs, streams: new NodeFileStreams(), clock, random, log },
    identity,
    authority: leads ? openAuthority({ files: fs, clock, random }, stateHome, cluster) : undefined,
    listen,
    insecureListen,
    directory,
    cacheDirectory: join(cacheHome, "farm"),
    blobs,
    blobStreams: new FileBlobStreams(blobs, new NodeFileStreams()),
    ledger,
    signer: ensureSigner(fs, random, stateHome, "rnode", name),
    who: machine.who,
    acceptsResults: request.acceptsResults,
    keepResultsMs: request.keepResultsMs,
    slots,
    // What every Linux machine may be asked for.
    labels: {
      OSFamily: "linux",
      Arch: process.arch === "x64" ? "amd64" : process.arch,
      network: "host",
      ...request.labels,
    },
    worker: chosen && { ...chosen, images: rnodeImages(machine, provider, blobs) },
    hostImage: (tools) => host.image(tools),
  });
  const statusAt = request.statusListen && parseAddress(await withPort(request.statusListen));
  const status = statusAt ? await startStatusServer(statusAt, () => fulcrum.view()) : undefined;
  const stopped = new Promise<void>((resolve) => {
    if (hooks.stop.aborted) resolve();
    hooks.stop.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    if (insecureListen !== undefined) {
      hooks.onNotice(`${insecureListen} answers in plain text and asks nobody who he is`, EXPOSED);
    }
    const started = fulcrum.start();
    started.catch(() => {});
    await Promise.race([started, stopped]);
    if (!hooks.stop.aborted) {
      hooks.onReady({
        name,
        role: leads ? "leader" : "rnode",
        cluster,
        listen,
        insecureListen,
        status: status && `http://127.0.0.1:${status.port}/`,
        slots,
        executor: chosen?.executor.name,
        level: chosen?.hostLevel,
      });
      tellSystemd(machine.host.env, "READY=1");
    }
    const drained = hooks.drain.then(() => {
      tellSystemd(machine.host.env, "STOPPING=1");
      return fulcrum.drain();
    });
    await Promise.race([drained, stopped, fulcrum.failure]);
  } finally {
    await fulcrum.stop(hooks.stop.aborted ? 0 : GRACE_MS);
    await status?.stop();
  }
}

async function writeUses({ clock }: Machine, blobs: { flush(): void }, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await clock.sleep(USES_WRITTEN_EVERY_MS, ended).catch(() => {});
    if (!ended.aborted) blobs.flush();
  }
}

/** What this state home is in the farm; founded or joined where it is nothing yet. */
async function membership(machine: Machine, request: ServeRequest, listen: string): Promise<Identity> {
  const { fs, directories } = machine;
  const { stateHome } = directories;
  const authorities = listAuthorities(fs, stateHome);
  const members = listIdentities(fs, stateHome).filter(({ role }) => role === "rnode");
  const { host } = parseAddress(listen);
  const every = host === "0.0.0.0" || host === "::";
  if (request.leads) {
    const [cluster] = authorities;
    if (cluster !== undefined) return loadIdentity(fs, stateHome, cluster, "rnode");
    const own = every ? `${machine.rnode.toLowerCase()}:${parseAddress(listen).port}` : listen;
    const made = await farmInit(machine, { name: request.name, address: own, hosts: request.hosts });
    return loadIdentity(fs, stateHome, made.cluster, "rnode");
  }
  const pinned = request.token === undefined ? undefined : parseJoinToken(request.token).pin;
  const known = members.find(({ cluster }) => pinned === undefined || cluster === pinned);
  if (known !== undefined) return loadIdentity(fs, stateHome, known.cluster, "rnode");
  if (request.join === undefined || request.token === undefined) {
    throw new FulcrumError("FULCRUM_NO_FARM", "this machine is a member of no farm", {
      hint: "--leader founds one; --join HOST:PORT --token TOKEN joins one",
    });
  }
  const joined = await farmJoin(machine, {
    address: request.join,
    token: request.token,
    role: "rnode",
    name: request.name,
    hosts: every || OWN_NAMES.has(host) ? request.hosts : [host, ...request.hosts],
  });
  return loadIdentity(fs, stateHome, joined.cluster, "rnode");
}

/** Port 0 becomes one that is free at this moment: the certificate and other members must know it beforehand. */
async function withPort(address: string): Promise<string> {
  const [, host] = /^(.*):0$/.exec(address) ?? [];
  if (host === undefined) {
    parseAddress(address);
    return address;
  }
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host.replace(/^\[|\]$/g, ""), () => {
      const found = server.address();
      resolve(typeof found === "object" && found !== null ? found.port : 0);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return `${host}:${port}`;
}
