import { codeOf } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import {
  type ExecutionOptions,
  type ExecutionPurpose,
  type ExecutionRequest,
  type ExecutionResult,
  ExecutorError,
  UP_PATH,
} from "../../executor/index.ts";
import type { Clock } from "../../ports/index.ts";
import { farm, type reapi, unpackAny } from "../../protocol/index.ts";
import type { RemoteBlobs } from "../blobs/index.ts";
import type { Endpoint } from "./endpoint.ts";
import type { InputUploads } from "./input-uploads.ts";
import { judgeRemote, namedOutputs } from "./remote-outputs.ts";
import { timesOf, unattested } from "./remote-request.ts";
import { bringOutputs, keepInlined, type OfferedBlobs, printed } from "./remote-result.ts";
import type { TravailCheck, TravailVerdict } from "./travail-check.ts";

export interface ResultParts {
  readonly endpoint: Endpoint;
  readonly blobs: BlobStore;
  readonly remote: RemoteBlobs;
  /** Told of what the endpoint has. */
  readonly uploads?: InputUploads;
  /** Where outputs stay that nobody asked for; absent: all are fetched. */
  readonly offered?: OfferedBlobs | undefined;
  readonly clock: Clock;
  /** `undefined`: an endpoint that proves nothing; its results are nobody's word but its own, level `none`. */
  readonly check: TravailCheck | undefined;
}

export interface AnsweredResult {
  readonly result: reapi.ActionResult;
  /** It had been executed before. */
  readonly cached: boolean;
  readonly isTimeout: boolean;
  /** Milliseconds since 1970. */
  readonly askedAtMs: number;
}

export type Answered =
  | { readonly done: ExecutionResult }
  /** It is asked for again: as it is, or without looking for an execution of before. */
  | { readonly again: "as it is" | "executed anew"; readonly because: string };

/**
 * What an ActionResult comes to, its outputs brought as far as they are needed and, of a farm, proven.
 *
 * @throws {ExecutorError} `EXECUTOR_UNTRUSTED`. @throws {BlobsMissingError} @throws {RpcError}
 */
export async function readResult(
  parts: ResultParts,
  request: ExecutionRequest,
  purpose: ExecutionPurpose,
  answered: AnsweredResult,
  options: Pick<ExecutionOptions, "onOutput" | "signal">,
): Promise<Answered> {
  try {
    return await read(parts, request, purpose, answered, options);
  } catch (cause) {
    if (codeOf(cause) !== "BLOB_MISMATCH" && codeOf(cause) !== "PROTOCOL_MALFORMED") throw cause;
    throw new ExecutorError("EXECUTOR_UNTRUSTED", `${parts.endpoint.name} sent other bytes than it named`, { cause });
  }
}

async function read(
  parts: ResultParts,
  request: ExecutionRequest,
  purpose: ExecutionPurpose,
  { result, cached, isTimeout, askedAtMs }: AnsweredResult,
  { signal, onOutput }: Pick<ExecutionOptions, "onOutput" | "signal">,
): Promise<Answered> {
  const { endpoint, clock, blobs, remote, offered, check, uploads } = parts;
  const rooms = { remote, blobs, offered };
  const named = namedOutputs(result, request.directory, request.outputs);
  const stdout = await printed(result.stdoutRaw, result.stdoutDigest, rooms, signal);
  const stderr = await printed(result.stderrRaw, result.stderrDigest, rooms, signal);
  const timedOutAfterMs = isTimeout ? request.timeoutMs : undefined;
  const judged = judgeRemote(result, named, timedOutAfterMs);
  const details = result.executionMetadata?.auxiliaryMetadata ?? [];
  const travail = check === undefined ? undefined : unpackAny(details, "radix.farm.v1.Travail", farm.Travail);
  const { observations } = travail ?? {};
  keepInlined(result, blobs);
  const outputs = await bringOutputs(named.outputs, rooms, travail !== undefined, signal);
  if (check !== undefined) uploads?.know(outputs.map(({ digest }) => digest));
  const up = outputs.find(({ path }) => path === UP_PATH);
  const common = {
    exitCode: judged.exitCode,
    signal: observations?.signal || judged.signal,
    outputs,
    stdout: stdout.bytes,
    stderr: stderr.bytes,
    stdoutBytes: observations?.stdoutBytes || stdout.bytes.length,
    stderrBytes: observations?.stderrBytes || stderr.bytes.length,
    undeclared: observations?.undeclared ?? [],
  };
  onOutput?.("stdout", stdout.bytes);
  onOutput?.("stderr", stderr.bytes);
  if (check === undefined) {
    const times = timesOf(result, askedAtMs, clock.nowMs());
    const isolation = unattested(endpoint.name, request.network);
    const elsewhere = { rnode: endpoint.name, cached, travail: undefined };
    const kept = judged.verdict === "output-rejected" ? [] : outputs;
    return { done: { ...common, ...judged, ...times, outputs: kept, limitEvents: [], isolation, elsewhere } };
  }
  const verdict: TravailVerdict =
    travail === undefined
      ? { ok: false, because: "it came without a travail", again: false }
      : await check({
          request,
          purpose,
          travail,
          cached,
          outputs,
          exitCode: result.exitCode,
          stdout: stdout.digest,
          stderr: stderr.digest,
          properties: up === undefined ? undefined : blobs.read(up.digest).toString(),
        });
  if (!verdict.ok) {
    if (verdict.again) return { again: "executed anew", because: verdict.because };
    throw new ExecutorError("EXECUTOR_UNTRUSTED", `the result of ${request.label} proves nothing: ${verdict.because}`);
  }
  const { rnode, isCacheable, travail: signed, ...facts } = verdict.facts;
  const [missing] = named.missing;
  if (facts.verdict === "ok" && missing !== undefined) {
    throw new ExecutorError(
      "EXECUTOR_UNTRUSTED",
      `rnode ${rnode} says that all went well, and output ${missing} is missing`,
    );
  }
  // An action does not say which output is to be a directory, so no rnode can know.
  const isOther = facts.verdict === "ok" && named.rejected.length > 0;
  const limitEvents = (observations?.limits ?? []).map(({ limit, allowed, seen }) => ({ limit, allowed, seen }));
  const isSignalled = facts.verdict === "signal" || facts.verdict === "timeout";
  return {
    done: {
      ...common,
      ...facts,
      ...(isOther ? { verdict: "output-rejected" as const, detail: named.rejected.join("; "), outputs: [] } : {}),
      exitCode: isSignalled ? undefined : common.exitCode,
      limitEvents: isCacheable ? [] : limitEvents,
      elsewhere: { rnode, cached, travail: isOther ? undefined : signed },
    },
  };
}
