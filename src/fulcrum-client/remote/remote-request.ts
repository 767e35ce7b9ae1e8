import type { Digest } from "../../base/index.ts";
import type { ExecutionPurpose, ExecutionRequest, Isolation } from "../../executor/index.ts";
import { durationOf, farm, millisecondsOf, reapi } from "../../protocol/index.ts";
import { executionHints, requestMetadata, travailContext } from "../wire/request-metadata.ts";
import type { TravellingImage } from "./input-uploads.ts";

/** What is known of an isolation that nobody vouches for. */
export function unattested(endpoint: string, network: Isolation["network"]): Isolation {
  return {
    level: "none",
    backend: "remote",
    backendVersion: endpoint,
    namespaces: [],
    network,
    uidDropped: false,
    knownLeaks: ["filesystem", "host-tools", "network"],
  };
}

/** Who waits for a build: somebody at a terminal, a machine, or nobody for now. */
export type PriorityClass = "interactive" | "ci" | "background";

/**
 * Metadata of an Execute call. What only begat's own rnodes understand is nobody else's business.
 *
 * @param farmClass Of a farm that was joined; else `undefined`.
 */
export function callMetadata(
  request: ExecutionRequest,
  purpose: ExecutionPurpose,
  image: TravellingImage | undefined,
  farmClass: PriorityClass | undefined,
): Record<string, Uint8Array> {
  const { build, chore, dictum, version } = purpose;
  const metadata = requestMetadata(
    reapi.RequestMetadata.fromPartial({
      toolDetails: { toolName: "begat", toolVersion: version },
      actionId: request.actionDigest.hash,
      toolInvocationId: build,
      actionMnemonic: dictum,
      targetId: chore,
    }),
  );
  return farmClass === undefined ? metadata : { ...metadata, ...contextOf(request, purpose, image, farmClass) };
}

function contextOf(
  request: ExecutionRequest,
  purpose: ExecutionPurpose,
  image: TravellingImage | undefined,
  priorityClass: PriorityClass,
) {
  const { log, build, chore, dictum, attempt, version, who, tools, expectedMs, rankMs } = purpose;
  const { cpu, memory, pids } = request.resources;
  const resources = Object.fromEntries(
    Object.entries({ cpu, memory, pids }).filter((pair): pair is [string, number] => pair[1] !== undefined),
  );
  const manifest: Digest | undefined = image?.manifest;
  return {
    ...travailContext(
      farm.TravailContext.fromPartial({
        log,
        build,
        chore,
        dictum,
        attempt,
        version,
        who,
        outputsRequired: true,
        image: manifest,
        resources,
        tools: [...tools],
      }),
    ),
    ...executionHints(
      farm.ExecutionHints.fromPartial({
        historyKey: chore,
        priorityClass,
        ...(expectedMs === undefined ? {} : { expected: durationOf(expectedMs) }),
        ...(rankMs === undefined ? {} : { rank: durationOf(rankMs) }),
      }),
    ),
  };
}

/** When it ran, as far as the server says so; else when it was asked for. */
export function timesOf({ executionMetadata: metadata }: reapi.ActionResult, askedAtMs: number, nowMs: number) {
  const of = (time: Parameters<typeof millisecondsOf>[0] | undefined): number | undefined =>
    time === undefined ? undefined : millisecondsOf(time);
  const startedAtMs = of(metadata?.executionStartTimestamp) ?? of(metadata?.workerStartTimestamp) ?? askedAtMs;
  const finishedAtMs = of(metadata?.executionCompletedTimestamp) ?? of(metadata?.workerCompletedTimestamp) ?? nowMs;
  const isSane = finishedAtMs >= startedAtMs;
  return {
    startedAtMs: isSane ? startedAtMs : askedAtMs,
    finishedAtMs: isSane ? finishedAtMs : nowMs,
    durationMs: isSane ? finishedAtMs - startedAtMs : nowMs - askedAtMs,
  };
}
