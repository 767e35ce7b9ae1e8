import { BegatError, type IsolationLevel, isAtLeast } from "../base/index.ts";
import { FLAG, type Plan } from "./plan.ts";
import { type CheckoutState, levelNumber } from "./state.ts";

export class IsolationError extends BegatError<"ISOLATION_UNAVAILABLE"> {}

/** What isolation recipes get: with the host's own tools, and in an image. */
export interface Levels {
  readonly host: IsolationLevel;
  readonly image: IsolationLevel;
}

/** Levels as they were measured, and the back end that gave them. */
export interface MeasuredLevels extends Levels {
  readonly by: string;
}

/** The least isolation a result of this chore must have had to count. An image is begat's own work and needs none. */
export function requiredLevel(plan: Plan, chore: number, levels: Levels): IsolationLevel {
  if (plan.has(chore, "image")) return "none";
  return plan.runsOnHost(chore) ? levels.host : levels.image;
}

/** Tells of a chore whether its result had the level that it must have had. Asked for every chore of a plan. */
export function levelTest(
  plan: Plan,
  state: Pick<CheckoutState, "levels">,
  levels: Levels,
): (chore: number) => boolean {
  const host = levelNumber(levels.host);
  const image = levelNumber(levels.image);
  const { flags, image: images } = plan.columns;
  const { hostImage } = plan;
  return (chore) =>
    (state.levels[chore] as number) >= (images[chore] === hostImage ? host : image) ||
    ((flags[chore] as number) & FLAG.image) !== 0;
}

/**
 * Levels for a build that asks for at least `wish`: a result may then have less than the executor gives, but never less
 * than was asked for.
 *
 * @throws {IsolationError} for the first needed chore that would get less.
 */
export function wishedLevels(plan: Plan, needed: Uint8Array, given: Levels, wish: IsolationLevel | undefined): Levels {
  if (wish === undefined) return given;
  if (isAtLeast(given.host, wish) && isAtLeast(given.image, wish)) return { host: wish, image: wish };
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!needed[chore] || plan.has(chore, "image")) continue;
    const level = requiredLevel(plan, chore, given);
    if (isAtLeast(level, wish)) continue;
    const isHost = plan.imageOf(chore) === "host";
    const where = isHost ? "with the host's own tools" : `in image ${plan.imageOf(chore)}`;
    throw new IsolationError(
      "ISOLATION_UNAVAILABLE",
      `isolation ${wish} was asked for, and ${plan.label(chore)} runs ${where}, which is ${level} here; nothing was run`,
      {
        hint:
          isHost && wish === "hermetic"
            ? "give the dictum an image"
            : "`begat doctor` shows what held and what did not",
      },
    );
  }
  return { host: wish, image: wish };
}
