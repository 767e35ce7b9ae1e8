import type { Digest } from "../../base/index.ts";
import { type Any, type farm, type longrunning, packAny, reapi } from "../../protocol/index.ts";
import type { Submission } from "../leader/index.ts";

const { QUEUED, EXECUTING, COMPLETED } = reapi.ExecutionStage_Value;

/** What a leader that starts anew must know of an execution that was not answered. */
export interface OperationRequest {
  /** Name of the operation. */
  readonly name: string;
  readonly instance: string;
  readonly action: Digest;
  readonly context: farm.TravailContext;
  readonly inlineStdout: boolean;
  readonly inlineStderr: boolean;
  readonly inlineOutputFiles: readonly string[];
  /** Milliseconds since 1970. */
  readonly queuedAtMs: number;
  /** All the leader decides by but the inputs, which are in the action. */
  readonly submission: Omit<Submission, "inputs" | "submittedAt">;
}

/** One execution as its clients see it. */
export class Operation {
  readonly request: OperationRequest;
  stage: reapi.ExecutionStage_Value = QUEUED;
  startedAtMs: number | undefined;
  response: reapi.ExecuteResponse | undefined;
  /** Streams that tell of it. */
  followers = 0;
  /** Its client has said that it wants it no more. */
  isLeft = false;
  readonly #listeners = new Set<() => void>();

  constructor(request: OperationRequest) {
    this.request = request;
  }

  get name(): string {
    return this.request.name;
  }

  setStage(stage: "queued" | "executing", nowMs: number): void {
    const next = stage === "queued" ? QUEUED : EXECUTING;
    if (this.response !== undefined || next === this.stage) return;
    this.stage = next;
    this.startedAtMs = next === EXECUTING ? nowMs : undefined;
    this.#changed();
  }

  /** Once; what comes later is not said. */
  finish(response: reapi.ExecuteResponse): void {
    if (this.response !== undefined) return;
    this.response = response;
    this.stage = COMPLETED;
    this.#changed();
  }

  /**
   * As it is now, and then each change until it is done or the caller is gone.
   *
   * @param isEndAlone After the first word, which has the name, only the end is told: each word costs both sides.
   */
  async *follow(signal: AbortSignal, isEndAlone = false): AsyncGenerator<longrunning.Operation, void> {
    let isFirst = true;
    while (!signal.aborted) {
      const changed = this.#change(signal);
      const isTold = isFirst || !isEndAlone || this.response !== undefined;
      if (isTold) yield operationMessage(this.name, this.request.action, this.stage, this.response);
      isFirst = false;
      if (this.response !== undefined) return;
      await changed;
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#listeners.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #changed(): void {
    for (const tell of [...this.#listeners]) tell();
  }
}

export function operationMessage(
  name: string,
  action: Digest,
  stage: reapi.ExecutionStage_Value,
  response: reapi.ExecuteResponse | Any | undefined,
): longrunning.Operation {
  const metadata = { ...NO_METADATA, stage, actionDigest: { hash: action.hash, sizeBytes: action.sizeBytes } };
  return {
    name,
    metadata: packed("ExecuteOperationMetadata", reapi.ExecuteOperationMetadata, metadata),
    done: response !== undefined,
    result: response && { $case: "response", value: "typeUrl" in response ? response : packedResponse(response) },
  };
}

const NO_METADATA = reapi.ExecuteOperationMetadata.create();

export const packedResponse = (response: reapi.ExecuteResponse): Any =>
  packed("ExecuteResponse", reapi.ExecuteResponse, response);

const packed = <T>(
  name: string,
  codec: { encode(message: T): { finish(): Uint8Array }; decode(bytes: Uint8Array): T },
  message: T,
): Any => packAny(`build.bazel.remote.execution.v2.${name}`, codec, message);
