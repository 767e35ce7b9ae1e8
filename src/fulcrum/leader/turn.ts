import type { DecisionReason, LeaderEffect } from "./effects.ts";
import type { LeaderState } from "./state.ts";

/** One event being decided: what is known, and what comes of it. */
export interface Turn {
  readonly state: LeaderState;
  readonly now: number;
  readonly effects: LeaderEffect[];
  readonly reasons: DecisionReason[];
}
