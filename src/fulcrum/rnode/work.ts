import { BegatError, type Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { type ExecutionResult, type Executor, ExecutorError, listTree } from "../../executor/index.ts";
import {
  BlobsMissingError,
  isTransient,
  type RemoteBlobs,
  RpcError,
  statusNumber,
  statusOf,
} from "../../fulcrum-client/index.ts";
import type { Clock, Log } from "../../ports/index.ts";
import { durationOf, farm, packAny, rpc } from "../../protocol/index.ts";
import { type AssignedAction, readAssignedAction } from "./assigned-action.ts";
import { BroughtBlobs } from "./brought-blobs.ts";
import { fetchInputs } from "./fetch-inputs.ts";
import type { HeldLease } from "./held-lease.ts";
import type { Memoir } from "./memoir.ts";
import { actionResultOf, blobsOf, outcomeOf } from "./outcome.ts";
import { type BringBlobs, type Placing, RefusedError } from "./placing.ts";
import { type Names, signTravail, type TravailSigner, travailAny } from "./travail.ts";

/** What is needed to execute an assigned action. */
export interface WorkRooms {
  readonly executor: Executor;
  readonly placing: Placing;
  readonly blobs: BlobStore;
  /** The leader's store; `undefined` where it is the same one. */
  readonly remote: Pick<RemoteBlobs, "fetch" | "upload"> | undefined;
  readonly signing: TravailSigner;
  readonly memoir: Memoir;
  /** Of the memoir: what an execution is signed for that nobody gave names. */
  readonly ledgerOrigin: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who says what happens. */
export interface WorkListener {
  readonly onRunning: () => void;
  /** Of outputs that may come with the result instead of being uploaded, bytes, as the leader has it at the moment. */
  readonly resultBlobBytes: () => number;
}

/** Between two tries to reach the leader; the lease's end limits how often. */
const AGAIN_MS = 500;

/**
 * Executes a lease's action: fetches, runs, signs, uploads. Answers what is to be said of it; it always says something,
 * except that it is refused.
 *
 * @throws {RefusedError} It cannot run here, whatever happens.
 */
export async function work(rooms: WorkRooms, lease: HeldLease, listener: WorkListener): Promise<farm.Result> {
  const { signal } = lease.stop;
  try {
    return await attempt(rooms, lease, listener);
  } catch (error) {
    if (signal.aborted) return stoppedResult(lease, String(signal.reason?.message ?? signal.reason));
    if (error instanceof BlobsMissingError) return failedResult(lease, missingStatus(error.digests));
    if (!(error instanceof BegatError) || error instanceof RefusedError) throw error;
    return failedResult(lease, infrastructureStatus(error));
  }
}

async function attempt(
  rooms: WorkRooms,
  lease: HeldLease,
  { onRunning, resultBlobBytes }: WorkListener,
): Promise<farm.Result> {
  const { blobs, remote, clock, executor } = rooms;
  const { signal } = lease.stop;
  const context = lease.assign?.context;
  const queuedMs = clock.nowMs();
  const brought = new BroughtBlobs(lease.assign?.blobs ?? [], blobs);
  let fetchedBytes = brought.sizeBytes;
  const fetch = async (): Promise<AssignedAction> => {
    if (remote !== undefined) {
      fetchedBytes += await patiently(rooms, signal, () => fetchInputs(remote, brought, lease.action, signal));
    }
    return readAssignedAction(brought, lease.action, context);
  };
  const action = await fetch();
  lease.label = action.request.label;
  const bring: BringBlobs = async (digests) => {
    if (remote === undefined) return;
    fetchedBytes += (await patiently(rooms, signal, () => remote.fetch(digests, signal))).bytes;
  };
  const place = await rooms.placing.of(action, context, bring, signal);
  const fetchedMs = clock.nowMs();
  const request = { ...action.request, imageRoot: place.root };
  const turn = async () => {
    lease.startedAtMs = clock.nowMs();
    onRunning();
    return () => {};
  };
  let result: ExecutionResult;
  try {
    result = await executor.execute(request, { signal, turn });
  } catch (error) {
    // A collector took an input between the fetching and the staging: that is worth one more fetch.
    if (!isLostInput(error) || signal.aborted) throw error;
    if (remote === undefined) throw new BlobsMissingError(lostInputs(action, error), "the leader");
    await fetch();
    result = await executor.execute(request, { signal, turn });
  }
  const outcome = outcomeOf(action, result, context?.outputsRequired ?? false, blobs);
  const signed = signTravail(rooms.signing, action, place.image, outcome, result, namesOf(rooms, lease));
  const uploadBeganMs = clock.nowMs();
  const outputs = blobsOf(outcome, (tree) => listTree(blobs.read(tree)).files.map(({ digest }) => digest));
  let uploadedBytes = 0;
  let along: Buffer[] = [];
  const made = [...new Map(outputs.map((output) => [output.hash, output])).values()].filter(
    ({ sizeBytes }) => sizeBytes > 0,
  );
  const madeBytes = made.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (remote !== undefined && madeBytes <= resultBlobBytes()) {
    along = made.map((output) => blobs.read(output));
    uploadedBytes = madeBytes;
  } else if (remote !== undefined) {
    uploadedBytes = (await patiently(rooms, signal, () => remote.upload(outputs, signal))).bytes;
  }
  const times = { queuedMs, fetchedMs, uploadBeganMs, endedMs: clock.nowMs() };
  const stats: farm.ExecutionStats = {
    wall: durationOf(result.durationMs),
    cpu: result.usage && durationOf(result.usage.cpuMs),
    peakMemoryBytes: result.usage?.peakMemoryBytes ?? 0,
    fetchedBytes,
    uploadedBytes,
  };
  rooms.memoir.write(signed, lease.id, action, outcome);
  return {
    ...blank(lease),
    actionResult: actionResultOf(action, outcome, result, rooms.signing.rnode, times, [
      travailAny(signed.bytes),
      packAny("radix.farm.v1.ExecutionStats", farm.ExecutionStats, stats),
    ]),
    verdict: outcome.verdict,
    detail: outcome.detail,
    blobs: along,
    travail: signed.bytes,
    stats,
    status:
      outcome.verdict === "timeout" ? { code: DEADLINE_EXCEEDED, message: outcome.detail, details: [] } : undefined,
  };
}

const DEADLINE_EXCEEDED = statusNumber("DEADLINE_EXCEEDED");

/** What nobody gave names is signed under the lease's, for the memoir. */
function namesOf({ ledgerOrigin }: WorkRooms, lease: HeldLease): Names {
  const own = `action ${lease.action.hash.slice(0, 12)}`;
  return lease.assign?.context ?? { log: ledgerOrigin, build: lease.id, chore: own, dictum: "action", attempt: 1 };
}

/** Goes on while the leader cannot be reached: until the lease ends, its work is still worth something. */
async function patiently<T>({ clock, log }: WorkRooms, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (signal.aborted || !isOfTheConnection(error)) throw error;
      log.debug("the leader's store cannot be reached; trying again", { because: error.message });
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}

/** Calls of a connection that was given up are cancelled; the next one may do better. */
const isOfTheConnection = (error: unknown): error is RpcError =>
  isTransient(error) || (error instanceof RpcError && error.status === "CANCELLED");

const isLostInput = (error: unknown): error is ExecutorError =>
  error instanceof ExecutorError && error.code === "EXECUTOR_INPUT_MISSING";

function lostInputs(action: AssignedAction, { inputs }: ExecutorError): Digest[] {
  return action.request.inputs.filter(({ path }) => inputs.includes(path)).map(({ digest }) => digest);
}

function blank(lease: HeldLease): farm.Result {
  const { id: leaseId, fence, key, action: actionDigest } = lease;
  return { ...farm.Result.create(), leaseId, fence, key, actionDigest };
}

/** Nothing was executed, or nothing that counts. */
export function failedResult(lease: HeldLease, status: rpc.Status): farm.Result {
  return { ...blank(lease), verdict: "executor-error", detail: status.message, status };
}

export function stoppedResult(lease: HeldLease, because: string): farm.Result {
  return failedResult(lease, { code: statusNumber("CANCELLED"), message: because, details: [] });
}

/** What is said of a lease whose process is gone. */
export function interruptedResult(lease: HeldLease): farm.Result {
  const message = "the rnode was restarted while it worked on it";
  return failedResult(lease, { code: statusNumber("ABORTED"), message, details: [] });
}

function missingStatus(digests: readonly Digest[]): rpc.Status {
  const violations = digests.map(({ hash, sizeBytes }) => ({
    type: "MISSING",
    subject: `blobs/${hash}/${sizeBytes}`,
    description: "",
  }));
  return {
    code: FAILED_PRECONDITION,
    message: `${digests.length} inputs are not in the leader's store`,
    details: [packAny("google.rpc.PreconditionFailure", rpc.PreconditionFailure, { violations })],
  };
}

const FAILED_PRECONDITION = statusNumber("FAILED_PRECONDITION");
/** They say something of the action, or of the leader's wish. */
const OF_THE_ACTION = [0, statusNumber("CANCELLED"), DEADLINE_EXCEEDED, FAILED_PRECONDITION];

/** What the rnode itself could not do. */
function infrastructureStatus(error: BegatError): rpc.Status {
  const status = statusOf(error);
  if (error.code === "EXECUTOR_STAGING_FULL") return { ...status, code: statusNumber("RESOURCE_EXHAUSTED") };
  return OF_THE_ACTION.includes(status.code) ? { ...status, code: statusNumber("INTERNAL") } : status;
}
