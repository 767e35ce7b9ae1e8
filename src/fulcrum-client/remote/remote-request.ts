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

/** Who asks, and for what; in the words of the Remote Execution API. */
export function metadataOf(request: ExecutionRequest, purpose: ExecutionPurpose): reapi.RequestMetadata {
  const { build, chore, dictum, version } = purpose;
  return reapi.RequestMetadata.fromPartial({
    toolDetails: { toolName: "begat", toolVersion: version },
    actionId: request.actionDigest.hash,
    toolInvocationId: build,
    actionMnemonic: dictum,
    targetId: chore,
  });
}

/** What only a farm of begat's understands, and nobody else need know. */
export interface FarmWords {
  readonly context: farm.TravailContext;
  readonly hints: farm.ExecutionHints;
}

export function farmWords(
  request: ExecutionRequest,
  purpose: ExecutionPurpose,
  image: TravellingImage | undefined,
  priorityClass: PriorityClass,
): FarmWords {
  const { log, build, chore, dictum, attempt, version, who, tools, expectedMs, rankMs } = purpose;
  const { cpu, memory, pids } = request.resources;
  const resources = Object.fromEntries(
    Object.entries({ cpu, memory, pids }).filter((pair): pair is [string, number] => pair[1] !== undefined),
  );
  const manifest: Digest | undefined = image?.manifest;
  return {
    context: farm.TravailContext.fromPartial({
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
    hints: farm.ExecutionHints.fromPartial({
      historyKey: chore,
      priorityClass,
      ...(expectedMs === undefined ? {} : { expected: durationOf(expectedMs) }),
      ...(rankMs === undefined ? {} : { rank: durationOf(rankMs) }),
    }),
  };
}

/** The same as metadata of an Execute call. */
export function callMetadata(
  metadata: reapi.RequestMetadata,
  words: FarmWords | undefined,
): Record<string, Uint8Array> {
  const common = requestMetadata(metadata);
  return words === undefined ? common : { ...common, ...travailContext(words.context), ...executionHints(words.hints) };
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
