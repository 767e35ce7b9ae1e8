import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

/**
 * Files of /proc that tell of the host, and what a recipe in an image reads instead: a machine that was never started,
 * with as many processors as the recipe may use and 4 GiB of memory.
 */
export const MASKED_PROC: readonly { readonly path: string; readonly name: string }[] = [
  { path: "/proc/cmdline", name: "cmdline" },
  { path: "/proc/cpuinfo", name: "cpuinfo" },
  { path: "/proc/loadavg", name: "loadavg" },
  { path: "/proc/meminfo", name: "meminfo" },
  { path: "/proc/stat", name: "stat" },
  { path: "/proc/sys/kernel/random/boot_id", name: "boot_id" },
  { path: "/proc/uptime", name: "uptime" },
  { path: "/proc/version", name: "version" },
];

const KIB = 4 * 1024 * 1024;
const KIBIBYTES: readonly (readonly [name: string, kib: number])[] = [
  ["MemTotal", KIB],
  ["MemFree", KIB],
  ["MemAvailable", KIB],
  ...["Buffers", "Cached", "SwapCached", "Active", "Inactive", "Dirty", "Mapped", "Shmem", "Slab"].map(
    (name) => [name, 0] as const,
  ),
  ["SwapTotal", 0],
  ["SwapFree", 0],
];

/** Contents by name in `MASKED_PROC`, as the kernel would format them. */
export function maskedProcFiles(processors: number): ReadonlyMap<string, string> {
  const numbers = Array.from({ length: processors }, (_, index) => index);
  const cpuinfo = numbers.map(
    (n) =>
      `processor\t: ${n}\nvendor_id\t: begat\nmodel name\t: begat\nphysical id\t: 0\nsiblings\t: ${processors}\n` +
      `core id\t\t: ${n}\ncpu cores\t: ${processors}\n\n`,
  );
  const idle = "0 0 0 0 0 0 0 0 0 0";
  const stat = [
    `cpu  ${idle}`,
    ...numbers.map((n) => `cpu${n} ${idle}`),
    ...["intr 0", "ctxt 0", "btime 1", "processes 1", "procs_running 1", "procs_blocked 0", "softirq 0"],
  ];
  const meminfo = KIBIBYTES.map(([name, kib]) => `${`${name}:`.padEnd(16)}${String(kib).padStart(8)} kB\n`);
  return new Map([
    ["cmdline", "\n"],
    ["cpuinfo", cpuinfo.join("")],
    ["loadavg", "0.00 0.00 0.00 1/1 1\n"],
    ["meminfo", meminfo.join("")],
    ["stat", `${stat.join("\n")}\n`],
    ["boot_id", "00000000-0000-4000-8000-000000000000\n"],
    ["uptime", "1.00 1.00\n"],
    ["version", "Linux version 0 (begat) #1\n"],
  ]);
}

/** Writes them into the new directory `to`. */
export function makeMaskedProc(to: string, processors: number): void {
  mkdirSync(to, { mode: 0o755 });
  chmodSync(to, 0o755);
  for (const [name, text] of maskedProcFiles(processors)) {
    writeFileSync(`${to}/${name}`, text);
    chmodSync(`${to}/${name}`, 0o444);
  }
}
