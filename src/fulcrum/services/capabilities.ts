import { MAX_BATCH_BYTES } from "../../fulcrum-client/index.ts";
import { reapi, type semver } from "../../protocol/index.ts";
import { type BoundService, bindService, type CallContext } from "../wire/index.ts";
import { checkInstance, type InstanceNames } from "./request-checks.ts";

export interface CapabilitiesOptions {
  readonly instances: InstanceNames;
  /** Whether this caller may write action results. */
  mayUpdateResults(context: CallContext): boolean;
  /** `undefined` where nothing is executed. */
  readonly execution: { readonly minPriority: number; readonly maxPriority: number } | undefined;
}

const version = (minor: number): semver.SemVer => ({ major: 2, minor, patch: 0, prerelease: "" });

/** Low is 2.0 because Bazel up to 8 negotiates no more than 2.0 to 2.2. */
export const capabilitiesService = (options: CapabilitiesOptions): BoundService =>
  bindService(reapi.CapabilitiesDefinition, {
    async getCapabilities({ instanceName }, context) {
      checkInstance(options.instances, instanceName);
      const { execution } = options;
      const sha256 = reapi.DigestFunction_Value.SHA256;
      return reapi.ServerCapabilities.fromPartial({
        cacheCapabilities: {
          digestFunctions: [sha256],
          actionCacheUpdateCapabilities: { updateEnabled: options.mayUpdateResults(context) },
          maxBatchTotalSizeBytes: MAX_BATCH_BYTES,
          symlinkAbsolutePathStrategy: reapi.SymlinkAbsolutePathStrategy_Value.DISALLOWED,
        },
        executionCapabilities: {
          digestFunction: sha256,
          digestFunctions: [sha256],
          execEnabled: execution !== undefined,
          ...(execution !== undefined && { executionPriorityCapabilities: { priorities: [execution] } }),
        },
        deprecatedApiVersion: version(0),
        lowApiVersion: version(0),
        highApiVersion: version(3),
      });
    },
  });
