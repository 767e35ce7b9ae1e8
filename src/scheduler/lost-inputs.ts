import { BegatError } from "../base/index.ts";
import type { InputFile } from "../executor/index.ts";
import type { RunContext } from "./chore-run.ts";
import { imageRootOf } from "./image-run.ts";
import { imageProperty } from "./plan.ts";

/**
 * What a chore is about to use and the store has lost: the name of one such input, and the chores that would make all of
 * them again, where there are any. `undefined`: nothing is lost.
 */
export function lostInput(
  context: Pick<RunContext, "plan" | "state" | "rooms">,
  chore: number,
  inputs: readonly InputFile[],
): { readonly lost: string; readonly makers: ReadonlySet<number> } | undefined {
  const { plan, rooms } = context;
  const isImage = plan.has(chore, "image");
  // An image fetches its packages itself.
  const made = inputs.filter(
    ({ path, from, digest }) =>
      "blob" in from && !(isImage && path.startsWith(".begat/image/")) && !rooms.blobs.has(digest),
  );
  const makers = new Set<number>();
  if (imageRootOf(context, chore) === "missing") {
    const image = plan.propertyId(imageProperty(plan.imageOf(chore)));
    if (image !== undefined) makers.add(plan.columns.producer[image] as number);
  }
  if (made.length === 0 && makers.size === 0) return undefined;
  for (const entry of plan.everyInputOf(chore)) {
    const maker = plan.columns.producer[entry >>> 1] as number;
    const name = plan.path(entry >>> 1);
    if (maker >= 0 && maker !== chore && made.some(({ path }) => path === name || path.startsWith(`${name}/`)))
      makers.add(maker);
  }
  return { lost: made[0]?.path ?? `image ${plan.imageOf(chore)}`, makers };
}

/** Made, and gone from the store again and again. */
export class LostOutputError extends BegatError<"OUTPUT_LOST"> {}
