import { type CanonicalValue, canonicalJson, explain } from "../../base/index.ts";
import { type FileBlobStore, FileBlobStreams } from "../../cache/index.ts";
import { type AuthorityCertificate, askAbilities, RemoteBlobs, SharedCache } from "../../fulcrum-client/index.ts";
import { NodeFileStreams } from "../../platform/index.ts";
import { farm } from "../../protocol/index.ts";
import { provePossession, travailBytes } from "../../provenance/index.ts";
import type { Records, SharedResults } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import { endorsing, openEndpoint } from "./farm-build.ts";
import type { Machine } from "./machine.ts";
import { travailCheck } from "./travail-check.ts";

export interface SharedParts {
  readonly machine: Machine;
  readonly options: NonNullable<BuildOptions["cache"]>;
  readonly own: FileBlobStore;
  records(): Promise<Records>;
  readonly onNotice: (code: string, text: string) => void;
}

const ASK_TIMEOUT_MS = 20_000;
/** Results on their way at once; more would only hold memory. */
const MOST_OFFERED = 64;

/** The shared cache of a build. One that does not answer is said once, and done without. */
export function sharedResultsOf(parts: SharedParts): () => Promise<SharedResults | undefined> {
  let opened: Promise<SharedResults | undefined> | undefined;
  return () => {
    opened ??= open(parts).catch((error: unknown) => {
      parts.onNotice("CACHE_UNREACHABLE", `${explain(error)}; the build goes on without that cache`);
      return undefined;
    });
    return opened;
  };
}

async function open({ machine, options, own, records, onNotice }: SharedParts): Promise<SharedResults> {
  const { clock, random } = machine;
  const { endpoint, identity } = await openEndpoint(machine, options.address, options.instance);
  const abilities = await askAbilities(endpoint, { timeoutMs: ASK_TIMEOUT_MS });
  const { ledger, signer } = await records();
  const streams = new FileBlobStreams(own, new NodeFileStreams());
  const { channel, instance } = endpoint;
  const remote = new RemoteBlobs({ channel, instance, blobs: own, streams, clock, random });
  const authority: AuthorityCertificate | undefined = identity?.authority;
  const check = travailCheck({ ledger, authority, endorse: endorsing(machine, ledger) });
  const cache = new SharedCache({ endpoint, blobs: own, remote, clock, check, takesUnsigned: options.takesUnsigned });
  const told = new Set<string>();
  const once = (code: string, text: string) => {
    if (!told.has(code)) onNotice(code, text);
    told.add(code);
  };
  let isGone = false;
  const lost = (error: unknown) => {
    isGone = true;
    once("CACHE_UNREACHABLE", `${explain(error)}; the build goes on without that cache`);
  };
  const results: SharedResults = {
    async find(request, purpose, signal) {
      if (isGone) return undefined;
      try {
        const found = await cache.find(request, purpose, signal);
        if (found.kind === "unproven") {
          const text = `results in ${endpoint.name} are not used, because nobody proves them: ${found.because}`;
          once("CACHE_UNPROVEN", `${text}; --trust-unsigned takes such results as level none`);
        }
        if (found.kind !== "hit") return undefined;
        if (found.result.elsewhere?.travail === undefined) {
          once("CACHE_UNSIGNED", `results in ${endpoint.name} are taken although nobody signed them, as level none`);
        }
        return found.result;
      } catch (error) {
        signal.throwIfAborted();
        lost(error);
        return undefined;
      }
    },
  };
  if (!options.write) return results;
  if (!abilities.takesResults) {
    once("CACHE_READ_ONLY", `${endpoint.name} takes no results; it is only read`);
    return results;
  }
  const offered = new Set<Promise<void>>();
  const stop = new AbortController();
  // Before the channel closes: what was made is worth the wait.
  machine.onClose(() => Promise.all(offered).then(() => stop.abort()));
  return {
    ...results,
    offer(request, result, signed) {
      if (isGone || offered.size >= MOST_OFFERED) return;
      const travail = farm.Travail.fromPartial({
        body: travailBytes(signed),
        key: Buffer.from(canonicalJson({ ...signer.entry } as unknown as CanonicalValue)),
        log: ledger.origin,
        pop: provePossession(signer, ledger.origin),
      });
      const sending = cache.offer({ request, result, travail }, stop.signal).catch(lost);
      offered.add(sending);
      void sending.finally(() => offered.delete(sending));
    },
  };
}
