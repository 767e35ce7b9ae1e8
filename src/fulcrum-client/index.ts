export * from "./blobs/index.ts";
export * from "./enrol/index.ts";
export * from "./remote/index.ts";
export * from "./wire/index.ts";
