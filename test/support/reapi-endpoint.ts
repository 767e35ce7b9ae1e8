import { FileBlobStore, FileBlobStreams } from "../../src/cache/index.ts";
import {
  type ActionResults,
  actionCacheService,
  BELIEVED,
  type BoundService,
  byteStreamService,
  capabilitiesService,
  createLeader,
  HealthBoard,
  type Leader,
  type LeaderOptions,
  type LeaderPorts,
  type RnodeTrust,
  reflectionServices,
  startServer,
  storageService,
} from "../../src/fulcrum/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import { SILENT_LOG } from "../../src/ports/index.ts";
import { reapi } from "../../src/protocol/index.ts";
import { ManualClock } from "./manual-clock.ts";
import { fastPlace, scratchDirectory } from "./scratch-directory.ts";

export interface ReapiEndpoint {
  readonly address: string;
  readonly store: FileBlobStore;
  readonly clock: ManualClock;
  readonly health: HealthBoard;
  readonly results: ActionResults;
  /** Where the leader was asked for. */
  readonly leader: Leader | undefined;
  close(): Promise<void>;
}

/** Action results in memory, by instance. */
export function memoryResults(): ActionResults {
  const results = new Map<string, Uint8Array>();
  const key = (instance: string, hash: string) => `${instance} ${hash}`;
  return {
    async get(instance, action) {
      const bytes = results.get(key(instance, action.hash));
      return bytes === undefined ? undefined : reapi.ActionResult.decode(bytes);
    },
    async put(instance, action, result) {
      results.set(key(instance, action.hash), reapi.ActionResult.encode(result).finish());
    },
  };
}

/** How the endpoint's leader differs from one that believes everybody and goes by the manual clock. */
export type Leading = Partial<Omit<LeaderOptions, "ports" | "trust">> & {
  readonly ports?: Partial<LeaderPorts>;
  readonly trust?: (store: FileBlobStore) => RnodeTrust;
};

/** Our own services over a store on the disk, at a free port of the loopback, in plain text. */
export async function reapiEndpoint(options: {
  readonly mayUpdateResults: boolean;
  /** Serves the blobs of this one, as a process that was started just now. */
  readonly over?: ReapiEndpoint;
  /** Executes too; by the manual clock unless told otherwise. */
  readonly lead?: Leading;
  /** The action cache; absent: one in memory. */
  readonly results?: ActionResults;
  /** Further services, execution among them. */
  readonly more?: (store: FileBlobStore) => readonly BoundService[];
}): Promise<ReapiEndpoint> {
  const scratch = scratchDirectory(fastPlace());
  const bulk = new NodeBulkFiles();
  const store = new FileBlobStore({
    fs: new NodeFileTree(),
    bulk,
    processes: new NodeProcessTable(),
    random: new KernelRandom(),
    cacheHome: options.over?.store.layout.home ?? `${scratch.path}/cache`,
  });
  const clock = new ManualClock();
  const instances = { accepts: (name: string) => ["", "main", "team/one", "team/two"].includes(name) };
  const mayUpdateResults = () => options.mayUpdateResults;
  const streams = new FileBlobStreams(store, new NodeFileStreams());
  const results = options.results ?? options.lead?.results ?? options.over?.results ?? memoryResults();
  const ports = { clock, random: new KernelRandom(), files: new NodeFileTree(), log: SILENT_LOG };
  const leader =
    options.lead &&
    createLeader({
      name: "leader",
      directory: `${scratch.path}/leader`,
      instances,
      blobs: store,
      results,
      ledgerOrigin: "ledger.test",
      version: "0.0.0",
      ...options.lead,
      trust: options.lead.trust?.(store) ?? BELIEVED,
      ports: { ...ports, streams: new NodeFileStreams(), ...options.lead.ports },
    });
  const services: BoundService[] = [
    capabilitiesService({
      instances,
      mayUpdateResults,
      execution: leader?.priorities ?? (options.more && { minPriority: 0, maxPriority: 0 }),
    }),
    storageService({ instances, blobs: store }),
    byteStreamService({ instances, blobs: store, streams, clock }),
    actionCacheService({ instances, blobs: store, results, mayUpdateResults }),
    ...(leader?.services ?? []),
  ];
  const names = services.map(({ service }) => service.fullName);
  const health = new HealthBoard(names);
  const server = await startServer({
    address: "127.0.0.1:0",
    services: [
      ...services,
      ...(options.more?.(store) ?? []),
      health.service(),
      ...reflectionServices([...names, "grpc.health.v1.Health"]),
    ],
  });
  return {
    address: `127.0.0.1:${server.port}`,
    store,
    clock,
    health,
    results,
    leader,
    async close() {
      await leader?.stop();
      await server.stop(100);
      bulk.close();
      scratch.dispose();
    },
  };
}
