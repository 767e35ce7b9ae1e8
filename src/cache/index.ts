export * from "./action-index.ts";
export * from "./blob-store.ts";
export * from "./lease.ts";
