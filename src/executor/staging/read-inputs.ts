import { lstatSync } from "node:fs";
import type { WorkspacePath } from "../../base/index.ts";
import { RECIPE_PATH } from "../action/describe-action.ts";
import type { InputFile } from "../executor.ts";
import { type BoundInput, STAGED_SECONDS } from "./input-stager.ts";

/**
 * Which staged inputs were read: those whose access time moved, or that are not as they were staged. The interpreter
 * reads the recipe, so where even its time stood still the file system keeps none, and the answer is `undefined`. A bound
 * file is mounted read-only, which keeps no time: it counts as read. To ask for a file's size is not to read it.
 */
export function readInputs(
  root: string,
  inputs: readonly InputFile[],
  bound: readonly BoundInput[],
): readonly WorkspacePath[] | undefined {
  const unknowable = new Set(bound.map(({ input }) => input.path));
  let keepsTimes = false;
  const read = inputs.filter(({ path }) => {
    const stat = lstatSync(`${root}/${path}`, { throwIfNoEntry: false });
    const moved = stat?.atimeMs !== STAGED_SECONDS * 1000 || stat.mtimeMs !== STAGED_SECONDS * 1000;
    if (path === RECIPE_PATH) keepsTimes = moved;
    return moved || unknowable.has(path);
  });
  return keepsTimes ? read.map(({ path }) => path) : undefined;
}
