export * from "./channel.ts";
export type { CallOptions } from "./client-calls.ts";
export { dataEncoders } from "./data-messages.ts";
export * from "./grpc.ts";
export * from "./request-metadata.ts";
export * from "./retry.ts";
export * from "./rpc-error.ts";
export * from "./service-definition.ts";
