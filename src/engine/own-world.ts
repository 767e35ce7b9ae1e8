import { readlinkSync, statSync } from "node:fs";

/** The mount namespace and the root directory of this process, as `AskOrder.world` has them. */
export function ownWorld(): string {
  const top = statSync("/");
  return `${readlinkSync("/proc/self/ns/mnt")} ${top.dev}:${top.ino}`;
}
