export type { CallContext } from "./call-context.ts";
export * from "./server.ts";
export type { ReportFailure } from "./server-calls.ts";
