import { type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { Checkout } from "./checkout.ts";
import { GlanceFile, glancePath } from "./glance-file.ts";
import type { QuickAnswer } from "./quick.ts";
import { memberSignature, PATH } from "./state.ts";

/** Entries looked at in one go: some milliseconds' work. */
const AT_ONCE = 256;

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
  const checkout = new Checkout(files, root);
  const found = questions.map((question) => [question, checkout.absolute(glancePath(question))] as const);
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
    const place = entry.path === "." ? "" : entry.path;
    const is = memberSignature(checkout, place, entry.kind === "link" ? PATH.symlink : 0, numbers);
    if (entry.kind === "absent" ? is : !is) return no(`${entry.path} changed`);
    const first = entry.kind === "inode" ? 3 : entry.kind === "absent" ? STAT_NUMBERS : 0;
    const end = entry.kind === "inode" ? 4 : STAT_NUMBERS;
    for (let i = first; i < end; i++) if (numbers[i] !== entry.numbers[i]) return no(`${entry.path} changed`);
  }
  if (at !== glance.count || at < 2) return no("no build has left word");
  return { upToDate: true, chores: glance.chores, level: glance.level, warnings: [] };
}
