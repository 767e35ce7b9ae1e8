import { accessSync, constants, statSync } from "node:fs";

const found = new Map<string, string | undefined>();

/**
 * Makes a program's name one that a shell cannot take for a built-in of its own: with a slash as it is, else where
 * `PATH` leads to among absolute directories, else through env(1), which says when there is no such program.
 */
export function externalCommand(argv: readonly string[], path: string | undefined): readonly string[] {
  const [program, ...rest] = argv;
  if (program === undefined || program.includes("/")) return argv;
  const key = `${path}\0${program}`;
  let file = found.get(key);
  if (!found.has(key)) {
    file = search(program, path);
    found.set(key, file);
  }
  return file === undefined ? ["/usr/bin/env", "--", program, ...rest] : [file, ...rest];
}

function search(program: string, path: string | undefined): string | undefined {
  for (const directory of (path ?? "/usr/bin:/bin").split(":")) {
    // A relative one is searched when the recipe runs, where it runs.
    if (!directory.startsWith("/")) return undefined;
    try {
      const file = `${directory}/${program}`;
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
