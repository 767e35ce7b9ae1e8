import type { Clock, Random } from "../../ports/index.ts";
import { type longrunning, reapi, unpackAny } from "../../protocol/index.ts";
import type { Channel } from "../wire/channel.ts";
import { type RetryPolicy, retryDelayMs } from "../wire/retry.ts";
import { RpcError } from "../wire/rpc-error.ts";

export interface ExecutionCallOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly random: Random;
  /** Attempts without any news between them. */
  readonly retry: RetryPolicy;
  readonly metadata: Readonly<Record<string, Uint8Array>>;
  readonly signal: AbortSignal;
  /** With each change of the stage (`QUEUED`, `EXECUTING`). */
  readonly onStage?: (stage: number) => void;
}

const RESPONSE = "build.bazel.remote.execution.v2.ExecuteResponse";
const METADATA = "build.bazel.remote.execution.v2.ExecuteOperationMetadata";

/**
 * Has an action executed and waits for its end. A stream that is cut is taken up again by `WaitExecution`; where the
 * server has forgotten the operation, it is asked anew: executions may happen twice by contract.
 *
 * @throws {RpcError} when the server refuses, or does not answer for as long as the policy goes.
 */
export async function callExecution(
  request: reapi.ExecuteRequest,
  options: ExecutionCallOptions,
): Promise<reapi.ExecuteResponse> {
  const { channel, clock, random, retry, metadata, signal, onStage } = options;
  const client = channel.client(reapi.ExecutionDefinition);
  let name: string | undefined;
  let stage = 0;
  for (let attempt = 1; ; attempt++) {
    const call = { metadata, signal };
    try {
      const operations = name === undefined ? client.execute(request, call) : client.waitExecution({ name }, call);
      for await (const operation of operations) {
        attempt = 1;
        name = operation.name || name;
        const metadataOf = operation.metadata === undefined ? [] : [operation.metadata];
        const now = unpackAny(metadataOf, METADATA, reapi.ExecuteOperationMetadata)?.stage ?? 0;
        if (now !== stage) onStage?.(now);
        stage = now;
        if (operation.done) return responseOf(operation);
      }
      throw new RpcError("UNAVAILABLE", `the stream of ${name ?? "an execution"} ended before the execution did`);
    } catch (error) {
      signal.throwIfAborted();
      const isForgotten = name !== undefined && error instanceof RpcError && error.status === "NOT_FOUND";
      if (isForgotten) name = undefined;
      const cause = isForgotten ? new RpcError("UNAVAILABLE", error.message, { cause: error }) : error;
      const delayMs = retryDelayMs(retry, attempt, cause, random);
      if (delayMs === undefined) throw error;
      await clock.sleep(delayMs, signal);
    }
  }
}

function responseOf({ name, result }: longrunning.Operation): reapi.ExecuteResponse {
  if (result?.$case === "error")
    throw new RpcError("UNKNOWN", `${name} ended without an answer: ${result.value.message}`);
  const response = result === undefined ? undefined : unpackAny([result.value], RESPONSE, reapi.ExecuteResponse);
  if (response !== undefined) return response;
  throw new RpcError("UNKNOWN", `${name} ended with something that is no ExecuteResponse`);
}
