import type { FileBlobStore } from "../../cache/index.ts";
import { type LazyBlobs, parseEndpoint } from "../../fulcrum-client/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";
import type { BuildRooms, ChosenExecutor, Records } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import { bringing, farmRooms, isForeign } from "./farm-build.ts";
import type { Machine } from "./machine.ts";
import { sharedResultsOf } from "./shared-results.ts";

export interface OthersParts {
  readonly machine: Machine;
  readonly options: Pick<BuildOptions, "cache" | "farm">;
  readonly own: FileBlobStore;
  readonly provider: ImageProvider;
  readonly onWarning: (code: string, text: string) => void;
  records(): Promise<Records>;
}

/** What of a build is not this machine's alone. */
export interface Others {
  /** The own store, and what is still elsewhere. */
  readonly blobs: LazyBlobs | undefined;
  readonly rooms: Pick<BuildRooms, "farm" | "sharedResults">;
  /** What executes here, beside them. */
  besides(chosen: ChosenExecutor): ChosenExecutor;
}

/** @throws {EndpointError} for an address that is none. */
export function othersOf({ machine, options, own, provider, onWarning, records }: OthersParts): Others {
  const { farm, cache } = options;
  for (const one of [farm, cache]) if (one !== undefined && one.address !== "joined") parseEndpoint(one.address);
  const elsewhere = farm && farmRooms({ machine, options: farm, own, provider, records });
  const shared = cache && sharedResultsOf({ machine, options: cache, own, records, onNotice: onWarning });
  // Results that nobody signs are let count only by who asks for such.
  const takesUnsigned = cache?.takesUnsigned === true || (farm !== undefined && isForeign(farm.address));
  return {
    blobs: elsewhere?.blobs,
    rooms: {
      ...(elsewhere === undefined ? {} : { farm: elsewhere.farm }),
      ...(shared === undefined ? {} : { sharedResults: shared }),
    },
    besides(chosen) {
      const executor = elsewhere === undefined ? chosen.executor : bringing(chosen.executor, elsewhere.blobs);
      return takesUnsigned ? { executor, hostLevel: "none", imageLevel: "none" } : { ...chosen, executor };
    },
  };
}
