export * from "./web/offline/file-kind.ts";
export * from "./web/offline/trust-choice.ts";
export * from "./web/offline/verdict-view.ts";
