import { existsSync } from "node:fs";

/** What stands behind the name of a test that the machine lacks something for: what that is, and how to get it. */
export function skipReason(isThere: boolean, what: string, remedy: string): string {
  return isThere ? "" : ` (skipped: no ${what} here; ${remedy})`;
}

export const HAS_STRACE = existsSync("/usr/bin/strace");

export const WITHOUT_STRACE = skipReason(HAS_STRACE, "strace", "apt-get install strace");
