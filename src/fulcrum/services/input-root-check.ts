import { compareUtf8, type Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { reapi } from "../../protocol/index.ts";
import { decodeAs } from "./directory-walk.ts";
import { digestFrom } from "./request-checks.ts";

export interface InputRootReport {
  /** What is wrong with it, with paths; at most `MAX_PROBLEMS`. An input root with any is not to be executed. */
  readonly problems: readonly string[];
  /** Directories and files that are not in the store, each once. */
  readonly missing: readonly Digest[];
  /** Distinct files, to be fetched. */
  readonly files: readonly Digest[];
}

export const MAX_PROBLEMS = 20;
const MAX_DEPTH = 200;

/**
 * Looks through a whole input root before anything of it is laid out: names, order, links that lead outside, and
 * whether every blob is there. Equal directories are looked through once for each depth they stand at, because whether
 * a link leads outside depends on it.
 */
export function checkInputRoot(blobs: Pick<BlobStore, "has" | "read">, root: Digest): InputRootReport {
  const problems: string[] = [];
  const missing = new Map<string, Digest>();
  const files = new Map<string, Digest>();
  const seen = new Set<string>();
  const report = (path: string, problem: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push(`${path === "" ? "the input root" : path}: ${problem}`);
  };
  const stack: { readonly digest: Digest; readonly path: string; readonly depth: number }[] = [
    { digest: root, path: "", depth: 0 },
  ];
  for (let at = stack.pop(); at !== undefined && problems.length < MAX_PROBLEMS; at = stack.pop()) {
    const { digest, path, depth } = at;
    const key = `${digest.hash} ${depth}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (depth > MAX_DEPTH) {
      report(path, `more than ${MAX_DEPTH} directories deep`);
      continue;
    }
    if (!blobs.has(digest)) {
      missing.set(digest.hash, digest);
      continue;
    }
    try {
      const directory = decodeAs("Directory", digest, blobs.read(digest), reapi.Directory);
      for (const problem of directoryProblems(directory, depth)) report(path, problem);
      for (const { name, digest: wire } of directory.files) {
        const found = digestFrom(wire, `file ${JSON.stringify(name)}`);
        if (files.has(found.hash)) continue;
        files.set(found.hash, found);
        if (!blobs.has(found)) missing.set(found.hash, found);
      }
      for (const { name, digest: wire } of directory.directories) {
        const child = digestFrom(wire, `directory ${JSON.stringify(name)}`);
        stack.push({ digest: child, path: path === "" ? name : `${path}/${name}`, depth: depth + 1 });
      }
    } catch (error) {
      report(path, error instanceof Error ? error.message : String(error));
    }
  }
  return { problems, missing: [...missing.values()], files: [...files.values()] };
}

/** What is wrong with one directory that stands `depth` levels below the root. */
export function directoryProblems(directory: reapi.Directory, depth: number): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  const lists = { files: directory.files, directories: directory.directories, symlinks: directory.symlinks };
  for (const [list, nodes] of Object.entries(lists)) {
    let before: string | undefined;
    for (const { name } of nodes) {
      const shown = JSON.stringify(name);
      if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) problems.push(`${shown} is no name`);
      if (names.has(name)) problems.push(`${shown} stands twice`);
      else if (before !== undefined && compareUtf8(before, name) > 0) {
        problems.push(`${list} are not sorted: ${shown} comes after ${JSON.stringify(before)}`);
      }
      names.add(name);
      before = name;
    }
  }
  for (const { name, target } of directory.symlinks) {
    const shown = `symlink ${JSON.stringify(name)} to ${JSON.stringify(target)}`;
    if (target === "" || target.includes("\0")) problems.push(`${shown} leads nowhere`);
    else if (target.startsWith("/")) problems.push(`${shown} is absolute`);
    else if (climbs(target, depth)) problems.push(`${shown} leads out of the input root`);
  }
  return problems;
}

/** Whether a relative target ever stands above the root on its way. */
function climbs(target: string, depth: number): boolean {
  let level = depth;
  for (const segment of target.split("/")) {
    if (segment === "..") level--;
    else if (segment !== "" && segment !== ".") level++;
    if (level < 0) return true;
  }
  return false;
}
