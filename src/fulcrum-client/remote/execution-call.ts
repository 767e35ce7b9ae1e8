import type { Clock, Random } from "../../ports/index.ts";
import { type longrunning, reapi, unpackAny } from "../../protocol/index.ts";
import type { Channel } from "../wire/channel.ts";
import type { CallOptions } from "../wire/client-calls.ts";
import { type RetryPolicy, retryDelayMs } from "../wire/retry.ts";
import { RpcError } from "../wire/rpc-error.ts";

export interface ExecutionCallOptions {
  readonly channel: Channel;
  /** Asks for it: by `Execution.Execute`, or as only a farm understands. */
  readonly ask: (options: CallOptions) => AsyncIterable<longrunning.Operation>;
  readonly clock: Clock;
  readonly random: Random;
  /** Attempts without any news between them. */
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
  /** With each change of the stage (`QUEUED`, `EXECUTING`). */
  readonly onStage?: (stage: number) => void;
  /** With the operation that is given up because of the signal. */
  readonly onLeft?: (name: string) => void;
}

const RESPONSE = "build.bazel.remote.execution.v2.ExecuteResponse";
const METADATA = "build.bazel.remote.execution.v2.ExecuteOperationMetadata";

/**
 * Has an action executed and waits for its end. A stream that is cut is taken up again by `WaitExecution`; where the
 * server has forgotten the operation, it is asked anew: executions may happen twice by contract.
 *
 * @throws {RpcError} when the server refuses, or does not answer for as long as the policy goes.
 */
export async function callExecution(options: ExecutionCallOptions): Promise<reapi.ExecuteResponse> {
  const { channel, ask, clock, random, retry, signal, onStage, onLeft } = options;
  const client = channel.client(reapi.ExecutionDefinition);
  let name: string | undefined;
  let stage = 0;
  let response: reapi.ExecuteResponse | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const operations = name === undefined ? ask({ signal }) : client.waitExecution({ name }, { signal });
      for await (const operation of operations) {
        attempt = 1;
        name = operation.name || name;
        const metadataOf = operation.metadata === undefined ? [] : [operation.metadata];
        const now = unpackAny(metadataOf, METADATA, reapi.ExecuteOperationMetadata)?.stage ?? 0;
        if (now !== stage) onStage?.(now);
        stage = now;
        // Read on to the end of the stream: leaving a stream early cancels the call on both sides, for nothing.
        if (operation.done) response ??= responseOf(operation);
      }
      if (response !== undefined) return response;
      throw new RpcError("UNAVAILABLE", `the stream of ${name ?? "an execution"} ended before the execution did`);
    } catch (error) {
      if (signal.aborted && name !== undefined) onLeft?.(name);
      signal.throwIfAborted();
      // How a stream ends that has given its answer matters to nobody.
      if (response !== undefined) return response;
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
