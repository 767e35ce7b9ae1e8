import { closeSync, openSync, readSync, rmSync } from "node:fs";

/** A trace longer than this is read so far: what a recipe does first in so many calls it mostly does again. */
const MOST_BYTES = 64 * 1024 * 1024;

/** The lines of a trace; the file is gone afterwards. Nothing where there is none. */
export function* takeLines(file: string): Generator<string> {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return;
  }
  try {
    const buffer = Buffer.allocUnsafe(256 * 1024);
    let rest = "";
    for (let total = 0; total < MOST_BYTES; ) {
      const count = readSync(fd, buffer);
      if (count === 0) break;
      total += count;
      // strace writes ASCII.
      const lines = (rest + buffer.toString("latin1", 0, count)).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    closeSync(fd);
    rmSync(file, { force: true });
  }
}
