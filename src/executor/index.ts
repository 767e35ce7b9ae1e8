export * from "./action/describe-action.ts";
export * from "./action/read-action.ts";
export * from "./executor.ts";
