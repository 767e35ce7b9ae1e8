import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SHARED_MEMORY = "/dev/shm";
/** What all tests at once have in files, five times over. */
const ENOUGH_BYTES = 6 * 1024 ** 3;

let fast: string | undefined;

/**
 * Where whole worlds of a test stand: in memory where there is plenty of it, since begat waits for the disk at each commit and
 * a killed process leaves the same there; else where temporary files go. BEGAT_TEST_PLACE names another directory.
 */
export function fastPlace(): string {
  fast ??= process.env.BEGAT_TEST_PLACE ?? (isFastAndRoomy() ? SHARED_MEMORY : tmpdir());
  return fast;
}

function isFastAndRoomy(): boolean {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    const [, kib] = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1")) ?? [];
    if (Math.min(bavail * bsize, Number(kib) * 1024) < ENOUGH_BYTES) return false;
    accessSync(SHARED_MEMORY, constants.W_OK);
    return runsPrograms(SHARED_MEMORY);
  } catch {
    // No such directory, or not Linux.
    return false;
  }
}

/** Not where it is mounted noexec, as containers like to do. */
function runsPrograms(place: string): boolean {
  const directory = mkdtempSync(join(place, "begat-try-"));
  writeFileSync(join(directory, "true"), "#!/bin/sh\n", { mode: 0o755 });
  const { status } = spawnSync(join(directory, "true"));
  rmSync(directory, { recursive: true });
  return status === 0;
}

/** A fresh directory of the machine's, and how to be rid of it. */
export function scratchDirectory(parent = tmpdir()): { readonly path: string; dispose(): void } {
  const path = mkdtempSync(join(parent, "begat-test-"));
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}
