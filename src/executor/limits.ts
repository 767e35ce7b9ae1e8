/** Ceilings of one execution. What a recipe asks for itself (`timeout`, `resources`) comes with its request. */
export interface ExecutorLimits {
  /** Wall time of a recipe that asks for none; 0 means no end. */
  readonly defaultTimeoutMs: number;
  /** Of each of standard output and error: this much of the beginning and as much of the end is kept. */
  readonly capturedBytes: number;
  /** All declared outputs together. The file size rlimit lies above it, so that what is too large is seen, not cut. */
  readonly outputBytes: number;
  /** Files, directories and links in all outputs together. */
  readonly outputFiles: number;
  /** Directory levels of an output tree. */
  readonly treeDepth: number;
  /** Processes and threads at once. A hard limit where the recipe has a user id of its own. */
  readonly processes: number;
  /** Open files of one process. */
  readonly openFiles: number;
}

export const DEFAULT_LIMITS: ExecutorLimits = {
  defaultTimeoutMs: 0,
  capturedBytes: 512 * 1024,
  outputBytes: 64 * 1024 ** 3,
  outputFiles: 200_000,
  treeDepth: 200,
  processes: 4096,
  openFiles: 1024,
};

/** From this size on a file is bound or copied off the main thread instead of passing through memory. */
export const LARGE_FILE_BYTES = 1024 * 1024;
