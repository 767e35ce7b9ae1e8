import type { Scanner } from "./scanner.ts";
import type { Recipe } from "./syntax.ts";

/** Whether a recipe begins at the current token. */
export function startsRecipe(s: Scanner): boolean {
  return s.text.startsWith("[[", s.start) && s.start < s.text.length;
}

/**
 * Reads the recipe that begins at the current token: `[[[ ... ]]]`, or `[[` up to a line whose first characters other
 * than blanks are `]]`. `undefined` where its end is not found; what was skipped then ends before a line with `}`.
 */
export function parseRecipe(s: Scanner): Recipe | undefined {
  return s.text.startsWith("[[[", s.start) ? parseInline(s) : parseBlock(s);
}

function parseInline(s: Scanner): Recipe | undefined {
  const at = s.start;
  const close = s.text.indexOf("]]]", at + 3);
  if (close < 0) return notClosed(s, at, '"]]]"', "the recipe begins here");
  const recipe = { at, from: at + 3, to: close, text: inlineText(s.text.slice(at + 3, close)) };
  s.trace?.recipe(recipe.text);
  s.takeRecipe(close + 3);
  return recipe;
}

function parseBlock(s: Scanner): Recipe | undefined {
  const at = s.start;
  const text = s.text;
  const firstEnd = text.indexOf("\n", at);
  const lineEnd = firstEnd < 0 ? text.length : firstEnd;
  let word = at + 2;
  while (word < lineEnd && isBlank(text.charCodeAt(word))) word++;
  if (word < lineEnd) {
    s.fail("PARSE_UNEXPECTED", word, 1, `expected the end of the line after "[[", found ${quote(text, word)}`, {
      hint: "a recipe on one line is written [[[ ... ]]]",
    });
    const sameLine = text.lastIndexOf("]]", lineEnd);
    if (sameLine > word) s.takeRecipe(sameLine + 2);
    else return skipUnclosed(s, at);
    return undefined;
  }
  const close = closingLine(text, lineEnd);
  if (close < 0) return notClosed(s, at, 'a line that begins with "]]"', "the recipe begins here");
  const swallowed = swallowedDictum(text, lineEnd, close);
  if (swallowed >= 0) {
    s.fail("PARSE_UNCLOSED", swallowed, 6, 'expected a line that begins with "]]", found "dictum"', {
      notes: [s.note(at, "the recipe begins here")],
    });
    return skipUnclosed(s, at);
  }
  // From the line after `[[` to the end of the line before `]]`.
  const to = text.lastIndexOf("\n", close) + 1;
  const recipe = { at, from: lineEnd + 1, to, text: withoutCommonIndentation(text.slice(lineEnd + 1, to)) };
  s.trace?.recipe(recipe.text);
  s.takeRecipe(close + 2);
  return recipe;
}

/** Offset of the first `]]` after `from` with nothing but blanks before it on its line. */
function closingLine(text: string, from: number): number {
  for (let at = text.indexOf("]]", from); at >= 0; at = text.indexOf("]]", at + 1)) {
    let before = at - 1;
    while (before >= from && isBlank(text.charCodeAt(before))) before--;
    if (before >= from && text.charCodeAt(before) === 0x0a) return at;
  }
  return -1;
}

/**
 * Where a recipe without an end has run on into the next dictum: its own lines are indented, but later a `}` and after
 * it a `dictum` begin a line. -1 where it has not.
 */
function swallowedDictum(text: string, from: number, to: number): number {
  const brace = text.indexOf("\n}", from);
  if (brace < 0 || brace > to || !isBlank(text.charCodeAt(from + 1))) return -1;
  const dictum = text.indexOf("\ndictum ", brace);
  return dictum < 0 || dictum > to ? -1 : dictum + 1;
}

function notClosed(s: Scanner, at: number, expected: string, note: string): undefined {
  s.fail("PARSE_UNCLOSED", at, 2, `expected ${expected}, found the end of the file`, { notes: [s.note(at, note)] });
  return skipUnclosed(s, at);
}

function skipUnclosed(s: Scanner, at: number): undefined {
  const brace = s.text.indexOf("\n}", at);
  s.takeRecipe(brace < 0 ? s.text.length : brace);
  return undefined;
}

function quote(text: string, at: number): string {
  const end = text.slice(at).search(/[\s]|$/);
  return JSON.stringify(text.slice(at, at + Math.min(end, 20)));
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09;
}

/** An inline recipe is what a block with the same lines would be: no blanks around it, its last line ended. */
function inlineText(raw: string): string {
  const text = raw.trim();
  if (text === "") return "";
  const lineEnd = text.indexOf("\n");
  if (lineEnd < 0) return `${text}\n`;
  return `${text.slice(0, lineEnd + 1)}${withoutCommonIndentation(`${text.slice(lineEnd + 1)}\n`)}`;
}

/**
 * `lines`, each ending in LF, without the blanks that all of them begin with; lines of blanks alone do not count.
 * So how deep a dictum stands is no part of its recipe's identity.
 */
export function withoutCommonIndentation(lines: string): string {
  let common: string | undefined;
  let count = 0;
  for (let at = 0; at < lines.length; ) {
    const end = endOfLine(lines, at);
    let first = at;
    while (first < end && isBlank(lines.charCodeAt(first))) first++;
    if (first < end) common = common === undefined ? lines.slice(at, first) : shared(common, lines, at, first);
    count++;
    at = end + 1;
  }
  if (common === undefined) return "";
  if (common === "") return lines;
  if (count === 1) return lines.slice(common.length);
  let result = "";
  for (let at = 0; at < lines.length; ) {
    const end = endOfLine(lines, at);
    result += lines.slice(at + shared(common, lines, at, end).length, end + 1);
    at = end + 1;
  }
  return result;
}

function endOfLine(lines: string, at: number): number {
  const end = lines.indexOf("\n", at);
  return end < 0 ? lines.length : end;
}

/** The beginning that `common` shares with `lines` between `from` and `end`. */
function shared(common: string, lines: string, from: number, end: number): string {
  let length = 0;
  while (length < common.length && from + length < end && common[length] === lines[from + length]) length++;
  return length === common.length ? common : common.slice(0, length);
}
