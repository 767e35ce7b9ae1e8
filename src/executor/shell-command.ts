import { accessSync, constants, statSync } from "node:fs";
import { isProgramInRoot } from "./image-root.ts";

/** Names that some shell treats in its own way when it finds them in its environment. */
const SHELLS_OWN =
  /^(?:OPT(?:IND|ARG|ERR)|LINENO|PPID|PWD|OLDPWD|IFS|ENV|PS[0-9]|RANDOM|SECONDS|SHELLOPTS|BASH.*|E?UID|_)$/;
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

type Variables = readonly (readonly [name: string, value: string])[];

/**
 * A recipe's argument vector, made fit to be run by a shell, and the variables which that shell can hand on. Those it
 * would drop or take for its own go through env(1), which costs one more program, and is rare.
 *
 * @param imageRoot Where the recipe's programs are, if not among the host's.
 */
export function commandWithEnvironment(
  argv: readonly string[],
  environment: Variables,
  imageRoot?: string,
): readonly [variables: Variables, argv: readonly string[]] {
  const path = environment.find(([name]) => name === "PATH")?.[1];
  const command = externalCommand(argv, path, imageRoot);
  const canPass = ([name]: readonly [string, string]) => SHELL_NAME.test(name) && !SHELLS_OWN.test(name);
  if (environment.every(canPass)) return [environment, command];
  const others = environment.filter((variable) => !canPass(variable)).map(([name, value]) => `${name}=${value}`);
  return [environment.filter(canPass), ["/usr/bin/env", ...others, ...command]];
}

const found = new Map<string, string | undefined>();

/**
 * Makes a program's name one that a shell cannot take for a built-in of its own: with a slash as it is, else where
 * `PATH` leads to among absolute directories, else through env(1), which says when there is no such program.
 */
function externalCommand(
  argv: readonly string[],
  path: string | undefined,
  imageRoot: string | undefined,
): readonly string[] {
  const [program, ...rest] = argv;
  if (program === undefined || program.includes("/")) return argv;
  const key = `${path}\0${program}\0${imageRoot ?? ""}`;
  let file = found.get(key);
  if (!found.has(key)) {
    file = search(program, path, imageRoot);
    found.set(key, file);
  }
  return file === undefined ? ["/usr/bin/env", "--", program, ...rest] : [file, ...rest];
}

function search(program: string, path: string | undefined, imageRoot: string | undefined): string | undefined {
  for (const directory of (path ?? "/usr/bin:/bin").split(":")) {
    // A relative one is searched when the recipe runs, where it runs.
    if (!directory.startsWith("/")) return undefined;
    const file = `${directory}/${program}`;
    if (imageRoot !== undefined) {
      if (isProgramInRoot(imageRoot, file)) return file;
      continue;
    }
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
