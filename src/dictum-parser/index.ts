export * from "./chore.ts";
export * from "./diagnostic.ts";
export * from "./evaluation.ts";
