import type { Place } from "./chore.ts";
import type { Diagnostic } from "./diagnostic.ts";

export interface RenderOptions {
  /** ANSI colours; only for a terminal. */
  readonly colour: boolean;
}

/** More of a long line than this tells nobody more. */
const WIDTH = 120;
const TAB = "    ";

/**
 * A diagnostic as people read it, ending in a line's end:
 *
 * ```
 * begatfile:3:11: error: expected a word or "]", found "{"
 *     in [ a.c {
 *              ^
 * begatfile:3:8: note: the list begins here
 * hint: ...
 * ```
 */
export function renderDiagnostic(diagnostic: Diagnostic, options: RenderOptions): string {
  const paint = options.colour ? (code: string, text: string) => `\u001b[${code}m${text}\u001b[0m` : plain;
  const severity = paint(diagnostic.severity === "error" ? "1;31" : "1;35", `${diagnostic.severity}:`);
  let text = `${paint("1", `${shownPlace(diagnostic.at)}:`)} ${severity} ${paint("1", visible(diagnostic.message))}\n`;
  const { line, caret } = excerpt(diagnostic.line, diagnostic.at.column - 1, diagnostic.length);
  if (diagnostic.line.trim() !== "") text += `${TAB}${line}\n${TAB}${paint("1;32", caret)}\n`;
  for (const note of diagnostic.notes) {
    text += `${paint("1", `${shownPlace(note.at)}:`)} ${paint("1;36", "note:")} ${visible(note.message)}\n`;
  }
  if (diagnostic.hint !== undefined) text += `${paint("1;32", "hint:")} ${visible(diagnostic.hint)}\n`;
  return text;
}

function plain(_code: string, text: string): string {
  return text;
}

function shownPlace(place: Place): string {
  return `${visible(place.file)}:${place.line}:${place.column}`;
}

/** Control characters could draw over the terminal; they are shown as a picture of themselves. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

/** The line and carets under it. A tab is drawn as blanks, so that the caret stands right on every terminal. */
function excerpt(line: string, column: number, length: number): { readonly line: string; readonly caret: string } {
  const from = column > WIDTH - 20 ? Math.max(0, column - WIDTH / 2) : 0;
  const to = Math.min(line.length, from + WIDTH);
  const before = expanded(line.slice(from, column));
  const under = expanded(line.slice(column, Math.min(to, column + length)));
  const after = expanded(line.slice(Math.min(to, column + length), to));
  const lead = from > 0 ? "..." : "";
  const tail = to < line.length ? "..." : "";
  const blanks = " ".repeat(columnsOf(lead + before));
  return {
    line: `${lead}${before}${under}${after}${tail}`.trimEnd(),
    caret: `${blanks}${"^".repeat(Math.max(1, columnsOf(under)))}`,
  };
}

function expanded(text: string): string {
  return visible(text.replaceAll("\t", "    "));
}

/** Columns a terminal gives `text`: wide characters take two, combining marks none. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(char)) continue;
    columns += isWide(code) ? 2 : 1;
  }
  return columns;
}

/** East Asian wide and full-width blocks, and emoji. */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}
