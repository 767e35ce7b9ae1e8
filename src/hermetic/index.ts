export { type GapReport, NO_GAPS } from "./image/gap-report.ts";
export { createImageProvider, type ImageProviderOptions } from "./image/image-provider.ts";
export {
  debFileName,
  type ImageSpec,
  type LockedPackage,
  type SpecInput,
  specDigest,
  specInputs,
} from "./image/spec.ts";
export * from "./image.ts";
export * from "./image-error.ts";
export { createSourceProvider, type SourceProviderOptions } from "./provider.ts";
export * from "./source.ts";
export { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "./source-limits.ts";
export type { EncodeTree, SourceTreeNode } from "./source-tree.ts";
