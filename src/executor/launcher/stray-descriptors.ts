import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Node keeps those below from its children by itself. */
const KEPT_BY_NODE = 16;
/** From fcntl.h, as /proc shows it. */
const O_CLOEXEC = 0o2000000;
const BASH = ["/bin/bash", "/usr/bin/bash"];

let found: readonly number[] | undefined;

/**
 * Files that begat was started with and that its children would get: a shell that left one open, a CI runner's pipe. What
 * begat opens itself is closed when another program is started.
 */
function strayDescriptors(): readonly number[] {
  if (found !== undefined) return found;
  try {
    found = readdirSync("/proc/self/fd")
      .map(Number)
      .filter((fd) => {
        if (fd < KEPT_BY_NODE) return false;
        const flags = /^flags:\s*([0-7]+)/m.exec(readIfThere(`/proc/self/fdinfo/${fd}`))?.[1];
        return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
      });
  } catch {
    found = [];
  }
  return found;
}

/** The listing's own descriptor is closed by the time it is looked at. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/**
 * A launcher's first shell, and what it does first. Closing a descriptor of two digits takes bash; where there is none,
 * recipes get what is left open.
 */
export function firstShell(): {
  readonly program: string;
  readonly options: readonly string[];
  readonly closing: string;
} {
  const strays = strayDescriptors();
  const bash = strays.length === 0 ? undefined : BASH.find((path) => existsSync(path));
  if (bash === undefined) return { program: "/bin/sh", options: [], closing: "" };
  // Its standard input is a socket, for which bash would read ~/.bashrc.
  return { program: bash, options: ["--norc"], closing: `exec ${strays.map((fd) => `${fd}>&-`).join(" ")}; ` };
}
