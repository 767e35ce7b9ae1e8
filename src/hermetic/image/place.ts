import { ImageError } from "../image-error.ts";
import { entrySegments } from "../source-tree.ts";

/** Seconds since 1970 that every file of an image was last changed: 1980-01-01, as SOURCE_DATE_EPOCH says in recipes. */
export const IMAGE_TIME_S = 315_532_800;

/** Top-level directories that are links to the same name below /usr. @see Debian policy 10.1, hier(7) */
export const MERGED_DIRECTORIES = ["bin", "lib", "sbin"] as const;
const MERGED = new Set(["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"]);

/**
 * Where `path` stands in an image whose /bin, /lib and so on are links to /usr: `bin/ls` becomes `usr/bin/ls`. A merged
 * directory itself becomes the directory it leads to.
 */
export function mergedPath(path: string): string {
  const slash = path.indexOf("/");
  const top = slash < 0 ? path : path.slice(0, slash);
  return MERGED.has(top) ? `usr/${path}` : path;
}

/**
 * The target a link must have after it moved from `path` to `moved`, so that it leads where it led. Absolute targets
 * and such as stay beside the link are kept as they are.
 */
export function movedTarget(path: string, moved: string, target: string): string {
  if (path === moved || target.startsWith("/") || !/(^|\/)\.\.(\/|$)/.test(target)) return target;
  const led = mergedPath(resolveLexically(parent(path), target));
  const from = parent(moved).split("/");
  const to = led.split("/");
  let shared = 0;
  while (shared < from.length && shared < to.length - 1 && from[shared] === to[shared]) shared++;
  return [...from.slice(shared).map(() => ".."), ...to.slice(shared)].join("/");
}

/** Where `target` leads from `directory`, without looking at links on the way; above the root is the root. */
export function resolveLexically(directory: string, target: string): string {
  const segments = target.startsWith("/") || directory === "" ? [] : directory.split("/");
  for (const segment of target.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") segments.pop();
    else segments.push(segment);
  }
  return segments.join("/");
}

/** The directory of `path`; the root is the empty string. */
export function parent(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/**
 * An absolute place in an image, as a begatfile names it, without its leading slash.
 *
 * @throws {ImageError} `IMAGE_MALFORMED`.
 */
export function parsePlace(place: string): string {
  if (!place.startsWith("/")) {
    throw new ImageError("IMAGE_MALFORMED", `${JSON.stringify(place)} is no absolute place in an image`);
  }
  try {
    return entrySegments(place.replace(/^\/+/, "")).join("/");
  } catch (cause) {
    throw new ImageError("IMAGE_MALFORMED", `${JSON.stringify(place)} cannot be a place in an image`, { cause });
  }
}
