import { canonicalJson, type Digest, parseCanonicalJson, parseSha256, type Sha256, sha256 } from "../base/index.ts";
import type { BlobStore } from "../cache/index.ts";
import { type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { sortedChildren, type TreeDirectory } from "./source-tree.ts";

/** Above this many files and links a glance looks at directories only: it must cost well under a millisecond. */
const GLANCE_LIMIT = 256;

/**
 * What was known of a tree when its bytes were last read, kept beside it as `<name>.json`. It never speaks for the
 * bytes: it only spares reading them again while nothing looks touched.
 */
export interface StandingMark {
  /** Tree digest. */
  readonly tree: Sha256;
  /** Paths a glance looks at, from the tree's root; the root is "". */
  readonly glance: readonly string[];
  /** SHA-256 over what `stat` says of them. */
  readonly stat: Sha256;
}

/** Writes `tree` to `directory`, absolute, which must not exist: at once or not at all, by way of `scratch`. */
export async function standUp(
  fs: FileTree,
  blobs: BlobStore,
  tree: TreeDirectory,
  directory: string,
  scratch: string,
): Promise<void> {
  const files: { digest: Digest; path: string; executable: boolean }[] = [];
  const links: { path: string; target: string }[] = [];
  const collect = (node: TreeDirectory, at: string): void => {
    fs.makeDirectory(at, 0o755);
    for (const [name, entry] of sortedChildren(node)) {
      const path = `${at}/${name}`;
      if (entry.kind === "directory") collect(entry, path);
      else if (entry.kind === "symlink") links.push({ path, target: entry.target });
      else files.push({ digest: entry.digest, path, executable: entry.executable });
    }
  };
  collect(tree, scratch);
  await blobs.materialise(files);
  // Links last, so that no file can be written through one.
  for (const { path, target } of links) fs.symlink(target, path);
  fs.rename(scratch, directory);
}

/** The mark of a tree that has just been written or read whole. */
export function markOf(fs: FileTree, tree: TreeDirectory, digest: Sha256, directory: string): StandingMark {
  const directories: string[] = [""];
  const leaves: string[] = [];
  const collect = (node: TreeDirectory, at: string): void => {
    for (const [name, entry] of sortedChildren(node)) {
      if (entry.kind === "directory") {
        directories.push(`${at}${name}`);
        collect(entry, `${at}${name}/`);
      } else {
        leaves.push(`${at}${name}`);
      }
    }
  };
  collect(tree, "");
  const glance =
    leaves.length + directories.length <= GLANCE_LIMIT
      ? [...directories, ...leaves]
      : directories.slice(0, GLANCE_LIMIT);
  return { tree: digest, glance, stat: statSummary(fs, directory, glance) };
}

/** Whether nothing looks touched since the mark was made. A file changed in place in a large tree goes unseen. */
export function looksUntouched(fs: FileTree, directory: string, mark: StandingMark): boolean {
  return statSummary(fs, directory, mark.glance) === mark.stat;
}

export function readMark(fs: FileTree, path: string): StandingMark | undefined {
  if (fs.stat(path)?.kind !== "file") return undefined;
  try {
    const value = parseCanonicalJson(fs.readFile(path)) as Partial<Record<string, unknown>>;
    const tree = parseSha256(value.tree);
    const stat = parseSha256(value.stat);
    const glance = value.glance;
    if (tree === undefined || stat === undefined || !Array.isArray(glance) || value.v !== 1) return undefined;
    return { tree, stat, glance: glance.filter((path): path is string => typeof path === "string") };
  } catch {
    // A mark that cannot be read is no mark: the tree is read instead.
    return undefined;
  }
}

export function writeMark(fs: FileTree, path: string, mark: StandingMark): void {
  fs.replaceFile(path, canonicalJson({ v: 1, tree: mark.tree, glance: mark.glance, stat: mark.stat }));
}

/**
 * Compares what stands in `directory` with `tree`, reading every byte; the paths that differ, from the tree's root,
 * sorted. Files that are not in the tree differ too.
 */
export function differences(fs: FileTree, tree: TreeDirectory, directory: string): readonly string[] {
  const differing: string[] = [];
  const compare = (node: TreeDirectory, at: string): void => {
    const standing = new Set(fs.readDirectory(`${directory}${at}`).map(({ name }) => name));
    for (const [name, entry] of sortedChildren(node)) {
      const path = `${at}/${name}`;
      const absolute = `${directory}${path}`;
      standing.delete(name);
      const stat = fs.lstat(absolute);
      if (stat?.kind !== entry.kind) differing.push(path.slice(1));
      else if (entry.kind === "directory") compare(entry, path);
      else if (entry.kind === "symlink") {
        if (fs.readLink(absolute) !== entry.target) differing.push(path.slice(1));
      } else if (
        stat.sizeBytes !== entry.digest.sizeBytes ||
        ((stat.mode & 0o100) !== 0) !== entry.executable ||
        sha256(fs.readFile(absolute)) !== entry.digest.hash
      ) {
        differing.push(path.slice(1));
      }
    }
    for (const name of standing) differing.push(`${at}/${name}`.slice(1));
  };
  if (fs.lstat(directory)?.kind !== "directory") return [""];
  compare(tree, "");
  return differing.sort();
}

function statSummary(fs: FileTree, directory: string, paths: readonly string[]): Sha256 {
  const numbers = new Float64Array(paths.length * STAT_NUMBERS);
  for (const [index, path] of paths.entries()) {
    const absolute = path === "" ? directory : `${directory}/${path}`;
    if (!fs.statInto(absolute, numbers, index * STAT_NUMBERS)) numbers[index * STAT_NUMBERS] = -1;
  }
  return sha256(new Uint8Array(numbers.buffer));
}
