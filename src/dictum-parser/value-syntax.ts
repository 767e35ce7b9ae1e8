import {
  COMMA,
  END,
  EQUALS,
  LEFT_BRACKET,
  LEFT_PAREN,
  QUESTION_EQUALS,
  RIGHT_BRACKET,
  RIGHT_PAREN,
  type Scanner,
  STRING,
  WORD,
} from "./scanner.ts";
import type { Element, FunctionCall, Part, Setting, Value } from "./syntax.ts";
import { parseTemplate } from "./template-syntax.ts";
import { isSectionWord, isStatementWord } from "./words.ts";

/** `f(f(f(...)))` deeper than this is a mistake, not a need. */
const MOST_NESTED = 50;

/** Whether the current token can begin an element. */
export function startsElement(s: Scanner): boolean {
  return s.is(WORD) || s.is(STRING);
}

/** Reads one element; the current token begins one. `settings`: an `=` ends it instead of belonging to it. */
export function parseElement(s: Scanner, settings = false, depth = 0): Element {
  const at = s.start;
  const kind = s.kind;
  const end = s.end;
  const { hasDollar, hasGlob, hasEscape } = s;
  s.next();
  if (!s.blankBefore) {
    if (kind === WORD && s.is(LEFT_PAREN) && !hasDollar) {
      const name = s.text.slice(at, end);
      const call: FunctionCall = { name, args: parseArguments(s, depth + 1) };
      return { at, end: s.previousEnd, text: undefined, parts: undefined, call, glob: false };
    }
    if (isGlue(s, settings)) return parseGlued(s, at, end, kind === STRING, settings);
  }
  const simple = kind === WORD ? !hasDollar : !(hasDollar || hasEscape);
  if (simple) {
    const text = kind === WORD ? s.text.slice(at, end) : s.text.slice(at + 1, stringEnd(s, at, end));
    return { at, end, text, parts: undefined, call: undefined, glob: kind === WORD && hasGlob };
  }
  const parts: Part[] = [];
  addPiece(s, at, end, kind === STRING, parts);
  return finish(at, end, parts, kind === WORD && hasGlob);
}

/** Without a blank between them, words, strings and `=` are one element: `-DNAME="a b"`. */
function isGlue(s: Scanner, settings: boolean): boolean {
  if (s.blankBefore) return false;
  if (s.is(WORD) || s.is(STRING)) return true;
  return !settings && (s.is(EQUALS) || s.is(QUESTION_EQUALS));
}

function parseGlued(s: Scanner, at: number, firstEnd: number, firstQuoted: boolean, settings: boolean): Element {
  const parts: Part[] = [];
  let glob = !firstQuoted && hasGlobChar(s.text, at, firstEnd);
  let end = firstEnd;
  addPiece(s, at, firstEnd, firstQuoted, parts);
  while (isGlue(s, settings)) {
    if (s.is(WORD) && s.hasGlob) glob = true;
    addPiece(s, s.start, s.end, s.is(STRING), parts);
    end = s.end;
    s.trace?.glue();
    s.next();
  }
  return finish(at, end, parts, glob);
}

function hasGlobChar(text: string, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x2a || c === 0x3f) return true;
  }
  return false;
}

function addPiece(s: Scanner, at: number, end: number, quoted: boolean, parts: Part[]): void {
  if (quoted) parseTemplate(s, at + 1, stringEnd(s, at, end), true, parts);
  else parseTemplate(s, at, end, false, parts);
}

/** Where the text of the string at `at` ends: before its closing quote, if it has one. */
function stringEnd(s: Scanner, at: number, end: number): number {
  if (end - at < 2 || s.text.charCodeAt(end - 1) !== 0x22) return end;
  let backslashes = 0;
  while (s.text.charCodeAt(end - 2 - backslashes) === 0x5c) backslashes++;
  return backslashes % 2 === 0 ? end - 1 : end;
}

function finish(at: number, end: number, parts: Part[], glob: boolean): Element {
  let text = "";
  for (const part of parts) {
    if (part.kind === "variable") return { at, end, text: undefined, parts, call: undefined, glob };
    text += part.text;
  }
  // Parts are kept where a quoted star stands beside one that is not: only the latter is a pattern.
  const mixed = glob && parts.some((part) => part.kind === "literal" && part.quoted);
  return { at, end, text: mixed ? undefined : text, parts: mixed ? parts : undefined, call: undefined, glob };
}

/** `[a b c]` or a single element. `what` it is, for the message where there is none. */
export function parseValue(s: Scanner, what: string, depth = 0): Value {
  const at = s.start;
  if (s.is(LEFT_BRACKET)) {
    const items = parseList(s);
    return { at, end: s.previousEnd, items };
  }
  if (startsElement(s) && !startsStatementByMistake(s)) {
    const items = [parseElement(s, false, depth)];
    return { at, end: s.previousEnd, items };
  }
  s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected ${what}, found ${s.found()}`);
  return { at, end: at, items: [] };
}

/** A value is missing, and the next line's statement stands where it should be. */
export function startsStatementByMistake(s: Scanner): boolean {
  return s.is(WORD) && s.lineBreakBefore && (isStatementWord(s.tokenText()) || isSectionWord(s.tokenText()));
}

const NO_ITEMS: readonly Element[] = [];

/** Reads `[ ... ]`; the current token is its `[`. */
export function parseList(s: Scanner): readonly Element[] {
  const open = s.start;
  let items: Element[] | undefined;
  let cut = -1;
  s.next();
  for (;;) {
    if (s.is(RIGHT_BRACKET)) {
      s.next();
      return items ?? NO_ITEMS;
    }
    if (s.is(COMMA) && items !== undefined) {
      s.next();
    } else if (startsElement(s)) {
      if (cut < 0 && startsStatementByMistake(s)) cut = s.start;
      const item = parseElement(s);
      // Begun with its first element: an array grown from nothing keeps room for 17, and most lists have one or two.
      if (items === undefined) items = [item];
      else items.push(item);
    } else {
      return (items ?? NO_ITEMS).slice(0, listNotClosed(s, open, cut, items ?? NO_ITEMS));
    }
  }
}

/**
 * A list that something other than `]` ended. If a line in it began with a keyword, the list was most likely meant to
 * end there: the parse goes on from that keyword, so that what follows is still checked.
 *
 * @returns How many of the items belong to the list.
 */
function listNotClosed(s: Scanner, open: number, cut: number, items: readonly { readonly at: number }[]): number {
  if (cut >= 0) s.goBackTo(cut);
  s.fail("PARSE_UNCLOSED", s.start, s.end - s.start, `expected a word or "]", found ${s.found()}`, {
    notes: [s.note(open, "the list begins here")],
    hint: s.is(LEFT_BRACKET)
      ? "lists do not stand in lists; $x in a list adds all its elements"
      : s.is(EQUALS)
        ? 'a "=" belongs to a word when there is no blank before it: a=b'
        : undefined,
  });
  if (cut >= 0) return items.findIndex((item) => item.at >= cut);
  return items.length;
}

/** Reads `( ... )`; the current token is its `(`. Each argument is an element or a list. */
export function parseArguments(s: Scanner, depth = 0): Value[] {
  const open = s.start;
  const args: Value[] = [];
  if (depth > MOST_NESTED) {
    s.fail("PARSE_TOO_DEEP", open, 1, `expected at most ${MOST_NESTED} calls within one another, found more`);
    skipParentheses(s);
    return args;
  }
  s.next();
  for (;;) {
    if (s.is(RIGHT_PAREN)) {
      s.next();
      return args;
    }
    if (s.is(COMMA) && args.length > 0) {
      s.next();
    } else if ((startsElement(s) && !startsStatementByMistake(s)) || s.is(LEFT_BRACKET)) {
      args.push(parseValue(s, "an argument", depth));
    } else {
      s.fail("PARSE_UNCLOSED", s.start, s.end - s.start, `expected an argument or ")", found ${s.found()}`, {
        notes: [s.note(open, "the arguments begin here")],
      });
      return args;
    }
  }
}

function skipParentheses(s: Scanner): void {
  let depth = 0;
  do {
    if (s.is(LEFT_PAREN)) depth++;
    else if (s.is(RIGHT_PAREN)) depth--;
    else if (s.is(END)) return;
    s.next();
  } while (depth > 0);
}

/** Reads `[ a b=c ]`, or one setting without brackets. */
export function parseSettings(s: Scanner, what: string): Setting[] {
  const settings: Setting[] = [];
  if (!s.is(LEFT_BRACKET)) {
    if (startsElement(s) && !startsStatementByMistake(s)) settings.push(parseSetting(s));
    else s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected ${what}, found ${s.found()}`);
    return settings;
  }
  const open = s.start;
  let cut = -1;
  s.next();
  for (;;) {
    if (s.is(RIGHT_BRACKET)) {
      s.next();
      return settings;
    }
    if (s.is(COMMA) && settings.length > 0) {
      s.next();
    } else if (startsElement(s)) {
      if (cut < 0 && startsStatementByMistake(s)) cut = s.start;
      settings.push(parseSetting(s));
    } else {
      return settings.slice(0, listNotClosed(s, open, cut, settings));
    }
  }
}

function parseSetting(s: Scanner): Setting {
  const name = parseElement(s, true);
  if (name.text === undefined) {
    s.fail("PARSE_BAD_NAME", name.at, name.end - name.at, "expected a plain name, found a value to be expanded");
  }
  let value: Value | undefined;
  if (s.is(EQUALS)) {
    s.trace?.glue();
    s.next();
    s.trace?.glue();
    value = parseValue(s, `a value for ${name.text ?? "it"}`);
  }
  return { at: name.at, name: name.text ?? "", value };
}
