import { explain, invariant, parseSha256, relativeTo, type Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import {
  type Capabilities,
  type EncodedRequest,
  type ExecutionOptions,
  type ExecutionPurpose,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
} from "../../executor/index.ts";
import type { Clock, Random } from "../../ports/index.ts";
import { farm, reapi, rpc, unpackAny } from "../../protocol/index.ts";
import { BlobsMissingError, type RemoteBlobs } from "../blobs/index.ts";
import { isTransient, type RetryPolicy } from "../wire/retry.ts";
import { RpcError, STATUS_NAMES, statusNumber } from "../wire/rpc-error.ts";
import { askAbilities, type Endpoint, EndpointError, isLockedOut } from "./endpoint.ts";
import { callExecution } from "./execution-call.ts";
import type { InputUploads, Loose, TravellingImage } from "./input-uploads.ts";
import { Places } from "./places.ts";
import { type Answered, readResult } from "./read-result.ts";
import { callMetadata, farmWords, metadataOf, type PriorityClass, unattested } from "./remote-request.ts";
import type { OfferedBlobs } from "./remote-result.ts";
import type { TravailCheck } from "./travail-check.ts";

export interface RemoteExecutorOptions {
  readonly endpoint: Endpoint;
  readonly blobs: BlobStore;
  readonly remote: RemoteBlobs;
  readonly uploads: InputUploads;
  /** Where outputs stay that nobody asked for; absent: all are fetched. */
  readonly offered?: OfferedBlobs;
  readonly clock: Clock;
  readonly random: Random;
  /** Executions asked for at once. */
  readonly slots: number;
  /** `undefined`: an endpoint that proves nothing; its results are nobody's word but its own, level `none`. */
  readonly check: TravailCheck | undefined;
  /** Among the builds of a farm that was joined: `ci` if absent. */
  readonly priority?: PriorityClass;
  /** The image that a `container-image` names; `undefined` where it is not one of begat's. */
  readonly imageOf?: (value: string) => TravellingImage | undefined;
  readonly retry?: RetryPolicy;
}

/** Nine seconds at most: a leader that was restarted is back by then, and one that is gone holds nobody up for longer. */
const PATIENCE: RetryPolicy = { attempts: 7, firstDelayMs: 200, maxDelayMs: 3_000 };
const ABILITIES_TIMEOUT_MS = 20_000;
/** An end is not worth waiting for longer. */
const LEAVE_TIMEOUT_MS = 2_000;
/** How often inputs that were evicted between their coming and their use are brought again. */
const MOST_EVICTIONS = 5;
/** Of blobs that a farm is not asked about but sent with the execution, bytes. */
const MOST_LOOSE_BYTES = 32 * 1024;

/** Executes at an endpoint of the Remote Execution API: a farm, whose rnodes sign, or anybody's, which proves nothing. */
export class RemoteExecutor implements Executor {
  readonly name = "remote";
  readonly slots: number;
  readonly #options: RemoteExecutorOptions;
  readonly #places: Places;
  readonly #closing = new AbortController();
  readonly #leaving = new Set<Promise<unknown>>();
  #probed: Promise<Capabilities> | undefined;
  /** Whether the endpoint is asked by `radix.farm.v1.Chores`: until it says that it does not know that. */
  #takesChores: boolean;

  constructor(options: RemoteExecutorOptions) {
    this.#options = options;
    this.slots = options.slots;
    this.#places = new Places(options.slots);
    this.#takesChores = options.check !== undefined;
  }

  /** What it can do. The level is that of what nobody signed; signed results say their own. */
  probe(): Promise<Capabilities> {
    this.#probed ??= this.#probe();
    return this.#probed;
  }

  async #probe(): Promise<Capabilities> {
    const { endpoint } = this.#options;
    const isolation = unattested(endpoint.name, "none");
    const unusable = (finding: string): Capabilities => ({
      usable: false,
      findings: [finding],
      isolation,
      canaries: [],
    });
    try {
      const abilities = await askAbilities(endpoint, { timeoutMs: ABILITIES_TIMEOUT_MS });
      if (!abilities.executes) return unusable(`${endpoint.name} executes nothing`);
      if (!abilities.knowsOutputPaths) return unusable(`${endpoint.name} does not know output_paths (API 2.1)`);
      return { usable: true, findings: [], isolation, canaries: [] };
    } catch (error) {
      if (error instanceof EndpointError) return unusable(explain(error));
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#leaving);
  }

  /** Without that word the farm would keep it for a while, for a client that may come back. */
  #left(name: string): void {
    const control = this.#options.endpoint.channel.client(farm.ControlDefinition);
    const leaving = control.leave({ name }, { timeoutMs: LEAVE_TIMEOUT_MS }).catch(() => {});
    this.#leaving.add(leaving);
    void leaving.then(() => this.#leaving.delete(leaving));
  }

  async execute(request: ExecutionRequest, options: ExecutionOptions): Promise<ExecutionResult> {
    const { encoded } = request;
    const { purpose } = options;
    invariant(encoded !== undefined && purpose !== undefined, "a remote execution needs its messages and its purpose");
    invariant(options.trace !== true && options.variation === undefined, "neither traced nor varied elsewhere");
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    try {
      signal.throwIfAborted();
      await this.#places.take(signal);
      try {
        return await this.#attempts(request, encoded, purpose, { ...options, signal });
      } finally {
        this.#places.give();
      }
    } catch (error) {
      throw this.#failure(request, error, signal);
    }
  }

  async #attempts(
    request: ExecutionRequest,
    encoded: EncodedRequest,
    purpose: ExecutionPurpose,
    options: ExecutionOptions,
  ): Promise<ExecutionResult> {
    const { uploads, imageOf, endpoint } = this.#options;
    const { signal } = options;
    const image = imageOf?.(encoded.platform.find(([name]) => name === "container-image")?.[1] ?? "");
    let skipCacheLookup = !purpose.mayBeCached;
    let endTurn: (() => void) | undefined;
    try {
      for (let evictions = 0; ; ) {
        const loose = await uploads.bring(request, encoded, image, signal, this.#takesChores ? MOST_LOOSE_BYTES : 0);
        endTurn ??= await options.turn?.();
        signal.throwIfAborted();
        const answered = await this.#ask(request, purpose, image, loose, skipCacheLookup, options);
        if ("done" in answered) return answered.done;
        if (++evictions > MOST_EVICTIONS || (answered.again === "executed anew" && skipCacheLookup)) {
          throw new ExecutorError("EXECUTOR_REFUSED", `${endpoint.name}: ${answered.because}`);
        }
        skipCacheLookup ||= answered.again === "executed anew";
      }
    } finally {
      endTurn?.();
    }
  }

  async #ask(
    request: ExecutionRequest,
    purpose: ExecutionPurpose,
    image: TravellingImage | undefined,
    loose: readonly Loose[],
    skipCacheLookup: boolean,
    options: ExecutionOptions,
  ): Promise<Answered> {
    const { endpoint, clock, random, retry = PATIENCE, check, uploads, priority = "ci" } = this.#options;
    const { signal } = options;
    const { channel } = endpoint;
    const askedAtMs = clock.nowMs();
    const execute = reapi.ExecuteRequest.fromPartial({
      instanceName: endpoint.instance,
      actionDigest: request.actionDigest,
      skipCacheLookup,
      inlineStdout: true,
      inlineStderr: true,
      // Those that are not wanted here now stay where they are.
      inlineOutputFiles: this.#options.offered === undefined ? wantedFrom(request) : [],
    });
    const metadata = metadataOf(request, purpose);
    const words = check && farmWords(request, purpose, image, priority);
    const onLeft = (name: string) => {
      if (check !== undefined) this.#left(name);
    };
    const calls = { channel, clock, random, retry, signal, onLeft };
    let response: reapi.ExecuteResponse;
    if (this.#takesChores && words !== undefined) {
      const chores = channel.client(farm.ChoresDefinition);
      const chore = { execute, metadata, ...words, blobs: loose.map(({ bytes }) => bytes) };
      try {
        response = await callExecution({ ...calls, ask: (call) => chores.execute(chore, call) });
      } catch (error) {
        if (!(error instanceof RpcError) || error.status !== "UNIMPLEMENTED") throw error;
        this.#takesChores = false;
        return { again: "as it is", because: error.message };
      }
      uploads.know(loose.map(({ digest }) => digest));
    } else {
      const execution = channel.client(reapi.ExecutionDefinition);
      const said = { metadata: callMetadata(metadata, words) };
      response = await callExecution({ ...calls, ask: (call) => execution.execute(execute, { ...call, ...said }) });
    }
    const code = response.status?.code ?? 0;
    const isTimeout = code === statusNumber("DEADLINE_EXCEEDED");
    if (code !== 0 && !isTimeout) return this.#refusal(response.status as rpc.Status);
    if (response.result === undefined && !isTimeout) {
      throw new ExecutorError("EXECUTOR_REFUSED", `${endpoint.name} answered without a result`);
    }
    const result = response.result ?? reapi.ActionResult.create();
    try {
      const answered = { result, cached: response.cachedResult, isTimeout, askedAtMs };
      return await readResult(this.#options, request, purpose, answered, options);
    } catch (error) {
      // The result is there and its blobs are not: whoever made it makes it again.
      if (error instanceof BlobsMissingError) return { again: "executed anew", because: explain(error) };
      throw error;
    }
  }

  /** What the server would not or could not execute. */
  #refusal(status: rpc.Status): Answered {
    const { endpoint, uploads } = this.#options;
    const failure = unpackAny(status.details, "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
    const missing = (failure?.violations ?? []).filter(({ type }) => type === "MISSING");
    const text = status.message || (STATUS_NAMES[status.code] ?? String(status.code));
    if (missing.length > 0) {
      uploads.forget(missing.map(({ subject }) => hashIn(subject)).filter((hash) => hash !== undefined));
      return { again: "as it is", because: text };
    }
    const isEnded = status.code === statusNumber("CANCELLED");
    throw new ExecutorError(isEnded ? "EXECUTOR_ENDED" : "EXECUTOR_REFUSED", `${endpoint.name}: ${text}`);
  }

  #failure(request: ExecutionRequest, error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return new ExecutorError("EXECUTOR_CANCELLED", `${request.label} was cancelled`);
    const { name } = this.#options.endpoint;
    if (isTransient(error) || (error instanceof RpcError && error.status === "DEADLINE_EXCEEDED")) {
      return new ExecutorError("EXECUTOR_GONE", `${name} does not answer any more`, { cause: error });
    }
    if (!(error instanceof RpcError)) return error;
    return new ExecutorError(
      isLockedOut(error) ? "EXECUTOR_GONE" : "EXECUTOR_REFUSED",
      `${name} refuses ${request.label}`,
      {
        cause: error,
      },
    );
  }
}

/** Outputs as they are named in an answer: from the directory the command runs in. */
const wantedFrom = ({ outputs, directory }: ExecutionRequest): string[] =>
  outputs.map(({ path }) => relativeTo(directory, path));

/** `blobs/HASH/SIZE`. */
function hashIn(subject: string): Sha256 | undefined {
  return parseSha256(subject.split("/").at(-2) ?? "");
}
