import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";
import { reapi } from "../../protocol/index.ts";
import { type BoundService, bindService, type CallContext } from "../wire/index.ts";
import { checkDigestFunction, checkInstance, digestFrom, type InstanceNames } from "./request-checks.ts";
import { missingOfResult } from "./result-completeness.ts";

/** The action cache behind the service; the farm's is its ledger. Instances do not see each other's results. */
export interface ActionResults {
  get(instance: string, action: Digest, context: CallContext): Promise<reapi.ActionResult | undefined>;
  /** Keeps a result whose every blob is there: brought by a caller, or the leader's own where there is no `context`. */
  put(instance: string, action: Digest, result: reapi.ActionResult, context: CallContext | undefined): Promise<void>;
}

export interface ActionCacheOptions {
  readonly instances: InstanceNames;
  readonly blobs: BlobStore;
  readonly results: ActionResults;
  mayUpdateResults(context: CallContext): boolean;
}

/** What is inlined into one answer, bytes. */
const MAX_INLINE_BYTES = 1024 * 1024;

export const actionCacheService = (options: ActionCacheOptions): BoundService => {
  const { instances, blobs, results } = options;
  return bindService(reapi.ActionCacheDefinition, {
    async getActionResult(request, context) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      const action = digestFrom(request.actionDigest, "the action");
      const result = await results.get(request.instanceName, action, context);
      if (result === undefined) throw new RpcError("NOT_FOUND", `no result of action ${action.hash} is known`);
      const missing = missingOfResult(blobs, result);
      if (missing.length > 0) {
        const text = `${missing.length} of its blobs are gone, ${missing[0]?.hash} among them`;
        throw new RpcError("NOT_FOUND", `a result of action ${action.hash} is known, but ${text}`);
      }
      return withInlined(blobs, result, request);
    },

    async updateActionResult(request, context) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      if (!options.mayUpdateResults(context)) {
        throw new RpcError("PERMISSION_DENIED", "results are written by the farm's own executors alone");
      }
      const action = digestFrom(request.actionDigest, "the action");
      const { actionResult } = request;
      if (actionResult === undefined) throw new RpcError("INVALID_ARGUMENT", "the call brings no action result");
      const [missing] = missingOfResult(blobs, actionResult);
      if (missing !== undefined) {
        throw new RpcError("FAILED_PRECONDITION", `the result names blob ${missing.hash}, which is not in the store`);
      }
      await results.put(request.instanceName, action, actionResult, context);
      return actionResult;
    },
  });
};

/** `result` with the bytes the caller asked for, as far as they fit; never more than was asked for. */
export function withInlined(
  blobs: Pick<BlobStore, "read">,
  result: reapi.ActionResult,
  wanted: Pick<reapi.GetActionResultRequest, "inlineStdout" | "inlineStderr" | "inlineOutputFiles">,
): reapi.ActionResult {
  let room = MAX_INLINE_BYTES;
  const bytesOf = (wire: reapi.Digest | undefined, isWanted: boolean): Uint8Array => {
    if (!isWanted || wire === undefined || wire.sizeBytes > room) return NOTHING;
    room -= wire.sizeBytes;
    return blobs.read(digestFrom(wire, "an output"));
  };
  const files = new Set(wanted.inlineOutputFiles);
  return {
    ...result,
    stdoutRaw: result.stdoutRaw.length > 0 ? result.stdoutRaw : bytesOf(result.stdoutDigest, wanted.inlineStdout),
    stderrRaw: result.stderrRaw.length > 0 ? result.stderrRaw : bytesOf(result.stderrDigest, wanted.inlineStderr),
    outputFiles: result.outputFiles.map((file) =>
      files.has(file.path) ? { ...file, contents: bytesOf(file.digest, true) } : file,
    ),
  };
}

const NOTHING = new Uint8Array(0);
