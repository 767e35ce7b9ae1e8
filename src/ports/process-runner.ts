/** One program to run. Nothing of begat's own environment reaches it unless it is in `env`. */
export interface ProcessSpec {
  readonly argv: readonly [string, ...string[]];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Given to standard input, which then ends; absent means an empty standard input. */
  readonly stdin?: Uint8Array;
  /** Of each of standard output and standard error, what is kept; the rest is read, counted and dropped. */
  readonly outputLimitBytes: number;
  /** Wall time; then the process and its group are killed. 0 means no limit. */
  readonly timeoutMs: number;
  /** Run as this user and group; only root may ask. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Sees output as it comes, before the limit cuts it. */
  readonly onOutput?: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
}

export interface ProcessOutcome {
  /** `undefined` when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** All that was printed, kept or not. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /** Wall milliseconds from start to end. */
  readonly durationMs: number;
}

/** Runs programs to their end. */
export interface ProcessRunner {
  /**
   * Resolves when the program has ended and its output is complete; a non-zero exit is an outcome, not an error.
   *
   * @param signal Cancels: the process group is killed, and the promise rejects with the signal's reason after that.
   * @throws {ProcessError} `PROCESS_NOT_STARTED` when there is no such program or it may not be run.
   */
  run(spec: ProcessSpec, signal?: AbortSignal): Promise<ProcessOutcome>;
}
