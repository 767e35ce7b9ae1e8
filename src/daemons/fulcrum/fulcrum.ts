import type { FileBlobStore, FileBlobStreams } from "../../cache/index.ts";
import type { Executor } from "../../executor/index.ts";
import {
  type Authority,
  type BoundService,
  Gate,
  HealthBoard,
  LeaseJournal,
  Memoir,
  memoirService,
  Placing,
  Revocations,
  Rnode,
  type RnodeImages,
  ROLE_TABLE,
  type RunningServer,
  reflectionServices,
  roleInterceptor,
  serverCredentials,
  startServer,
} from "../../fulcrum/index.ts";
import { enrolCalls, type Identity, keepRenewed, openFarmChannel, parseAddress } from "../../fulcrum-client/index.ts";
import type { Clock, FileStreams, FileTree, Log, Random } from "../../ports/index.ts";
import type { Signer, SqliteLedger } from "../../provenance/index.ts";
import { LeaderLink } from "./leader-link.ts";
import { leaderPart } from "./leader-part.ts";
import type { FulcrumView } from "./view.ts";

export interface FulcrumOptions {
  readonly name: string;
  readonly version: string;
  readonly ports: {
    readonly files: FileTree;
    readonly streams: FileStreams;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  };
  readonly identity: Identity;
  /** Of a leader. */
  readonly authority: Authority | undefined;
  /** `host:port`, the port known. */
  readonly listen: string;
  /** `host:port` for plain text, where that was asked for. */
  readonly insecureListen: string | undefined;
  /** Absolute: what only a fulcrum has in the state home. */
  readonly directory: string;
  /** Absolute: the action cache. */
  readonly cacheDirectory: string;
  readonly blobs: FileBlobStore;
  readonly blobStreams: FileBlobStreams;
  readonly ledger: SqliteLedger;
  readonly signer: Signer;
  readonly who: string;
  /** Of a leader: whether results count that clients bring and nobody signed. */
  readonly acceptsResults: boolean;
  /** Of a leader: how long results are kept after their last use; `undefined`: 30 days. */
  readonly keepResultsMs: number | undefined;
  /** 0: it executes nothing. */
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly worker: FulcrumWorker | undefined;
  readonly hostImage: (tools: readonly string[]) => string;
}

/** What executes, measured. */
export interface FulcrumWorker {
  readonly executor: Executor;
  readonly hostLevel: string;
  readonly imageLevel: string;
  readonly images: RnodeImages;
}

/** One machine's part of a farm, from start to end. */
export class Fulcrum {
  readonly #options: FulcrumOptions;
  readonly #stop = new AbortController();
  readonly #health: HealthBoard;
  readonly #leader: ReturnType<typeof leaderPart> | undefined;
  readonly #rnode: Rnode | undefined;
  readonly #memoir: Memoir;
  readonly #revocations: Revocations;
  readonly #bootId: string;
  readonly #startedAtMs: number;
  #servers: RunningServer[] = [];
  #running: Promise<void> = Promise.resolve();
  #failed: (error: unknown) => void = () => {};
  /** Rejects with what the fulcrum cannot go on after; never resolves. */
  readonly failure = new Promise<never>((_resolve, reject) => {
    this.#failed = reject;
  });

  constructor(options: FulcrumOptions) {
    this.#options = options;
    const { ledger, blobs, ports, who, authority } = options;
    this.#startedAtMs = ports.clock.nowMs();
    this.failure.catch(() => {});
    this.#bootId = Buffer.from(ports.random.bytes(8)).toString("hex");
    const { clock, log } = ports;
    this.#memoir = new Memoir({ ledger, blobs, clock, log, who, bootId: this.#bootId });
    // The authority's own list; elsewhere what the leader says of it.
    this.#revocations =
      authority?.revocations ??
      new Revocations(ports, `${options.directory}/${options.identity.member.cluster}`, options.identity.authority);
    this.#leader = authority && leaderPart({ ...options, authority });
    this.#health = new HealthBoard(this.#services().map(({ service }) => service.fullName));
    this.#rnode = options.worker && this.#makeRnode(options.worker);
  }

  /** Answers calls from now on, and works; ready when its own rnode is welcome, where it has one. */
  async start(): Promise<void> {
    const { identity, listen, insecureListen, ports } = this.#options;
    const revocations = this.#revocations;
    const gate = { table: ROLE_TABLE, authority: identity.authority, revocations, clock: ports.clock };
    const reflected = this.#reflected(this.#services());
    const onFailure = (error: unknown, method: string) =>
      ports.log.warn("a call failed by a mistake of begat's own", { method, because: String(error) });
    this.#servers.push(
      await startServer({
        address: listen,
        credentials: await serverCredentials(identity),
        interceptors: [await roleInterceptor(new Gate(gate))],
        services: reflected,
        onFailure,
      }),
    );
    if (insecureListen !== undefined) {
      this.#servers.push(
        await startServer({
          address: insecureListen,
          interceptors: [await roleInterceptor(new Gate({ ...gate, withoutCertificate: "client" }))],
          // Who enrols proves who it is and learns who answers: not in plain text.
          services: reflected.filter(({ service }) => service.fullName !== "radix.farm.v1.Enrol"),
          onFailure,
        }),
      );
    }
    const { signal } = this.#stop;
    const rnode = this.#rnode;
    const parts = [this.#renew(signal), ...(rnode === undefined ? [] : [rnode.run(signal)])];
    this.#running = Promise.all(parts).then(
      () => {},
      (error: unknown) => this.#failed(error),
    );
    if (rnode !== undefined) await Promise.race([rnode.welcomed(), this.failure]);
  }

  /** Takes no more work and ends what runs. */
  async drain(): Promise<void> {
    this.#health.setAll(false);
    await this.#rnode?.drain();
  }

  /** Ends everything at once; what ran is stopped first. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort(new Error("the fulcrum stops"));
    await this.#running;
    await this.#leader?.stop();
    await Promise.all(this.#servers.map((server) => server.stop(graceMs)));
    await this.#memoir.flush();
  }

  async view(): Promise<Omit<FulcrumView, "residentBytes">> {
    const { name, version, identity, listen, insecureListen, ledger, ports, worker, slots } = this.#options;
    const nowMs = ports.clock.nowMs();
    return {
      name,
      version,
      cluster: identity.member.cluster,
      listen,
      insecureListen,
      leaderAddress: this.#leader === undefined ? identity.leader : undefined,
      nowMs,
      startedAtMs: this.#startedAtMs,
      certificateUntilMs: identity.certificate.notAfterMs,
      memoirRecords: ledger.size(),
      slots: worker === undefined ? 0 : slots,
      executor: worker && `${worker.executor.name}, ${worker.hostLevel}`,
      rnode: this.#rnode?.figures(),
      leader: this.#leader?.figures(),
      farm: await this.#leader?.status(),
    };
  }

  #services(): BoundService[] {
    const { ledger } = this.#options;
    return [...(this.#leader?.services ?? []), memoirService(ledger)];
  }

  #reflected(services: readonly BoundService[]): BoundService[] {
    const names = services.map(({ service }) => service.fullName);
    return [...services, this.#health.service(), ...reflectionServices([...names, "grpc.health.v1.Health"])];
  }

  #makeRnode(worker: FulcrumWorker): Rnode {
    const { name, version, slots, labels, identity, blobs, blobStreams, ledger, signer, hostImage, ports } =
      this.#options;
    const { clock, random, log, files } = ports;
    const link = new LeaderLink(() => openFarmChannel(identity, this.#leaderAddress()), {
      instance: "",
      blobs,
      streams: blobStreams,
      clock,
      random,
    });
    const runsImages = worker.imageLevel !== "none";
    return new Rnode({
      name,
      version,
      slots,
      bootId: this.#bootId,
      hello: {
        executor: worker.executor.name,
        hostLevel: worker.hostLevel,
        imageLevel: worker.imageLevel,
        anyImage: runsImages,
      },
      placing: new Placing({ labels, hostImage, images: worker.images, runsImages }),
      executor: worker.executor,
      blobs,
      // The leader's own rnode works on the leader's own store.
      remote: this.#leader === undefined ? link : undefined,
      connect: () => link.connect(),
      signing: { signer, endorsement: identity.endorsement ?? new Uint8Array(), rnode: name, version },
      memoir: this.#memoir,
      ledgerOrigin: ledger.origin,
      journal: new LeaseJournal(files, `${this.#options.directory}/leases`),
      revocations: this.#revocations,
      clock,
      random,
      log,
    });
  }

  /** Where the leader is: for itself, where it listens; every interface is also the loopback one. */
  #leaderAddress(): string {
    const { identity, listen } = this.#options;
    if (this.#leader === undefined) return identity.leader;
    const { host, port } = parseAddress(listen);
    if (host === "0.0.0.0") return `127.0.0.1:${port}`;
    return host === "::" ? `[::1]:${port}` : listen;
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { identity, ports } = this.#options;
    if (this.#leader !== undefined) return this.#leader.keepRenewed(signal);
    const channel = await openFarmChannel(identity);
    try {
      await keepRenewed(identity, enrolCalls(channel, identity.leader), ports, signal);
    } finally {
      channel.close();
    }
  }
}
