import { accessSync, constants, readFileSync } from "node:fs";

/**
 * Other conditions for a second run of the same action: nothing in it may depend on them. Each is a function of the seed,
 * so that a run can be had again.
 */
export interface Variation {
  /** 0 or more. */
  readonly seed: number;
}

/** Directories between the slot and the build root, where an ordinary run has none. */
export function variedBuildRoot(build: string, { seed }: Variation): readonly string[] {
  const deeper = [`${build}/varied`];
  for (let depth = 0; depth <= seed % 3; depth++) deeper.push(`${deeper[depth]}/${depth}-${seed}`);
  return deeper;
}

export function variedHostName({ seed }: Variation): string {
  return `other-${seed}`;
}

/** Uses up process ids, then runs the command as a child: what prints its own sees others. */
const SHIFT_PROCESS_IDS =
  'unset PWD OLDPWD; n=$0; while [ "$n" -gt 0 ]; do (exit 0); n=$((n-1)); done; unset n; "$@"; exit $?';

export function withOtherProcessIds(argv: readonly string[], { seed }: Variation): readonly string[] {
  return ["/bin/sh", "-c", SHIFT_PROCESS_IDS, String(3 + (seed % 17)), ...argv];
}

const TASKSET = ["/usr/bin/taskset", "/bin/taskset"];

/** Stands before a command so that it sees one processor only; empty where that cannot be had or is so already. */
export function withOneProcessor({ seed }: Variation): readonly string[] {
  const taskset = TASKSET.find(isExecutable);
  const processors = allowedProcessors();
  if (taskset === undefined || processors.length < 2) return [];
  return [taskset, "-c", String(processors[seed % processors.length])];
}

function allowedProcessors(): number[] {
  let text: string;
  try {
    text = readFileSync("/proc/self/status", "utf8");
  } catch {
    return [];
  }
  return processorList(/^Cpus_allowed_list:\s*(\S+)/m.exec(text)?.[1] ?? "");
}

/** `0-2,5` as numbers; see cpuset(7), "List format". */
export function processorList(text: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    const [first, last = first] = part.split("-").map(Number);
    if (first === undefined || last === undefined || !Number.isInteger(first) || !Number.isInteger(last)) continue;
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
