export * from "./leader.ts";
export * from "./options.ts";
export * from "./result-store.ts";
export * from "./rnode-trust.ts";
export * from "./signed-trust.ts";
