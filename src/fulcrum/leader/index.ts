export * from "./config.ts";
export * from "./decide.ts";
export * from "./effects.ts";
export * from "./events.ts";
export * from "./pending.ts";
export * from "./reasons.ts";
export { LeaderState } from "./state.ts";
