import type { Sha256 } from "../base/index.ts";

/** A running build's claim on blobs: what is leased is not collected, by this process or another. */
export interface Lease {
  /** Adds blobs to the claim; durable enough that a collector in another process sees them. */
  hold(hashes: readonly Sha256[]): void;
  /** Ends the claim. A holder that dies loses its claim too: its process is looked for. */
  release(): void;
}

/** Hands out leases. */
export interface Leases {
  /** Claims everything this process uses (reads, writes, touches) from now on, without naming it first. */
  begin(): Lease;
}
