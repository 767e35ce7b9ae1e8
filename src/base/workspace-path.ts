declare const pathBrand: unique symbol;

/**
 * A file or directory named from the workspace root: relative, `/` between segments, no `.`, `..` or empty segment,
 * no control character, valid Unicode. The root itself is the empty string. A tree keeps no trailing slash here;
 * whether a path is a tree is said beside it.
 */
export type WorkspacePath = string & { readonly [pathBrand]: true };

export type ParsedPath =
  | { readonly ok: true; readonly path: WorkspacePath }
  | { readonly ok: false; readonly problem: string };

export const WORKSPACE_ROOT = "" as WorkspacePath;

/**
 * Normalises `text`, taken relative to `directory`, to a path from the workspace root. `.` and `..` segments are
 * resolved; a path that leaves the workspace is a problem, and so is one with control characters (they could not be
 * listed one a line) or a lone surrogate (it has no UTF-8 form).
 */
export function parseWorkspacePath(text: string, directory: WorkspacePath = WORKSPACE_ROOT): ParsedPath {
  if (text === "") return { ok: false, problem: "path is empty" };
  if (text.startsWith("/")) {
    return { ok: false, problem: `${text} is absolute; inputs and outputs are named from the workspace` };
  }
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    return { ok: false, problem: `${JSON.stringify(text)} contains a control character` };
  }
  if (!text.isWellFormed()) return { ok: false, problem: `${JSON.stringify(text)} is not valid Unicode` };
  // The common case has nothing to resolve; 100,000 dictums pass here several times each.
  if (!/(^|\/)(\.{0,2})(\/|$)/.test(text)) {
    return { ok: true, path: (directory === "" ? text : `${directory}/${text}`) as WorkspacePath };
  }
  const segments = directory === "" ? [] : directory.split("/");
  for (const segment of text.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return { ok: false, problem: `${text} is outside the workspace` };
  }
  return { ok: true, path: segments.join("/") as WorkspacePath };
}

/** The directory `path` stands in; the root's parent is the root. */
export function parentOf(path: WorkspacePath): WorkspacePath {
  const slash = path.lastIndexOf("/");
  return (slash < 0 ? "" : path.slice(0, slash)) as WorkspacePath;
}

/** `path` as seen from `directory`, with `../` as needed; never empty (`.` for the same place). */
export function relativeTo(directory: WorkspacePath, path: WorkspacePath): string {
  if (directory === "") return path === "" ? "." : path;
  const from = directory.split("/");
  const to = path === "" ? [] : path.split("/");
  let shared = 0;
  while (shared < from.length && shared < to.length && from[shared] === to[shared]) shared++;
  const up = from.slice(shared).map(() => "..");
  return [...up, ...to.slice(shared)].join("/") || ".";
}
