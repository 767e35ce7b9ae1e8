export * from "./action/describe-action.ts";
export * from "./action/read-action.ts";
export { type BubblewrapExecutorOptions, createBubblewrapExecutor } from "./bubblewrap/bubblewrap-executor.ts";
export * from "./executor.ts";
export { type HostToolsIdentity, hostIdentity } from "./host-identity.ts";
export { DEFAULT_LIMITS, type ExecutorLimits } from "./limits.ts";
export { createProcessExecutor } from "./process/process-executor.ts";
export type { StagedExecutorOptions } from "./staged-executor.ts";
export type { Variation } from "./variation.ts";
