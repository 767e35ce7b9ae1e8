import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Whether programs may be traced here. */
export const MAY_TRACE = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

/** What a process did to files, in order; `said` is what it wrote to its standard output. */
export type FileStep =
  | { readonly does: "create"; readonly path: string; readonly truncates: boolean }
  | { readonly does: "write"; readonly path: string; readonly at: number | undefined; readonly bytes: Buffer }
  | { readonly does: "truncate"; readonly path: string; readonly size: number }
  | { readonly does: "sync"; readonly path: string }
  | { readonly does: "rename"; readonly path: string; readonly to: string }
  | { readonly does: "remove" | "directory"; readonly path: string }
  | { readonly does: "said"; readonly line: string };

const CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink,mkdir";

const bytesOf = (escaped: string): Buffer => Buffer.from(escaped.replaceAll("\\x", ""), "hex");

/**
 * Runs a program and writes down each call by which it changes files, with every byte.
 *
 * @param injected How a call is to fail, in strace's words: `fsync:error=EIO:when=3`.
 */
export function recordWrites(
  argv: readonly string[],
  trace: string,
  injected?: string,
): { readonly steps: readonly FileStep[]; readonly said: readonly string[]; readonly injections: number } {
  const inject = injected === undefined ? [] : ["-e", `inject=${injected}`];
  const options = ["-f", "-y", "-xx", "-s", "1000000", "-o", trace, "-e", `trace=${CALLS}`, ...inject];
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const { stdout, stderr, status } = spawnSync("strace", [...options, ...argv], { encoding: "utf8", env });
  if (status !== 0) throw new Error(`${argv.join(" ")} ended with ${status}: ${stderr}`);
  const text = readFileSync(trace, "latin1");
  rmSync(trace);
  const steps = wholeLines(text).flatMap((line) => stepOf(line) ?? []);
  return { steps, said: stdout.split("\n").filter(Boolean), injections: text.split("(INJECTED)").length - 1 };
}

/** A call during which another thread made one stands in two lines; it counts where it ended. */
function wholeLines(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split("\n").flatMap((line) => {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const start = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
    if (start !== undefined) {
      begun.set(thread, start);
      return [];
    }
    const end = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    return end === undefined ? [rest] : [`${begun.get(thread)}${end}`];
  });
}

const PATTERNS: readonly (readonly [pattern: RegExp, step: (found: readonly string[]) => FileStep | undefined])[] = [
  [
    /openat\([^,]*, "([^"]*)", (\S+?)(?:, \d+)?\) = \d/,
    ([, path = "", flags = ""]) =>
      flags.includes("O_CREAT")
        ? { does: "create", path: bytesOf(path).toString(), truncates: flags.includes("O_TRUNC") }
        : undefined,
  ],
  [/\bwrite\(1<[^>]*>, "([^"]*)"/, ([, bytes = ""]) => ({ does: "said", line: bytesOf(bytes).toString().trimEnd() })],
  [
    /\bwrite\(\d+<([^>]*)>, "([^"]*)", \d+\) = \d/,
    ([, path = "", bytes = ""]) => ({
      does: "write",
      path: bytesOf(path).toString(),
      at: undefined,
      bytes: bytesOf(bytes),
    }),
  ],
  [
    /pwrite64\(\d+<([^>]*)>, "([^"]*)", \d+, (\d+)\) = \d/,
    ([, path = "", bytes = "", at]) => ({
      does: "write",
      path: bytesOf(path).toString(),
      at: Number(at),
      bytes: bytesOf(bytes),
    }),
  ],
  [
    /ftruncate\(\d+<([^>]*)>, (\d+)\) = 0/,
    ([, path = "", size]) => ({ does: "truncate", path: bytesOf(path).toString(), size: Number(size) }),
  ],
  [/fd?a?t?a?sync\(\d+<([^>]*)>\) += 0/, ([, path = ""]) => ({ does: "sync", path: bytesOf(path).toString() })],
  [
    /\brename\("([^"]*)", "([^"]*)"\) = 0/,
    ([, path = "", to = ""]) => ({ does: "rename", path: bytesOf(path).toString(), to: bytesOf(to).toString() }),
  ],
  [/\bunlink\("([^"]*)"\) = 0/, ([, path = ""]) => ({ does: "remove", path: bytesOf(path).toString() })],
  [/\bmkdir\("([^"]*)", \d+\) = 0/, ([, path = ""]) => ({ does: "directory", path: bytesOf(path).toString() })],
];

function stepOf(line: string): FileStep | undefined {
  for (const [pattern, step] of PATTERNS) {
    const found = pattern.exec(line);
    if (found !== null) return step(found);
  }
  return undefined;
}

interface Inode {
  now: Buffer;
  /** What a loss of power leaves of it. */
  synced: Buffer;
}

/**
 * Files as steps leave them: as every process sees them, and as they are after the power was cut, when nothing is there but
 * what was synced, under the names that were.
 */
export class ReplayedDisk {
  readonly #names = new Map<string, Inode>();
  readonly #syncedNames = new Map<string, Inode>();

  constructor(files: ReadonlyMap<string, Buffer>) {
    for (const [path, bytes] of files) {
      const inode = { now: bytes, synced: bytes };
      this.#names.set(path, inode);
      this.#syncedNames.set(path, inode);
    }
  }

  apply(step: FileStep): void {
    switch (step.does) {
      case "create": {
        const inode = this.#names.get(step.path);
        if (inode === undefined) this.#names.set(step.path, { now: Buffer.alloc(0), synced: Buffer.alloc(0) });
        else if (step.truncates) inode.now = Buffer.alloc(0);
        return;
      }
      case "write": {
        const inode = this.#names.get(step.path);
        if (inode !== undefined) inode.now = written(inode.now, step.at ?? inode.now.length, step.bytes);
        return;
      }
      case "truncate": {
        const inode = this.#names.get(step.path);
        if (inode === undefined) return;
        const longer = Buffer.alloc(Math.max(0, step.size - inode.now.length));
        inode.now = Buffer.concat([inode.now.subarray(0, step.size), longer]);
        return;
      }
      case "sync": {
        const inode = this.#names.get(step.path);
        if (inode !== undefined) inode.synced = inode.now;
        else this.#syncDirectory(step.path);
        return;
      }
      case "rename": {
        const inode = this.#names.get(step.path);
        if (inode === undefined) return;
        this.#names.delete(step.path);
        this.#names.set(step.to, inode);
        return;
      }
      case "remove":
        this.#names.delete(step.path);
        return;
      default:
    }
  }

  #syncDirectory(path: string): void {
    for (const name of this.#syncedNames.keys()) if (dirname(name) === path) this.#syncedNames.delete(name);
    for (const [name, inode] of this.#names) if (dirname(name) === path) this.#syncedNames.set(name, inode);
  }

  /** Every file there is; `power`: after a loss of it. */
  files(after: "kill" | "power"): Map<string, Buffer> {
    const found = after === "kill" ? this.#names : this.#syncedNames;
    return new Map([...found].map(([path, { now, synced }]) => [path, after === "kill" ? now : synced]));
  }
}

function written(before: Buffer, at: number, bytes: Buffer): Buffer {
  const after = Buffer.alloc(Math.max(before.length, at + bytes.length));
  before.copy(after);
  bytes.copy(after, at);
  return after;
}

/** Writes files that stood below `from` to a directory `to`. */
export function putFiles(files: ReadonlyMap<string, Buffer>, from: string, to: string): void {
  for (const [path, bytes] of files) {
    if (!path.startsWith(`${from}/`)) continue;
    const place = join(to, path.slice(from.length));
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, bytes, { mode: 0o600 });
  }
}
