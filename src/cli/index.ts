export type { Host, StopSignal } from "./host.ts";
export type { Output, Ticker } from "./output.ts";
export { runCommand } from "./run.ts";
export * from "./services.ts";
