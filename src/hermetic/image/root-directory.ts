import { type FileTree, FileTreeError } from "../../ports/index.ts";
import type { MergedEntry, MergedTree } from "./merged-tree.ts";
import { IMAGE_TIME_S } from "./place.ts";

const TIME_MS = IMAGE_TIME_S * 1000;

/**
 * Writes the tree to `directory`, absolute, which must not exist: files as hard links to where they stand, copied
 * where a link is not possible. Nothing in it may be written to by group or others.
 */
export function composeRoot(fs: FileTree, tree: MergedTree, directory: string): void {
  const entries = tree.sorted();
  const directories = [directory];
  makeDirectory(fs, directory);
  // Parents sort before what they hold. Links come last, so that nothing can be written through one.
  for (const entry of entries) {
    if (entry.kind !== "directory") continue;
    makeDirectory(fs, `${directory}/${entry.place}`);
    directories.push(`${directory}/${entry.place}`);
  }
  for (const entry of entries) {
    if (entry.kind === "file") placeFile(fs, entry, `${directory}/${entry.place}`);
  }
  for (const entry of entries) {
    if (entry.kind !== "symlink") continue;
    fs.symlink(entry.target, `${directory}/${entry.place}`);
    fs.setTimes(`${directory}/${entry.place}`, TIME_MS, TIME_MS);
  }
  for (const path of directories) fs.setTimes(path, TIME_MS, TIME_MS);
}

/** The entries of a root directory, as the base of another image. */
export function readRoot(fs: FileTree, root: string): readonly MergedEntry[] {
  const entries: MergedEntry[] = [];
  const owner = { shown: "the base image", rank: "base" } as const;
  const walk = (directory: string): void => {
    for (const { name, kind } of fs.readDirectory(directory === "" ? root : `${root}/${directory}`)) {
      const place = directory === "" ? name : `${directory}/${name}`;
      const path = `${root}/${place}`;
      if (kind === "directory") {
        entries.push({ kind, place, owner });
        walk(place);
      } else if (kind === "symlink") entries.push({ kind, place, target: fs.readLink(path), owner });
      else if (kind === "file") {
        const stat = fs.lstat(path);
        const executable = ((stat?.mode ?? 0) & 0o100) !== 0;
        entries.push({ kind, place, sizeBytes: stat?.sizeBytes ?? 0, executable, from: path, owner });
      }
    }
  };
  walk("");
  return entries;
}

function makeDirectory(fs: FileTree, path: string): void {
  fs.makeDirectory(path, 0o755);
  // The umask may have taken bits that a recipe of another user needs.
  fs.setMode(path, 0o755);
}

function placeFile(fs: FileTree, entry: MergedEntry & { kind: "file" }, path: string): void {
  try {
    fs.link(entry.from, path);
  } catch (cause) {
    // Another device, or as many links as the file system lets a file have.
    if (!(cause instanceof FileTreeError && (cause.code === "FILE_IO" || cause.code === "FILE_ACCESS_DENIED")))
      throw cause;
    fs.copyFile(entry.from, path, entry.executable ? 0o755 : 0o644);
    fs.setTimes(path, TIME_MS, TIME_MS);
  }
}
