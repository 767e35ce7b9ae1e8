import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** A process of this machine, as /proc tells of it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly threads: number;
  /** Dead, but not yet waited for by its parent. */
  readonly isZombie: boolean;
}

/** All processes visible to us. About 15 µs each: for killing and for doubt, not for every execution. */
export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    const first = name.charCodeAt(0);
    if (first < 48 || first > 57) continue;
    const entry = readProcess(Number(name));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function readProcess(pid: number): ProcessEntry | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command stands in parentheses and may itself hold some: the last one ends it.
    const close = text.lastIndexOf(")");
    const fields = text.slice(close + 2).split(" ");
    return {
      pid,
      parent: Number(fields[1]),
      command: text.slice(text.indexOf("(") + 1, close),
      threads: Number(fields[17]),
      isZombie: fields[0] === "Z" || fields[0] === "X",
    };
  } catch {
    return undefined;
  }
}

/** Living processes of a user id. */
export function processesOfUser(uid: number): ProcessEntry[] {
  return listProcesses().filter((entry) => {
    if (entry.isZombie) return false;
    try {
      return statSync(`/proc/${entry.pid}`).uid === uid;
    } catch {
      return false;
    }
  });
}

/** Living processes of ours that stand in `directory` or carry it in their environment, as TMPDIR and HOME do. */
export function processesUnder(directory: string): ProcessEntry[] {
  return listProcesses().filter((entry) => {
    if (entry.isZombie || entry.pid === process.pid) return false;
    try {
      if (`${readlinkSync(`/proc/${entry.pid}/cwd`)}/`.startsWith(`${directory}/`)) return true;
      return readFileSync(`/proc/${entry.pid}/environ`, "latin1").includes(directory);
    } catch {
      return false;
    }
  });
}

/** SIGKILL, whether or not it is still there. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself, which is what was wanted.
  }
}

/** Rounds of looking, some 4 ms each, before those that are still there count as left behind. */
const PATIENT_ROUNDS = 10;

/**
 * Kills what `find` finds until it finds nothing. Answers the names of those that had not ended by themselves within
 * the first rounds.
 */
export async function killSurvivors(find: () => readonly ProcessEntry[]): Promise<string[]> {
  let names: string[] = [];
  for (let round = 0; ; round++) {
    const found = find();
    if (found.length === 0) return names;
    if (round >= PATIENT_ROUNDS) {
      if (round === PATIENT_ROUNDS) names = found.map(({ command }) => command);
      for (const { pid } of found) killProcess(pid);
    }
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}
