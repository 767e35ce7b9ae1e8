export { batches, inParallel } from "./batches.ts";
export * from "./remote-blobs.ts";
