import { type Digest, explain, sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { statusNumber } from "../../fulcrum-client/index.ts";
import { farm, millisecondsOf, packAny, reapi, rpc, unpackAny } from "../../protocol/index.ts";
import type { RnodeOutcome, SizedBlob } from "../leader/index.ts";
import { digestFrom, missingOfResult } from "../services/index.ts";
import type { CheckedResult } from "./answers.ts";
import type { AssignedWork, Belief, RnodeTrust } from "./rnode-trust.ts";

/** What became of a lease, and the result where there is one to believe. */
export interface TakenResult {
  readonly outcome: RnodeOutcome;
  readonly checked: CheckedResult | undefined;
  /** By what the rnode says of it; whether the action allows it is asked elsewhere. */
  readonly isCacheable: boolean;
  readonly outputs: readonly SizedBlob[];
  /** As the rnode counted it; nothing rests on it. */
  readonly stats?: farm.ExecutionStats | undefined;
}

const TRAVAIL = "radix.farm.v1.Travail";
/** As the executors' verdicts have it. */
const OK_VERDICTS: readonly string[] = ["", "ok"];

/** Looks through what an rnode says of an execution before any of it is believed. */
export function takeResult(
  message: farm.Result,
  rnode: string,
  work: AssignedWork,
  blobs: Pick<BlobStore, "has" | "read" | "write">,
  trust: RnodeTrust,
): TakenResult {
  const { code, message: text, details } = message.status ?? rpc.Status.create();
  const nothing = { checked: undefined, isCacheable: false, outputs: [] };
  if (code === statusNumber("CANCELLED")) return { ...nothing, outcome: { kind: "stopped" } };
  if (code === statusNumber("FAILED_PRECONDITION")) {
    return { ...nothing, outcome: missingInputs(details, blobs, text) };
  }
  const isTimeout = code === statusNumber("DEADLINE_EXCEEDED");
  if (code !== 0 && !isTimeout) {
    const why = text || message.detail || `status ${code} without a reason`;
    return { ...nothing, outcome: { kind: "infrastructure", text: why } };
  }
  const untrusted = (why: string): TakenResult => ({ ...nothing, outcome: { kind: "untrusted", text: why } });
  const { actionResult } = message;
  if (actionResult === undefined) return untrusted("it says that it executed the action and brings no result");
  try {
    for (const bytes of message.blobs) blobs.write(bytes);
  } catch (error) {
    // No fault of the rnode's: but what cannot be kept is no result.
    return { ...nothing, outcome: { kind: "infrastructure", text: `its outputs cannot be kept: ${explain(error)}` } };
  }
  let outputs: SizedBlob[];
  let result: reapi.ActionResult;
  let belief: Belief;
  try {
    outputs = blobsOf(actionResult);
    const missing = missingOfResult(blobs, actionResult);
    if (missing.length > 0) {
      return untrusted(`${missing.length} blobs of its result are not in the store, ${missing[0]?.hash} among them`);
    }
    result = withTravail(actionResult, message.travail, rnode);
    belief = trust.belief(rnode, work, result);
    if (!belief.holds) return untrusted(belief.because);
  } catch (error) {
    return untrusted(`its result cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const isOk = !isTimeout && result.exitCode === 0 && OK_VERDICTS.includes(message.verdict);
  return {
    outcome: {
      kind: "done",
      result: message.leaseId,
      outcome: outcomeText(result, code),
      durationMs: durationMs(message),
    },
    checked: { result, status: isTimeout ? { code, message: text || message.detail, details: [] } : undefined },
    isCacheable: isOk && belief.isCacheable,
    outputs,
    stats: message.stats,
  };
}

/** An rnode that misses what the store has is at fault itself. */
function missingInputs(details: rpc.Status["details"], blobs: Pick<BlobStore, "has">, text: string): RnodeOutcome {
  const failure = unpackAny(details, "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
  const named = (failure?.violations ?? []).filter(({ type }) => type === "MISSING").map(({ subject }) => subject);
  const digests = named.flatMap((subject) => {
    const [, hash, size] = /^blobs\/([0-9a-f]{64})\/(\d+)$/.exec(subject) ?? [];
    return hash === undefined ? [] : [{ hash, sizeBytes: Number(size) } as Digest];
  });
  const gone = digests.filter((digest) => !blobs.has(digest));
  if (gone.length > 0) {
    return { kind: "inputs-missing", digests: gone.map(({ hash, sizeBytes }) => `${hash}/${sizeBytes}`) };
  }
  const what =
    digests.length > 0
      ? `it misses ${digests[0]?.hash}, which the store has`
      : text || "it says that inputs are missing and not which";
  return { kind: "infrastructure", text: what };
}

/** Blobs that are on the rnode from now on. */
function blobsOf(result: reapi.ActionResult): SizedBlob[] {
  const digests = [
    ...result.outputFiles.map(({ path, digest }) => digestFrom(digest, `output ${path}`)),
    ...result.outputDirectories.map(({ path, treeDigest }) => digestFrom(treeDigest, `output ${path}`)),
  ];
  return digests.map(({ hash, sizeBytes }) => ({ digest: hash, sizeBytes }));
}

/** The same for results that nobody could tell apart by what was made: what was printed, and when, is left out. */
export function outcomeText(result: reapi.ActionResult, status: number): string {
  const { outputFiles, outputDirectories, outputSymlinks, outputFileSymlinks, outputDirectorySymlinks, exitCode } =
    result;
  const bare = reapi.ActionResult.fromPartial({
    outputFiles: outputFiles.map(({ path, digest, isExecutable }) => ({ path, digest, isExecutable })),
    outputDirectories: outputDirectories.map(({ path, treeDigest }) => ({ path, treeDigest })),
    outputSymlinks,
    outputFileSymlinks,
    outputDirectorySymlinks,
    exitCode,
  });
  return `${status} ${sha256(reapi.ActionResult.encode(bare).finish())}`;
}

/** The result with its travail where clients look for it, and never empty: caches take an empty one for a broken one. */
function withTravail(result: reapi.ActionResult, travail: Uint8Array, rnode: string): reapi.ActionResult {
  const metadata = result.executionMetadata ?? reapi.ExecutedActionMetadata.create();
  const isThere = unpackAny(metadata.auxiliaryMetadata, TRAVAIL, farm.Travail) !== undefined;
  const added = travail.length === 0 || isThere ? [] : [packAny(TRAVAIL, farm.Travail, farm.Travail.decode(travail))];
  const auxiliaryMetadata = [...metadata.auxiliaryMetadata, ...added];
  return { ...result, executionMetadata: { ...metadata, worker: metadata.worker || rnode, auxiliaryMetadata } };
}

function durationMs({ stats, actionResult }: farm.Result): number {
  if (stats?.wall !== undefined) return Math.max(0, millisecondsOf(stats.wall));
  const { executionStartTimestamp: start, executionCompletedTimestamp: end } = actionResult?.executionMetadata ?? {};
  return start === undefined || end === undefined ? 0 : Math.max(0, millisecondsOf(end) - millisecondsOf(start));
}
