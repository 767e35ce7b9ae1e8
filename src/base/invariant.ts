/** A broken assumption inside begat itself: stop, do not carry on. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * Stops begat when its own assumption does not hold. Left on in production.
 *
 * @param claim What should hold, with the numbers; a function where building the text costs anything.
 */
export function invariant(holds: unknown, claim: string | (() => string)): asserts holds {
  if (holds) return;
  throw new InvariantViolation(`internal error: ${typeof claim === "string" ? claim : claim()}`);
}
