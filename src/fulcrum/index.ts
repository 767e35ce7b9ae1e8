export * from "./authority/index.ts";
export * from "./execution/index.ts";
export * from "./rnode/index.ts";
export * from "./services/index.ts";
export * from "./wire/index.ts";
