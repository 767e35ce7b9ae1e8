export * from "./clock.ts";
export * from "./fetcher.ts";
export * from "./file-streams.ts";
export * from "./file-tree.ts";
export * from "./log.ts";
export * from "./process-error.ts";
export * from "./process-runner.ts";
export * from "./random.ts";
