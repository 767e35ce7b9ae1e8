import type { Clock, Random } from "../../ports/index.ts";
import { RpcError, type StatusName } from "./rpc-error.ts";

export interface RetryPolicy {
  /** Attempts in all, at least 1. */
  readonly attempts: number;
  /** Before the second attempt, milliseconds; doubles with each further one. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, firstDelayMs: 100, maxDelayMs: 5000 };

const TRANSIENT: ReadonlySet<StatusName> = new Set(["UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED", "ABORTED"]);

/** Whether the same call may well succeed later. Only for calls that may happen twice. */
export function isTransient(error: unknown): error is RpcError {
  return error instanceof RpcError && TRANSIENT.has(error.status);
}

/**
 * How long to wait after failed attempt number `attempt` (from 1), milliseconds; `undefined` to give up. Between half
 * of the doubling delay and the whole of it, so that many clients do not come back at once; what the server asks for
 * in RetryInfo goes first and is not shortened.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, error: unknown, random: Random): number | undefined {
  if (attempt >= policy.attempts || !isTransient(error)) return undefined;
  if (error.retryDelayMs !== undefined) return error.retryDelayMs;
  const full = Math.min(policy.firstDelayMs * 2 ** (attempt - 1), policy.maxDelayMs);
  return Math.floor(full / 2) + random.below(Math.floor(full / 2) + 1);
}

/** Runs `attempt` until it succeeds, fails for good, or the policy gives up; then the last error is thrown. */
export async function withRetries<T>(
  policy: RetryPolicy,
  clock: Clock,
  random: Random,
  attempt: (number: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      const delay = retryDelayMs(policy, number, error, random);
      if (delay === undefined) throw error;
      await clock.sleep(delay, signal);
    }
  }
}
