import { readFileSync } from "node:fs";

/** A process by id and start time, so that an id the kernel hands out again is another process. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot (field 22 of /proc/PID/stat); 0 where there is no /proc. */
  readonly startedAt: number;
}

/** Which processes there are: whoever left something behind is looked for before it is cleared away. */
export class NodeProcessTable {
  readonly self: ProcessIdentity = { pid: process.pid, startedAt: startOf("self") ?? 0 };

  isAlive(other: ProcessIdentity): boolean {
    if (other.startedAt !== 0) {
      const startedAt = startOf(String(other.pid));
      if (startedAt !== undefined) return startedAt === other.startedAt;
      // /proc can hide other users' processes (hidepid): the signal below decides.
    }
    try {
      process.kill(other.pid, 0);
      return true;
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === "EPERM";
    }
  }
}

function startOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold blanks and parentheses itself: fields are counted from the last `)`.
    const field = text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
    return field === undefined ? undefined : Number(field);
  } catch {
    return undefined;
  }
}
