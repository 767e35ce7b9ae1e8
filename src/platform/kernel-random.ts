import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "../ports/index.ts";

/** The kernel's random numbers: fit for keys. */
export class KernelRandom implements Random {
  bytes(count: number): Uint8Array {
    return new Uint8Array(randomBytes(count));
  }

  below(bound: number): number {
    return randomInt(bound);
  }
}
