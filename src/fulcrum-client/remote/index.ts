export * from "./endpoint.ts";
export { callExecution, type ExecutionCallOptions } from "./execution-call.ts";
export { InputUploads, type TravellingImage } from "./input-uploads.ts";
export { LazyBlobs } from "./lazy-blobs.ts";
export { RemoteExecutor, type RemoteExecutorOptions } from "./remote-executor.ts";
export { bringOutputs, type OfferedBlobs, printed } from "./remote-result.ts";
export { type Found, SharedCache, type SharedCacheOptions, type SharedResult } from "./shared-cache.ts";
export * from "./travail-check.ts";
