import { closeSync, readdirSync, readFileSync } from "node:fs";

/** As Linux writes it in /proc. */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes what this process was given open beside its standard files, which for one that stays would stay open too: a
 * script's lock (`flock 200`) would be held, the reader of a pipe never come to its end.
 */
export function closeInheritedFiles(): void {
  try {
    for (const descriptor of readdirSync("/proc/self/fd").map(Number))
      if (descriptor > 2 && isInherited(descriptor)) closeSync(descriptor);
  } catch {
    // No /proc, so no engine either.
  }
}

/** Node opens nothing that a program started by it would be given. */
function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // The one by which the others were listed.
    return false;
  }
}
