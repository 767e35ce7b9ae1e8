import { basename } from "node:path/posix";
import type { ProcessRunner } from "../../ports/index.ts";

const ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
/** Programs that are looked for among the packages' names. */
const MOST_NAMES = 5;
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;

/**
 * Debian packages by a path they have: as this machine's own packages tell, and for a program none of them has, the
 * package of its name where the package index knows one. Paths of no known package are left out; so is everything where
 * there is no dpkg.
 */
export async function packagesOf(
  runner: ProcessRunner,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const run = async (...argv: [string, ...string[]]): Promise<string> => {
    try {
      const outcome = await runner.run(
        { argv, cwd: "/", env: ENV, outputLimitBytes: 256 * 1024, timeoutMs: 3_000 },
        signal,
      );
      return outcome.stdout.toString();
    } catch {
      // No such program, or it is all over anyway.
      return "";
    }
  };
  // Either spelling: with merged /usr a package may still have a file under /bin or /lib.
  const asked = new Map(paths.flatMap((path) => spellings(path).map((spelling) => [spelling, path] as const)));
  for (const { path, name } of ownersIn(await run("dpkg-query", "-S", ...[...asked.keys()].map(literal)))) {
    const original = asked.get(path);
    if (original !== undefined && !found.has(original)) found.set(original, name);
  }
  const programs = paths.filter((path) => path.startsWith("/usr/bin/") && !found.has(path)).slice(0, MOST_NAMES);
  for (const path of programs) {
    const name = basename(path);
    if (!PACKAGE_NAME.test(name)) continue;
    const names = (await run("apt-cache", "pkgnames", name)).split("\n");
    if (names.includes(name)) found.set(path, name);
  }
  return found;
}

function spellings(path: string): string[] {
  const short = /^\/usr(\/(?:s?bin|lib\w*)\/.*)$/.exec(path)?.[1];
  return short === undefined ? [path] : [path, short];
}

/** dpkg takes a pattern. */
const literal = (path: string): string => path.replaceAll(/[*?[\]\\]/g, "\\$&");

/** `coreutils: /usr/bin/env`, `gcc, cpp: /usr/share/doc/...`, `libc6:amd64: /lib/...`. */
export function ownersIn(text: string): { readonly path: string; readonly name: string }[] {
  const owners: { path: string; name: string }[] = [];
  for (const line of text.split("\n")) {
    const at = line.indexOf(": /");
    const name = line.slice(0, Math.max(0, at)).split(", ")[0]?.split(":")[0] ?? "";
    if (PACKAGE_NAME.test(name)) owners.push({ path: line.slice(at + 2), name });
  }
  return owners;
}
