import { posix } from "node:path";
import type { FileAccess } from "../executor.ts";

export interface TraceFrame {
  /** Absolute, as the recipe sees it: paths below are told from here. */
  readonly build: string;
  /** Absolute: where the recipe is started. */
  readonly directory: string;
  /** Everything before the first program that this one starts is the sandbox being made; `undefined`: there is none. */
  readonly sandbox: string | undefined;
  /** The first program that it starts is the recipe itself, not one that looks after it. */
  readonly sandboxStartsRecipe?: boolean;
}

const HOW: Readonly<Record<string, FileAccess["how"]>> = {
  open: "open",
  openat: "open",
  openat2: "open",
  execve: "exec",
  execveat: "exec",
};
const RANK: readonly FileAccess["how"][] = ["look", "open", "exec"];

/** `AT_FDCWD</build>, "a.h", ...`, `5</usr/include>, "a.h", ...`, or `"a.h", ...`. */
const ARGUMENTS = /^(?:(AT_FDCWD|\d+)(?:<((?:[^>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"/;
const RESULT = /\) += (-?\d+|\?)(?:<((?:[^>\\]|\\.)*)>)?(?: ([A-Z]+))?[^=]*$/;

/**
 * Reads what `strace -f -y -o` wrote: each path once, the one looked at last at the end. A path that was missing at first
 * and there later counts as found: the recipe made it.
 *
 * @returns `undefined` when the recipe was never started under the trace.
 */
export function readTrace(lines: Iterable<string>, frame: TraceFrame): FileAccess[] | undefined {
  const accesses = new Map<string, FileAccess>();
  const pending = new Map<string, string>();
  const directories = new Map<string, string>();
  let isStarted = frame.sandbox === undefined;
  let isSandboxMade = false;
  for (const line of lines) {
    const whole = joined(line, pending);
    const head = whole && /^(\d+) +(\w+)\((.*)$/s.exec(whole);
    if (!head) continue;
    const [, pid = "", call = "", rest = ""] = head;
    const given = ARGUMENTS.exec(rest);
    const result = RESULT.exec(rest);
    if (given === null || result === null) continue;
    const isFound = !(result[1] === "-1" && (result[3] === "ENOENT" || result[3] === "ENOTDIR"));
    const path = unescaped(given[3] ?? "");
    if (!isStarted) {
      if (HOW[call] !== "exec" || result[1] !== "0") continue;
      if (posix.basename(path) === frame.sandbox) isSandboxMade = true;
      else if (isSandboxMade) isStarted = true;
      if (!isStarted || !frame.sandboxStartsRecipe) continue;
    }
    if (given[1] === "AT_FDCWD" && given[2] !== undefined) directories.set(pid, unescaped(given[2]));
    if (path === "") continue;
    const base =
      given[1] === undefined || given[2] === undefined
        ? (directories.get(pid) ?? frame.directory)
        : unescaped(given[2]);
    const full = posix.resolve(base, path);
    if (call === "chdir" && result[1] === "0") directories.set(pid, full);
    enter(accesses, frame, full, HOW[call] ?? "look", isFound);
    // Where a link led to.
    const real = result[2] === undefined ? full : unescaped(result[2]);
    if (real !== full && real.startsWith("/")) enter(accesses, frame, real, HOW[call] ?? "look", true);
  }
  return isStarted ? [...accesses.values()] : undefined;
}

/** Of a call that another process interrupted: the first half waits for the second. */
function joined(line: string, pending: Map<string, string>): string | undefined {
  const cut = line.indexOf(" <unfinished ...>");
  const pid = line.slice(0, line.indexOf(" "));
  if (cut >= 0) {
    pending.set(pid, line.slice(0, cut));
    return undefined;
  }
  const resumed = /^\d+ +<\.\.\. \w+ resumed>/.exec(line);
  if (resumed === null) return line;
  const first = pending.get(pid);
  pending.delete(pid);
  return first === undefined ? undefined : first + line.slice(resumed[0].length);
}

function enter(
  accesses: Map<string, FileAccess>,
  frame: TraceFrame,
  full: string,
  how: FileAccess["how"],
  found: boolean,
): void {
  const isInside = full === frame.build || full.startsWith(`${frame.build}/`);
  const path = isInside ? full.slice(frame.build.length + 1) : full;
  if (path === "") return;
  const before = accesses.get(full);
  accesses.delete(full);
  // What found nothing says little about what was done with it later.
  const strongest =
    before === undefined || (found && !before.found)
      ? how
      : before.found && !found
        ? before.how
        : (RANK[Math.max(RANK.indexOf(how), RANK.indexOf(before.how))] as FileAccess["how"]);
  accesses.set(full, { path, isInside, how: strongest, found: found || (before?.found ?? false) });
}

/** strace writes bytes that are not plain ASCII as C does. */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      bytes.push(text.charCodeAt(i));
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(i + 1, i + 4));
    const next = text[i + 1] ?? "";
    if (octal) bytes.push(Number.parseInt(octal[0], 8));
    else bytes.push((ESCAPES[next] ?? next).charCodeAt(0));
    i += octal ? octal[0].length : 1;
  }
  return Buffer.from(bytes).toString();
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" };
