/** Chance. The tests' dice are seeded; the platform's are the kernel's. */
export interface Random {
  /** `count` unpredictable bytes: fit for keys. */
  bytes(count: number): Uint8Array;
  /** A uniform integer, at least 0 and below `bound` (1 to 2^31). */
  below(bound: number): number;
}
