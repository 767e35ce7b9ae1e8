export * from "./action-cache.ts";
export * from "./byte-stream.ts";
export * from "./capabilities.ts";
export * from "./content-addressable-storage.ts";
export * from "./health.ts";
export * from "./input-root-check.ts";
export { checkDigestFunction, checkInstance, digestFrom, type InstanceNames } from "./request-checks.ts";
export * from "./result-completeness.ts";
export * from "./server-reflection.ts";
