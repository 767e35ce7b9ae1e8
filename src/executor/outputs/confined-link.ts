import { lstatSync, readlinkSync, type Stats } from "node:fs";

export type ResolvedLink =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly problem: string };

/** As many as Linux follows. */
const MOST_LINKS = 40;

/**
 * Follows the symlink at `path` (from `root`) as a recipe would see it: every step must be relative, stay inside
 * `root`, and lead to something. Answers where it ends, from `root`; `""` is the root itself.
 */
export function resolveConfinedLink(root: string, path: string): ResolvedLink {
  const pending = path.split("/").reverse();
  const at: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const segment = pending.pop() as string;
    if (segment === "" || segment === ".") continue;
    if (segment === "..") {
      if (at.pop() === undefined) return { ok: false, problem: "leads out of the workspace" };
      continue;
    }
    at.push(segment);
    const here = `${root}/${at.join("/")}`;
    const stat = lstatOrUndefined(here);
    if (stat === undefined) return { ok: false, problem: "leads to nothing" };
    if (!stat.isSymbolicLink()) continue;
    if (++links > MOST_LINKS) return { ok: false, problem: `leads through more than ${MOST_LINKS} links` };
    const target = readlinkSync(here);
    if (target.startsWith("/")) return { ok: false, problem: "is absolute" };
    at.pop();
    pending.push(...target.split("/").reverse());
  }
  return { ok: true, path: at.join("/") };
}

export function lstatOrUndefined(path: string): Stats | undefined {
  // A path too long or through a file is as absent as one that is not there.
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
