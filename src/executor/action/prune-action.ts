import type { Sha256 } from "../../base/index.ts";
import { prunedKey } from "../../protocol/index.ts";
import { IN_LIST_PATH, OUT_LIST_PATH, RECIPE_PATH } from "./describe-action.ts";

const OWN: ReadonlySet<string> = new Set([RECIPE_PATH, IN_LIST_PATH, OUT_LIST_PATH]);

/** The three files begat adds to each input root: always used, never named. */
export const isOwnFile = (path: string): boolean => OWN.has(path);

/**
 * The pruned key of an action for the inputs that were used (docs/formats.md, "What a recipe used"); `undefined` where a
 * manifest is not to be had or does not decode.
 */
export function pruneAction(
  action: Sha256,
  used: ReadonlySet<string>,
  manifest: (hash: Sha256) => Uint8Array | undefined,
): Sha256 | undefined {
  try {
    return prunedKey(action, (path) => OWN.has(path) || used.has(path), manifest);
  } catch {
    return undefined;
  }
}
