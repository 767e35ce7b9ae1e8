import { readFileSync, readlinkSync } from "node:fs";

/** Of /proc/self, in this order; each ends with a NUL. native/client/request.c reads the same. */
const FILES = ["status", "limits", "cgroup", "oom_score_adj", "stat"];
const NAMESPACES = ["net", "user", "ipc", "uts", "pid", "cgroup", "time"];

/** Lines of `status` that a child inherits. */
const INHERITED =
  /^(Umask|Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Seccomp_filters|Cpus_allowed|Mems_allowed):/;

/**
 * All that a child of this process would inherit beside files and environment, as the kernel tells of it: masks, limits,
 * capabilities, namespaces, its control group. Work is done in another process only where both agree in this.
 */
export function readStanding(): string {
  const parts = FILES.map((name) => readFileSync(`/proc/self/${name}`, "latin1"));
  return [...parts, ...NAMESPACES.map(namespaceOf)].map((part) => `${part}\0`).join("");
}

function namespaceOf(name: string): string {
  try {
    return readlinkSync(`/proc/self/ns/${name}`);
  } catch {
    // Older kernels have fewer.
    return "";
  }
}

/** What of it has to agree. */
export function comparable(standing: string): string {
  const [status = "", limits = "", cgroup = "", oom = "", stat = "", ...namespaces] = standing.split("\0");
  const inherited = status.split("\n").filter((line) => INHERITED.test(line));
  // Node raises the first of the two to the second.
  const limit = limits.split("\n").map((line) => line.replace(/^(Max open files)\s+\S+/, "$1"));
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // proc(5): 19 is the nice value, 40 and 41 are real-time priority and scheduling policy.
  const schedule = [19, 40, 41].map((number) => fields[number - 3]);
  return JSON.stringify([inherited, limit, cgroup, oom, schedule, namespaces]);
}
