import { type FileStat, type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { GlanceFile, glancePath } from "./glance-file.ts";
import type { QuickAnswer } from "./quick.ts";

/** Entries looked at in one go: some milliseconds' work. */
const AT_ONCE = 256;

const KIND_NUMBER = { file: 0, directory: 1, symlink: 2, other: 3 } as const;

export interface GlanceAsker {
  /** Absolute. */
  readonly root: string;
  /** Absolute: the program that would have been asked otherwise. */
  readonly bundle: string;
  /** Absolute. */
  readonly ledger: string;
  /** The same question in all ways in which it may have been left an answer to. */
  readonly questions: readonly string[];
  env(name: string): string | undefined;
}

/**
 * Whether there is nothing to do, from what an earlier build has left word of: a large graph need not be read for that.
 * `pause` is awaited between two looks, so that others come to their turn.
 */
export async function followGlance(
  files: FileTree,
  { root, bundle, ledger, questions, env }: GlanceAsker,
  pause: () => Promise<void>,
): Promise<QuickAnswer> {
  const no = (because: string): QuickAnswer => ({ upToDate: false, because });
  const absolute = (path: string): string =>
    path.startsWith("/") ? path : path === "." ? root : `${root === "/" ? "" : root}/${path}`;
  const found = questions.map((question) => [question, absolute(glancePath(question))] as const);
  const [question, path] = found.find(([, path]) => files.stat(path)?.kind === "file") ?? [];
  const glance = path === undefined ? undefined : GlanceFile.decode(files.readFile(path));
  if (glance === undefined || glance.question !== question) return no("no build has left word");
  for (const [name, value] of glance.asked) if (env(name) !== value) return no(`$${name} changed`);
  const numbers = new Float64Array(STAT_NUMBERS);
  let at = 0;
  for (const entry of glance.entries()) {
    if (at === 0 && entry.path !== bundle) return no("another begat");
    if (at === 1 && entry.path !== ledger) return no("another ledger");
    if (at % AT_ONCE === AT_ONCE - 1) await pause();
    at++;
    const full = absolute(entry.path);
    const is = entry.kind === "link" ? linkInto(files.lstat(full), numbers) : files.statInto(full, numbers, 0);
    if (entry.kind === "absent" ? is : !is) return no(`${entry.path} changed`);
    const first = entry.kind === "inode" ? 3 : entry.kind === "absent" ? STAT_NUMBERS : 0;
    const end = entry.kind === "inode" ? 4 : STAT_NUMBERS;
    for (let i = first; i < end; i++) if (numbers[i] !== entry.numbers[i]) return no(`${entry.path} changed`);
  }
  if (at !== glance.count || at < 2) return no("no build has left word");
  return { upToDate: true, chores: glance.chores, level: glance.level, warnings: [] };
}

function linkInto(found: FileStat | undefined, numbers: Float64Array): boolean {
  if (found?.kind !== "symlink") return false;
  numbers.set([found.sizeBytes, found.mtimeMs, found.ctimeMs, found.inode, KIND_NUMBER.symlink * 4096 + 0o777]);
  return true;
}
