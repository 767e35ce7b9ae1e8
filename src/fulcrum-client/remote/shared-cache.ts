import { codeOf, type Digest, explain, relativeTo, type WorkspacePath } from "../../base/index.ts";
import type { BlobStore, RecordedOutput } from "../../cache/index.ts";
import { type ExecutionPurpose, type ExecutionRequest, type ExecutionResult, listTree } from "../../executor/index.ts";
import { farm, packAny, reapi, timestampOf } from "../../protocol/index.ts";
import { BlobsMissingError } from "../blobs/index.ts";
import { RpcError } from "../wire/rpc-error.ts";
import { type ResultParts, readResult } from "./read-result.ts";

export interface SharedCacheOptions extends Omit<ResultParts, "uploads"> {
  /** Results that nobody signed, or by keys that this ledger does not know, are taken as what they are: level `none`. */
  readonly takesUnsigned: boolean;
}

/** What came of a look-up. */
export type Found =
  | { readonly kind: "hit"; readonly result: ExecutionResult }
  | { readonly kind: "miss" }
  /** There is one, and it is not used: nobody proves it. */
  | { readonly kind: "unproven"; readonly because: string };

/** A result to be shared. */
export interface SharedResult {
  readonly request: ExecutionRequest;
  readonly result: ExecutionResult;
  readonly travail: farm.Travail;
}

/** The action cache of an endpoint, beside one's own: read for what others have executed, written where that is allowed. */
export class SharedCache {
  readonly #options: SharedCacheOptions;
  readonly #client;

  constructor(options: SharedCacheOptions) {
    this.#options = options;
    this.#client = options.endpoint.channel.client(reapi.ActionCacheDefinition);
  }

  /** @throws {RpcError} The endpoint cannot be asked. */
  async find(request: ExecutionRequest, purpose: ExecutionPurpose, signal: AbortSignal): Promise<Found> {
    const { endpoint, clock, check, takesUnsigned } = this.#options;
    const askedAtMs = clock.nowMs();
    let result: reapi.ActionResult;
    try {
      result = await this.#client.getActionResult(
        reapi.GetActionResultRequest.fromPartial({
          instanceName: endpoint.instance,
          actionDigest: request.actionDigest,
          inlineStdout: true,
          inlineStderr: true,
        }),
        { signal },
      );
    } catch (error) {
      if (error instanceof RpcError && error.status === "NOT_FOUND") return { kind: "miss" };
      throw error;
    }
    // A failure of somebody else's is no result.
    if (result.exitCode !== 0) return { kind: "miss" };
    const answered = { result, cached: true, isTimeout: false, askedAtMs };
    const proven = await this.#read(request, purpose, answered, check, signal);
    if (proven.kind !== "unproven" || !takesUnsigned) return proven;
    return this.#read(request, purpose, answered, undefined, signal);
  }

  async #read(
    request: ExecutionRequest,
    purpose: ExecutionPurpose,
    answered: Parameters<typeof readResult>[3],
    check: ResultParts["check"],
    signal: AbortSignal,
  ): Promise<Found> {
    try {
      const read = await readResult({ ...this.#options, check }, request, purpose, answered, { signal });
      if ("again" in read) return { kind: "unproven", because: read.because };
      return read.done.verdict === "ok" ? { kind: "hit", result: read.done } : { kind: "miss" };
    } catch (error) {
      if (error instanceof BlobsMissingError) return { kind: "miss" };
      if (codeOf(error) !== "EXECUTOR_UNTRUSTED") throw error;
      return { kind: "unproven", because: explain(error) };
    }
  }

  /**
   * Brings a result that was executed here, with its blobs and its travail.
   *
   * @throws {RpcError} @throws {BlobStoreError}
   */
  async offer({ request, result, travail }: SharedResult, signal: AbortSignal): Promise<void> {
    const { endpoint, remote, blobs } = this.#options;
    const { directory, encoded } = request;
    const action = encoded?.blobs.find(({ hash }) => hash === request.actionDigest.hash);
    if (action !== undefined) blobs.write(action.bytes, request.actionDigest);
    const { message, digests } = sharedResult(result, directory, blobs, travail);
    await remote.upload([request.actionDigest, ...digests], signal);
    await this.#client.updateActionResult(
      reapi.UpdateActionResultRequest.fromPartial({
        instanceName: endpoint.instance,
        actionDigest: request.actionDigest,
        actionResult: message,
      }),
      { signal },
    );
  }
}

/** The result as it is written, and the blobs that it names. */
function sharedResult(
  { outputs, stdout, stderr, startedAtMs, finishedAtMs }: ExecutionResult,
  directory: WorkspacePath,
  blobs: BlobStore,
  travail: farm.Travail,
): { readonly message: reapi.ActionResult; readonly digests: readonly Digest[] } {
  const of = (kind: RecordedOutput["kind"]) =>
    outputs
      .filter((output) => output.kind === kind)
      .map((output) => ({ ...output, path: relativeTo(directory, output.path as WorkspacePath) }));
  const io = [blobs.write(stdout), blobs.write(stderr)] as const;
  const digests: Digest[] = [...io];
  for (const { kind, digest } of outputs) {
    if (kind !== "symlink") digests.push(digest);
    if (kind === "tree") digests.push(...listTree(blobs.read(digest)).files.map((file) => file.digest));
  }
  const message = reapi.ActionResult.fromPartial({
    outputFiles: of("file").map(({ path, digest, executable }) => ({ path, digest, isExecutable: executable })),
    outputDirectories: of("tree").map(({ path, digest }) => ({ path, treeDigest: digest })),
    outputSymlinks: of("symlink").map(({ path, target }) => ({ path, target: target ?? "" })),
    stdoutDigest: io[0],
    stderrDigest: io[1],
    executionMetadata: {
      worker: "begat",
      executionStartTimestamp: timestampOf(startedAtMs),
      executionCompletedTimestamp: timestampOf(finishedAtMs),
      auxiliaryMetadata: [packAny("radix.farm.v1.Travail", farm.Travail, travail)],
    },
  });
  return { message, digests };
}
