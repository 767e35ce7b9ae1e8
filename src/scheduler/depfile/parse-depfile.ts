/** What a depfile says was read, in the order it says so; or what is wrong with it. */
export type ParsedDepfile =
  | { readonly ok: true; readonly prerequisites: readonly string[] }
  | { readonly ok: false; readonly problem: string };

/** Deeper than any compiler goes, and far from what a memory holds. */
const MOST_PREREQUISITES = 1_000_000;

/**
 * Reads `targets: prerequisites` as make does: continued lines, escaped blanks, `$$`, several targets and rules. Rules
 * without prerequisites, as `-MP` writes them, say nothing.
 */
export function parseDepfile(text: string): ParsedDepfile {
  const seen = new Set<string>();
  let hasRule = false;
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const startedOn = line;
    let targets = 0;
    let isAfterColon = false;
    let isComment = false;
    // One rule: up to a line's end that is not escaped.
    for (;;) {
      const word = nextWord(text, at, isAfterColon);
      at = word.end;
      line += word.lines;
      if (word.kind === "end") break;
      if (isComment) continue;
      if (word.kind === "colon") isAfterColon = true;
      else if (!isAfterColon && targets === 0 && word.isComment) isComment = true;
      else if (!isAfterColon) targets++;
      else if (word.text !== "") seen.add(word.text);
    }
    if (isAfterColon && targets === 0) return { ok: false, problem: `line ${startedOn} has no target before ":"` };
    if (!isAfterColon && targets > 0) return { ok: false, problem: `line ${startedOn} has no ":" after its targets` };
    if (isAfterColon) hasRule = true;
    if (seen.size > MOST_PREREQUISITES) return { ok: false, problem: `it names more than ${MOST_PREREQUISITES} files` };
    line++;
  }
  if (!hasRule) return { ok: false, problem: 'it has no rule "target: prerequisites"' };
  return { ok: true, prerequisites: [...seen] };
}

type Word =
  | { readonly kind: "colon"; readonly end: number; readonly lines: number }
  | { readonly kind: "end"; readonly end: number; readonly lines: number }
  | {
      readonly kind: "word";
      readonly text: string;
      readonly isComment: boolean;
      readonly end: number;
      readonly lines: number;
    };

/** The next word from `at` on, blanks and continued line ends skipped. A `:` ends a target, and is ordinary after one. */
function nextWord(text: string, at: number, isAfterColon: boolean): Word {
  let i = at;
  let lines = 0;
  for (; i < text.length; i++) {
    const c = text[i];
    if (c === " " || c === "\t" || (c === "\r" && text[i + 1] === "\n")) continue;
    const skip = continued(text, i);
    if (skip === 0) break;
    lines++;
    i += skip - 1;
  }
  if (i >= text.length) return { kind: "end", end: i, lines };
  if (text[i] === "\n") return { kind: "end", end: i + 1, lines };
  if (text[i] === ":" && !isAfterColon) return { kind: "colon", end: i + 1, lines };
  const isComment = text[i] === "#";
  let word = "";
  while (i < text.length) {
    const c = text[i] as string;
    if (c === " " || c === "\t" || c === "\n" || (c === "\r" && text[i + 1] === "\n")) break;
    if (c === ":" && !isAfterColon) break;
    if (c === "$" && text[i + 1] === "$") {
      word += "$";
      i += 2;
      continue;
    }
    if (c !== "\\") {
      word += c;
      i++;
      continue;
    }
    if (continued(text, i) > 0) break;
    let run = 1;
    while (text[i + run] === "\\" && continued(text, i + run) === 0) run++;
    const next = text[i + run];
    i += run;
    if (next === " " || next === "\t" || next === "#" || next === ":") {
      // Before such a character two backslashes are one; an odd one makes it ordinary.
      word += "\\".repeat(run >>> 1);
      if (run % 2 === 1) {
        word += next;
        i++;
      }
    } else word += "\\".repeat(run);
  }
  return { kind: "word", text: word, isComment, end: i, lines };
}

/** Length of a backslash and the line's end after it; 0 where there is none at `at`. */
function continued(text: string, at: number): number {
  if (text[at] !== "\\") return 0;
  if (text[at + 1] === "\n") return 2;
  return text[at + 1] === "\r" && text[at + 2] === "\n" ? 3 : 0;
}
