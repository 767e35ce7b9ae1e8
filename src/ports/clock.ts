/** Time. The simulated clock of the tests stands still until it is told to move. */
export interface Clock {
  /** Wall time, milliseconds since 1970. May go backwards; order nothing by it. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes backwards. For durations and time-outs. */
  monotonicMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
