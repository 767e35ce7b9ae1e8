export * from "./begat-error.ts";
export * from "./canonical-json.ts";
export * from "./digest.ts";
export * from "./invariant.ts";
export * from "./isolation.ts";
export { NumberRow } from "./number-row.ts";
export * from "./text-pool.ts";
export * from "./utf8-order.ts";
export * from "./workspace-path.ts";
