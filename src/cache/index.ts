export * from "./action-index.ts";
export * from "./blob-index.ts";
export * from "./blob-store.ts";
export * from "./blob-streams.ts";
export * from "./build-leases.ts";
export * from "./bulk-files.ts";
export * from "./cache-layout.ts";
export * from "./collection-plan.ts";
export * from "./collector.ts";
export * from "./file-blob-store.ts";
export * from "./file-blob-streams.ts";
export * from "./index-error.ts";
export * from "./inspection.ts";
export * from "./lease.ts";
// Types alone: their modules load SQLite, which `openIndex` does when it is asked to.
export type { LeaseTable, Protection } from "./lease-table.ts";
export * from "./open-index.ts";
export * from "./process-table.ts";
export type { SqliteActionIndex } from "./sqlite-action-index.ts";
