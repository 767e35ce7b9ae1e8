import { type Dirent, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import type { DeclaredOutput } from "../executor.ts";
import { emptyDirectory, removeTree } from "../staging/remove-tree.ts";

/** Undeclared names that are told. */
const MOST_NAMES = 100;
const ENTRIES_AT_ONCE = 500;

/**
 * Empties a build root after its outputs were taken, and names what was made there but neither staged nor declared
 * (a directory ends in `/` and stands for all in it). At most 100 names, sorted.
 */
export async function sweepBuildRoot(
  root: string,
  staged: ReadonlySet<string>,
  outputs: readonly DeclaredOutput[],
): Promise<string[]> {
  const declared = new Set<string>();
  for (const output of outputs) {
    declared.add(output.path);
    for (let slash = output.path.indexOf("/"); slash > 0; slash = output.path.indexOf("/", slash + 1)) {
      declared.add(output.path.slice(0, slash));
    }
  }
  // The usual run leaves what was staged and what was declared: that goes by name, without listing every directory.
  if (removeByName(root, staged, outputs) && readdirSync(root).length === 0) return [];
  const undeclared: string[] = [];
  let count = 0;
  const sweep = async (directory: string): Promise<void> => {
    for (const entry of readdirSync(`${root}/${directory}`, { withFileTypes: true })) {
      if (++count % ENTRIES_AT_ONCE === 0) await new Promise(setImmediate);
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      const isKnown = staged.has(path) || declared.has(path);
      if (!isKnown && undeclared.length < MOST_NAMES) undeclared.push(entry.isDirectory() ? `${path}/` : path);
      if (entry.isDirectory() && staged.has(path) && !isTree(path, outputs)) {
        await sweep(path);
        rmdirSync(`${root}/${path}`);
      } else {
        removeKnown(`${root}/${path}`, entry);
      }
    }
  };
  try {
    await sweep("");
  } catch {
    // A directory the recipe made unreadable, a name that is not UTF-8: by force, then.
    emptyDirectory(root);
  }
  return undeclared.sort();
}

/**
 * Removes outputs and staged inputs by name, children before parents; answers whether nothing stood in the way. An input
 * the recipe removed is no obstacle, a directory that is not empty is: something undeclared is in it.
 */
function removeByName(root: string, staged: ReadonlySet<string>, outputs: readonly DeclaredOutput[]): boolean {
  const directories = new Set<string>();
  const paths = [...staged];
  for (const path of [...paths, ...outputs.map((output) => output.path)]) {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const parent = path.slice(0, slash);
      if (directories.has(parent)) break;
      directories.add(parent);
    }
  }
  // A recipe may have put a symlink in a directory's place: whatever that leads to is not ours to empty.
  for (const directory of [...directories].sort((a, b) => a.length - b.length)) {
    if (!lstatSync(`${root}/${directory}`, { throwIfNoEntry: false })?.isDirectory()) return false;
  }
  try {
    for (const { path, kind } of outputs) {
      if (kind !== "file") removeTree(`${root}/${path}`);
      else if (!staged.has(path)) unlinkSync(`${root}/${path}`);
    }
    for (let i = paths.length - 1; i >= 0; i--) {
      const path = paths[i] as string;
      if (directories.has(path)) rmdirSync(`${root}/${path}`);
      else unlinkSync(`${root}/${path}`);
    }
    return true;
  } catch {
    return false;
  }
}

const isTree = (path: string, outputs: readonly DeclaredOutput[]): boolean =>
  outputs.some((output) => output.kind !== "file" && output.path === path);

function removeKnown(path: string, entry: Dirent): void {
  if (entry.isDirectory()) removeTree(path);
  else unlinkSync(path);
}
