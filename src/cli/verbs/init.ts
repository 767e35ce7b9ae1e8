import { join } from "node:path/posix";
import { BegatError } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT } from "../exit-code.ts";

export class InitError extends BegatError<"INIT_EXISTS"> {}

/** Needs a shell and wc, which every machine has; shows a variable, an argument, a dependency and a group. */
export const FIRST_BEGATFILE = `# Build with \`begat\`; then try \`begat why size.txt\` and \`begat prov tree size.txt\`.

var WHO ?= world #  \`begat WHO=you\` greets somebody else

dictum greet(who) {
    out [ hello.txt ]
    exec [[
        echo "hello, $who" > "$out"
    ]]
}

dictum measure(text) {
    in [ $text ]
    out [ size.txt ]
    exec [[
        wc -c < "$in" > "$out"
    ]]
}

run greet($WHO)
run measure(hello.txt)

group all = [ hello.txt size.txt ]
`;

const IGNORED = ".begat/";

export async function init(context: Context): Promise<number> {
  const directory = directoryOf(context);
  const files = await context.host.openFiles();
  const begatfile = join(directory, "begatfile");
  if (files.lstat(begatfile) !== undefined) {
    throw new InitError("INIT_EXISTS", `${begatfile} exists; nothing was changed`, {
      hint: "begat check reads it and reports every mistake",
    });
  }
  // Exclusive, so that one made since the look is not overwritten.
  files.writeFile(begatfile, FIRST_BEGATFILE, { mode: 0o644, exclusive: true });
  const ignored = ignore(files, join(directory, ".gitignore"));
  const wrote = ["begatfile", ...(ignored ? [".gitignore"] : [])];
  answer(context, { directory, wrote }, () => {
    const line = ignored ? ` and a line in .gitignore` : "";
    return `wrote begatfile${line}\nnext: \`begat\` builds it; \`begat -n\` says first what it would do\n`;
  });
  return EXIT.ok;
}

/** Adds the checkout's own state to `.gitignore`, unless a line has it already. */
function ignore(files: FileTree, path: string): boolean {
  const before = files.stat(path) === undefined ? "" : files.readFile(path).toString();
  if (before.split(/\r?\n/).some((line) => /^\/?\.begat\/?$/.test(line.trim()))) return false;
  const gap = before === "" || before.endsWith("\n") ? "" : "\n";
  files.replaceFile(path, `${before}${gap}${IGNORED}\n`);
  return true;
}
