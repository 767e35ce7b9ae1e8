import { compareUtf8, parseWorkspacePath, WORKSPACE_ROOT, type WorkspacePath } from "../base/index.ts";
import type { HostEntry } from "./evaluation.ts";

/** One thing a segment's pattern asks for: a run of anything, any one character, one of a class, or just itself. */
type Ask =
  | { readonly kind: "run" }
  | { readonly kind: "any" }
  | { readonly kind: "one"; readonly char: string }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

type Segment =
  | { readonly kind: "literal"; readonly name: string }
  | { readonly kind: "deep" }
  | { readonly kind: "pattern"; readonly asks: readonly Ask[]; readonly hidden: boolean };

export type GlobResult =
  | { readonly ok: true; readonly matches: readonly string[]; readonly notUtf8: readonly string[] }
  | {
      readonly ok: false;
      readonly code: "EVAL_GLOB_MALFORMED" | "EVAL_PATH" | "EVAL_TOO_LARGE";
      readonly problem: string;
    };

/** Directories one glob may look into; past this it is caught in a loop of symlinks, or as good as. */
const MOST_DIRECTORIES = 200_000;
const DEEPEST = 128;

/** Never matched by a wildcard: they are begat's own and git's, and change behind every build. */
const UNSEEN: ReadonlySet<string> = new Set([".begat", ".git"]);

/** `text` as a pattern that matches only itself. */
export function escapeGlob(text: string): string {
  return /[*?[]/.test(text) ? text.replace(/[*?[]/g, "[$&]") : text;
}

/**
 * Names that match `pattern`, as seen from `directory`, sorted by UTF-8 bytes. `*`, `?`, `[a-z]`, `[!a]` match within a
 * name, a segment `**` any number of directories; names that begin with a dot only where the pattern's segment does.
 * Files only; with a trailing slash directories only, and they keep it.
 */
export function expandGlob(
  pattern: string,
  directory: WorkspacePath,
  list: (path: WorkspacePath) => readonly HostEntry[] | undefined,
): GlobResult {
  const directoriesOnly = pattern.endsWith("/");
  const segments: Segment[] = [];
  for (const text of pattern.split("/")) {
    if (text === "" || text === ".") continue;
    const segment = compileSegment(text);
    if (segment === undefined) {
      return {
        ok: false,
        code: "EVAL_GLOB_MALFORMED",
        problem: `expected "]" to close "[" in ${JSON.stringify(pattern)}`,
      };
    }
    if (segment.kind !== "deep" || segments.at(-1)?.kind !== "deep") segments.push(segment);
  }
  // Leading names are gone through as written, so `../x/*.c` stays that; the rest is relative to where they lead.
  let written = "";
  let base = directory;
  while (segments.length > 1 && segments[0]?.kind === "literal") {
    const { name } = segments.shift() as { name: string };
    const parsed = parseWorkspacePath(name, base);
    if (!parsed.ok) return { ok: false, code: "EVAL_PATH", problem: outside(pattern, parsed.problem) };
    base = parsed.path;
    written += `${name}/`;
  }
  if (pattern.startsWith("/")) {
    return { ok: false, code: "EVAL_PATH", problem: `${pattern} is absolute; a glob looks within the workspace` };
  }
  if (segments.some((segment) => segment.kind === "literal" && segment.name === "..")) {
    return { ok: false, code: "EVAL_PATH", problem: `${pattern} has ".." after a pattern or at its end` };
  }
  const walk = new Walk(list, segments, directoriesOnly);
  walk.from(base, written, 0, 0);
  if (walk.directories > MOST_DIRECTORIES) {
    return {
      ok: false,
      code: "EVAL_TOO_LARGE",
      problem: `${pattern} leads through more than ${MOST_DIRECTORIES} directories`,
    };
  }
  return { ok: true, matches: [...walk.found].sort(compareUtf8), notUtf8: [...walk.notUtf8] };
}

function outside(pattern: string, problem: string): string {
  return problem.endsWith("is outside the workspace") ? `${pattern} is outside the workspace` : problem;
}

class Walk {
  readonly found = new Set<string>();
  readonly notUtf8 = new Set<string>();
  directories = 0;
  readonly #list: (path: WorkspacePath) => readonly HostEntry[] | undefined;
  readonly #segments: readonly Segment[];
  readonly #directoriesOnly: boolean;

  constructor(
    list: (path: WorkspacePath) => readonly HostEntry[] | undefined,
    segments: readonly Segment[],
    directoriesOnly: boolean,
  ) {
    this.#list = list;
    this.#segments = segments;
    this.#directoriesOnly = directoriesOnly;
  }

  from(path: WorkspacePath, written: string, index: number, depth: number): void {
    const segment = this.#segments[index];
    if (segment === undefined || depth > DEEPEST || this.directories > MOST_DIRECTORIES) return;
    const last = index === this.#segments.length - 1;
    if (segment.kind === "literal" && !last) {
      this.from(join(path, segment.name), `${written}${segment.name}/`, index + 1, depth + 1);
      return;
    }
    this.directories++;
    const entries = this.#list(path);
    if (entries === undefined) return;
    if (segment.kind === "deep" && !last) this.from(path, written, index + 1, depth + 1);
    for (const entry of entries) {
      if (!wanted(segment, entry.name)) continue;
      if (entry.kind === "not-utf8") {
        this.notUtf8.add(`${written}${entry.name}`);
        continue;
      }
      const isDirectory = entry.kind === "directory";
      if (last && isDirectory && this.#directoriesOnly) this.found.add(`${written}${entry.name}/`);
      if (last && entry.kind === "file" && !this.#directoriesOnly) this.found.add(written + entry.name);
      if (!isDirectory) continue;
      // A symlink may lead back up: `**` does not go through one.
      if (segment.kind === "deep" && entry.link !== true) {
        this.from(join(path, entry.name), `${written}${entry.name}/`, index, depth + 1);
      } else if (segment.kind === "pattern" && !last) {
        this.from(join(path, entry.name), `${written}${entry.name}/`, index + 1, depth + 1);
      }
    }
  }
}

function join(path: WorkspacePath, name: string): WorkspacePath {
  return (path === WORKSPACE_ROOT ? name : `${path}/${name}`) as WorkspacePath;
}

function wanted(segment: Segment, name: string): boolean {
  if (segment.kind === "literal") return segment.name === name;
  if (UNSEEN.has(name)) return false;
  if (segment.kind === "deep") return !name.startsWith(".");
  return (segment.hidden || !name.startsWith(".")) && matches(segment.asks, [...name]);
}

/** `undefined` where a class is not closed. */
function compileSegment(text: string): Segment | undefined {
  if (text === "**") return { kind: "deep" };
  const asks: Ask[] = [];
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === "*") {
      if (asks.at(-1)?.kind !== "run") asks.push({ kind: "run" });
    } else if (char === "?") {
      asks.push({ kind: "any" });
    } else if (char === "[") {
      const close = chars.indexOf("]", i + (chars[i + 1] === "!" || chars[i + 1] === "^" ? 3 : 2));
      if (close < 0) return undefined;
      asks.push(classOf(chars.slice(i + 1, close)));
      i = close;
    } else {
      asks.push({ kind: "one", char });
    }
  }
  const literal = literalName(asks);
  if (literal !== undefined) return { kind: "literal", name: literal };
  const first = asks[0];
  return { kind: "pattern", asks, hidden: first?.kind === "one" && first.char === "." };
}

function classOf(chars: readonly string[]): Ask {
  const negated = chars[0] === "!" || chars[0] === "^";
  const members = negated ? chars.slice(1) : chars;
  const ranges: [string, string][] = [];
  for (let i = 0; i < members.length; i++) {
    const low = members[i] as string;
    const high = members[i + 1] === "-" && i + 2 < members.length ? (members[i + 2] as string) : low;
    if (high !== low) i += 2;
    ranges.push([low, high]);
  }
  const only = ranges[0];
  if (!negated && ranges.length === 1 && only !== undefined && only[0] === only[1])
    return { kind: "one", char: only[0] };
  return { kind: "class", negated, ranges };
}

function literalName(asks: readonly Ask[]): string | undefined {
  let name = "";
  for (const ask of asks) {
    if (ask.kind !== "one") return undefined;
    name += ask.char;
  }
  return name;
}

/** Goes back to the last run only, so the time is at most the product of the lengths. */
function matches(asks: readonly Ask[], name: readonly string[]): boolean {
  let ask = 0;
  let char = 0;
  let lastRun = -1;
  let runEnd = 0;
  while (char < name.length) {
    const wantedHere = asks[ask];
    if (wantedHere?.kind === "run") {
      lastRun = ask++;
      runEnd = char;
    } else if (wantedHere !== undefined && fits(wantedHere, name[char] as string)) {
      ask++;
      char++;
    } else if (lastRun >= 0) {
      ask = lastRun + 1;
      char = ++runEnd;
    } else {
      return false;
    }
  }
  while (asks[ask]?.kind === "run") ask++;
  return ask === asks.length;
}

function fits(ask: Ask, char: string): boolean {
  if (ask.kind === "one") return ask.char === char;
  if (ask.kind !== "class") return true;
  const inside = ask.ranges.some(([low, high]) => compareUtf8(low, char) <= 0 && compareUtf8(char, high) <= 0);
  return inside !== ask.negated;
}

/** The directory that `pattern` looks into first, as it is written there. */
export function globDirectory(pattern: string): string {
  const wild = pattern.search(/[*?[]/);
  const slash = pattern.lastIndexOf("/", wild < 0 ? pattern.length : wild);
  return slash <= 0 ? "." : pattern.slice(0, slash);
}
