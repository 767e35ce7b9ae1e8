/** A process by id and start time, so that an id the kernel hands out again is another process. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot; 0 where the system does not say. */
  readonly startedAt: number;
}

/** Which processes there are. `NodeProcessTable` of platform is one. */
export interface ProcessTable {
  readonly self: ProcessIdentity;
  isAlive(other: ProcessIdentity): boolean;
}
