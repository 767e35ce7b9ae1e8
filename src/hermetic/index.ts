export { createSourceProvider, type SourceProviderOptions } from "./provider.ts";
export * from "./source.ts";
export { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "./source-limits.ts";
export type { EncodeTree, SourceTreeNode } from "./source-tree.ts";
