export * from "./action.ts";
export * from "./decode.ts";
export * from "./input-root.ts";
