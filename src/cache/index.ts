export * from "./action-index.ts";
export * from "./blob-index.ts";
export * from "./blob-store.ts";
export * from "./bulk-files.ts";
export * from "./cache-layout.ts";
export * from "./file-blob-store.ts";
export * from "./lease.ts";
export * from "./process-table.ts";
