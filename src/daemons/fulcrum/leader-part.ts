import { invariant } from "../../base/index.ts";
import {
  type Authority,
  actionCacheService,
  type BoundService,
  byteStreamService,
  type CallContext,
  capabilitiesService,
  createLeader,
  enrolHandlers,
  enrolService,
  type LeaderFigures,
  RecentBlobs,
  ResultStore,
  renewLeader,
  signedTrust,
  storageService,
} from "../../fulcrum/index.ts";
import { keepRenewed } from "../../fulcrum-client/index.ts";
import { farm } from "../../protocol/index.ts";
import type { FulcrumOptions } from "./fulcrum.ts";

/** What a leader has beside what every fulcrum has. */
export interface LeaderPart {
  readonly services: readonly BoundService[];
  figures(): LeaderFigures;
  status(): Promise<farm.FarmStatus>;
  keepRenewed(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Of an instance's name, characters. */
const LONGEST_INSTANCE = 200;

export function leaderPart(options: FulcrumOptions & { readonly authority: Authority }): LeaderPart {
  const { authority, identity, name, version, blobStreams, ports, ledger, hostImage } = options;
  const { clock, files, streams, random, log } = ports;
  const blobs = new RecentBlobs(options.blobs);
  // Any name: instances keep results apart and nothing else, so nobody need be asked for one.
  const instances = { accepts: (instance: string) => instance.length <= LONGEST_INSTANCE };
  const { isRevoked } = authority.revocations;
  const defaultImage = hostImage([]);
  const { members } = authority;
  const trust = signedTrust({ authority: identity.authority, members, isRevoked, blobs, defaultImage });
  const directory = `${options.cacheDirectory}/results`;
  const results = new ResultStore({
    files,
    clock,
    log,
    directory,
    trust,
    defaultImage,
    takesUnsigned: options.acceptsResults,
    retention: options.keepResultsMs === undefined ? undefined : { keepMs: options.keepResultsMs },
  });
  const stopped = new AbortController();
  void results.sweep().run((count) => log.info("results were removed", { count }), stopped.signal);
  const leader = createLeader({
    ports: { clock, files, streams, random, log },
    name,
    directory: `${options.directory}/leader`,
    instances,
    blobs,
    results,
    trust,
    revocations: authority.revocations,
    ledgerOrigin: ledger.origin,
    version,
    defaultImage,
  });
  // Those of members must be signed by an rnode anyway, unless it was asked for otherwise.
  const mayUpdateResults = ({ certificate }: CallContext) => options.acceptsResults || certificate !== undefined;
  const found = leader.services.find(({ service }) => service.fullName === farm.StatusDefinition.fullName);
  invariant(found !== undefined, "a leader serves its status");
  const status = found.handlers.get as (request: farm.StatusRequest) => Promise<farm.FarmStatus>;
  return {
    services: [
      enrolService(enrolHandlers(authority, ledger.origin)),
      capabilitiesService({ instances, mayUpdateResults, execution: leader.priorities }),
      storageService({ instances, blobs }),
      byteStreamService({ instances, blobs, streams: blobStreams, clock }),
      actionCacheService({ instances, blobs, results, mayUpdateResults }),
      ...leader.services,
    ],
    figures: () => leader.figures(),
    status: () => status({}),
    keepRenewed: (signal) => keepRenewed(identity, { renew }, { clock, log }, signal),
    stop() {
      stopped.abort();
      return leader.stop();
    },
  };

  /** Without a wire: whoever holds the authority's key asks nobody. */
  async function renew(): Promise<farm.JoinReply> {
    await renewLeader(authority, identity);
    const authorityDer = authority.certificate.certificate.raw;
    return {
      certificateChainDer: [identity.certificate.der, authorityDer],
      authorityDer,
      ledgerOrigin: ledger.origin,
      endorsement: new Uint8Array(),
    };
  }
}
