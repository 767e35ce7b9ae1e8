import type { DiagnosticCode } from "./diagnostic-codes.ts";
import type { Note, Report } from "./report.ts";
import type { SourceText } from "./source-text.ts";
import type { TokenTrace } from "./token-trace.ts";

export const END = 0;
export const WORD = 1;
export const STRING = 2;
export const LEFT_BRACKET = 3;
export const RIGHT_BRACKET = 4;
export const LEFT_BRACE = 5;
export const RIGHT_BRACE = 6;
export const LEFT_PAREN = 7;
export const RIGHT_PAREN = 8;
export const EQUALS = 9;
export const QUESTION_EQUALS = 10;
export const COMMA = 11;
/** Not from `next`: the parser asks for it where a recipe may stand. */
export const RECIPE = 12;
export type TokenKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12;

/** What a character is to a word. Everything from U+0080 up is ordinary. */
const ORDINARY = 0;
const BREAK = 1;
const DOLLAR = 2;
const GLOB = 3;
const CONTROL = 4;
const CLASS = new Uint8Array(128);
CLASS.fill(CONTROL, 0, 32);
CLASS[127] = CONTROL;
for (const c of ' \t\n\r\f[]{}()"=,') CLASS[c.charCodeAt(0)] = BREAK;
CLASS[0x24] = DOLLAR;
CLASS[0x2a] = GLOB;
CLASS[0x3f] = GLOB;

const PUNCTUATION = new Uint8Array(128);
PUNCTUATION[0x5b] = LEFT_BRACKET;
PUNCTUATION[0x5d] = RIGHT_BRACKET;
PUNCTUATION[0x7b] = LEFT_BRACE;
PUNCTUATION[0x7d] = RIGHT_BRACE;
PUNCTUATION[0x28] = LEFT_PAREN;
PUNCTUATION[0x29] = RIGHT_PAREN;
PUNCTUATION[0x3d] = EQUALS;
PUNCTUATION[0x2c] = COMMA;

/**
 * Reads tokens one at a time; the current one stands in its fields. The parser is one token ahead at most, so it may
 * also say that a recipe begins at the current token, or go back to an earlier offset.
 */
export class Scanner {
  readonly source: SourceText;
  readonly text: string;
  readonly report: Report;
  readonly trace: TokenTrace | undefined;

  kind: TokenKind = END;
  /** Of the current token, `end` exclusive. */
  start = 0;
  end = 0;
  /** A line ended between the token before and this one, or this is the first. */
  lineBreakBefore = true;
  /** A blank, a comment or the file's beginning stands before it. */
  blankBefore = true;
  /** Of a word or string: whether it holds a `$`; of a word: `*` or `?`; of a string: a backslash. */
  hasDollar = false;
  hasGlob = false;
  hasEscape = false;
  /** End of the token before. */
  previousEnd = 0;
  /** While skipping what could not be understood, its mistakes are not worth a line of their own. */
  quiet = false;
  #lastFailAt = -1;

  constructor(source: SourceText, report: Report, trace?: TokenTrace) {
    this.source = source;
    this.text = source.text;
    this.report = report;
    this.trace = trace;
    this.#scan(0);
  }

  /** Consumes the current token. */
  next(): void {
    if (this.trace !== undefined) this.trace.token(this);
    this.previousEnd = this.end;
    this.#scan(this.end);
  }

  /** Makes the token that begins at `offset`, an earlier token's start, the current one. */
  goBackTo(offset: number): void {
    this.previousEnd = offset;
    this.#scan(offset);
    this.lineBreakBefore = true;
  }

  /** Consumes a recipe that begins at the current token and ends before `end`. */
  takeRecipe(end: number): void {
    this.kind = RECIPE;
    this.end = end;
    this.next();
  }

  /** Whether the current token is a `kind`. */
  is(kind: TokenKind): boolean {
    return this.kind === kind;
  }

  tokenText(): string {
    return this.text.slice(this.start, this.end);
  }

  isWord(text: string): boolean {
    return this.kind === WORD && this.end - this.start === text.length && this.text.startsWith(text, this.start);
  }

  /** The current token as a message names it. */
  found(): string {
    if (this.kind === END) return "the end of the file";
    const text = this.tokenText();
    if (this.kind === STRING) return `the string ${text.length > 40 ? `${text.slice(0, 37)}..."` : text}`;
    return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
  }

  fail(
    code: DiagnosticCode,
    at: number,
    length: number,
    message: string,
    more: { readonly hint?: string | undefined; readonly notes?: readonly Note[] } = {},
  ): void {
    if (this.quiet) return;
    // Where one rule gives up, the next one up sees the same token: that is one mistake, not two.
    if (code === "PARSE_UNEXPECTED" && at === this.#lastFailAt) return;
    this.#lastFailAt = at;
    this.report.add({ code, source: this.source, at, length, message, ...more });
  }

  note(at: number, message: string): Note {
    return { source: this.source, at, message };
  }

  #scan(from: number): void {
    const text = this.text;
    let pos = from;
    let lineBreak = from === 0;
    for (;;) {
      const c = text.charCodeAt(pos);
      if (c === 0x20 || c === 0x09 || c === 0x0d || c === 0x0c) {
        pos++;
      } else if (c === 0x0a) {
        lineBreak = true;
        pos++;
      } else if (c === 0x23) {
        const lineEnd = text.indexOf("\n", pos);
        const stop = lineEnd < 0 ? text.length : lineEnd;
        if (this.trace !== undefined) this.trace.comment(pos, stop, lineBreak);
        pos = stop;
      } else {
        break;
      }
    }
    this.lineBreakBefore = lineBreak;
    this.blankBefore = pos !== from || from === 0;
    this.start = pos;
    if (pos >= text.length) {
      this.kind = END;
      this.end = pos;
      return;
    }
    const c = text.charCodeAt(pos);
    const punctuation = c < 128 ? (PUNCTUATION[c] as TokenKind) : 0;
    if (punctuation !== 0) {
      this.kind = punctuation;
      this.end = pos + 1;
    } else if (c === 0x22) {
      this.#scanString(pos);
    } else if (c === 0x3f && text.charCodeAt(pos + 1) === 0x3d) {
      this.kind = QUESTION_EQUALS;
      this.end = pos + 2;
    } else {
      this.#scanWord(pos);
    }
  }

  #scanWord(from: number): void {
    const text = this.text;
    const length = text.length;
    let pos = from;
    this.hasDollar = false;
    this.hasGlob = false;
    this.kind = WORD;
    while (pos < length) {
      const c = text.charCodeAt(pos);
      const kind = c < 128 ? CLASS[c] : ORDINARY;
      if (kind === ORDINARY) {
        pos++;
      } else if (kind === BREAK) {
        break;
      } else if (kind === DOLLAR) {
        this.hasDollar = true;
        pos = text.charCodeAt(pos + 1) === 0x7b ? this.#endOfBraces(pos + 1) : pos + 1;
      } else if (kind === GLOB) {
        if (c === 0x3f && text.charCodeAt(pos + 1) === 0x3d) break;
        this.hasGlob = true;
        pos++;
      } else {
        this.#controlCharacter(pos);
        pos++;
      }
    }
    this.end = pos;
  }

  /** The offset after the brace that closes the one at `open`, or where the line or the string ends without one. */
  #endOfBraces(open: number): number {
    let depth = 0;
    for (let pos = open; pos < this.text.length; pos++) {
      const c = this.text.charCodeAt(pos);
      if (c === 0x0a || c === 0x22) return pos;
      if (c === 0x7b) depth++;
      else if (c === 0x7d && --depth === 0) return pos + 1;
    }
    return this.text.length;
  }

  #scanString(from: number): void {
    const text = this.text;
    this.kind = STRING;
    this.hasDollar = false;
    this.hasGlob = false;
    this.hasEscape = false;
    let pos = from + 1;
    for (; pos < text.length; pos++) {
      const c = text.charCodeAt(pos);
      if (c === 0x22) {
        this.end = pos + 1;
        return;
      }
      if (c === 0x0a) break;
      if (c === 0x24) this.hasDollar = true;
      else if (c === 0x5c) {
        this.hasEscape = true;
        if (text.charCodeAt(pos + 1) !== 0x0a) pos++;
      } else if (c < 0x20 && c !== 0x09) this.#controlCharacter(pos);
    }
    this.end = Math.min(pos, text.length);
    const expected = `expected a closing quote, found ${pos >= text.length ? "the end of the file" : "the end of the line"}`;
    this.fail("PARSE_UNCLOSED", this.end, 1, expected, {
      notes: [this.note(from, "the string begins here")],
      hint: "a string stands on one line; write \\n for a line's end within it",
    });
  }

  #controlCharacter(at: number): void {
    const code = this.text.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0");
    this.fail("PARSE_CONTROL_CHARACTER", at, 1, `expected text, found the control character U+${code}`);
  }
}
