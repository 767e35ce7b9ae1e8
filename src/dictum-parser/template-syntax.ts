import type { Scanner } from "./scanner.ts";
import type { Part } from "./syntax.ts";

/** `${a:${b:${c:...}}}` deeper than this is a mistake, not a need. */
const MOST_NESTED = 20;

/** Whether `c` may stand in a variable's name; digits not at its start. */
export function isNameChar(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || c === 0x5f || (c >= 0x30 && c <= 0x39);
}

/** A name that can stand in an environment: `[A-Za-z_][A-Za-z0-9_]*`. */
export function isVariableName(text: string): boolean {
  if (text.length === 0) return false;
  const first = text.charCodeAt(0);
  if (first >= 0x30 && first <= 0x39) return false;
  for (let i = 0; i < text.length; i++) if (!isNameChar(text.charCodeAt(i))) return false;
  return true;
}

/** Offset after the name that begins at `from`; `from` itself where none does. */
export function endOfName(text: string, from: number, end: number): number {
  let pos = from;
  const first = text.charCodeAt(from);
  if (first >= 0x30 && first <= 0x39) return from;
  while (pos < end && isNameChar(text.charCodeAt(pos))) pos++;
  return pos;
}

/** Appends the parts of the text from `from` to `end`: literals, `$x` and `${...}`; in quotes also escapes. */
export function parseTemplate(s: Scanner, from: number, end: number, quoted: boolean, parts: Part[], depth = 0): void {
  const text = s.text;
  let literal = "";
  let run = from;
  let pos = from;
  while (pos < end) {
    const c = text.charCodeAt(pos);
    if (c === 0x5c && quoted) {
      literal += text.slice(run, pos) + escaped(s, pos, end);
      pos = Math.min(pos + 2, end);
      run = pos;
    } else if (c === 0x24) {
      literal += text.slice(run, pos);
      if (literal !== "") parts.push({ kind: "literal", text: literal, quoted });
      literal = "";
      pos = parseVariable(s, pos, end, quoted, parts, depth);
      run = pos;
    } else {
      pos++;
    }
  }
  literal += text.slice(run, end);
  if (literal !== "") parts.push({ kind: "literal", text: literal, quoted });
}

function escaped(s: Scanner, at: number, end: number): string {
  const c = at + 1 < end ? s.text[at + 1] : undefined;
  if (c === "n") return "\n";
  if (c === "t") return "\t";
  if (c === '"' || c === "\\" || c === "$") return c;
  const found = c === undefined ? "nothing" : `\\${c}`;
  s.fail("PARSE_BAD_ESCAPE", at, 2, `expected one of \\" \\\\ \\n \\t \\$, found ${found}`, {
    hint: "write \\\\ for a backslash in a string",
  });
  return c ?? "";
}

/** Reads the variable whose `$` is at `at`; answers the offset after it. */
function parseVariable(s: Scanner, at: number, end: number, quoted: boolean, parts: Part[], depth: number): number {
  const text = s.text;
  if (text.charCodeAt(at + 1) !== 0x7b || at + 1 >= end) {
    const nameEnd = endOfName(text, at + 1, end);
    if (nameEnd === at + 1) {
      badVariable(s, at, 1, `expected a variable's name after "$", found ${foundAt(text, at + 1, end)}`);
      return at + 1;
    }
    const name = text.slice(at + 1, nameEnd);
    parts.push({ kind: "variable", at, end: nameEnd, name, quoted, from: undefined, to: undefined });
    return nameEnd;
  }
  const close = closingBrace(text, at + 1, end);
  if (close < 0) {
    badVariable(s, at, end - at, `expected "}" to close "\${", found ${foundAt(text, end, end)}`);
    return end;
  }
  if (depth >= MOST_NESTED) {
    s.fail("PARSE_TOO_DEEP", at, 2, `expected at most ${MOST_NESTED} variables within one another, found more`);
    return close + 1;
  }
  const nameEnd = endOfName(text, at + 2, close);
  const name = text.slice(at + 2, nameEnd);
  if (name === "") {
    badVariable(s, at, close + 1 - at, `expected a variable's name after "\${", found ${foundAt(text, at + 2, end)}`);
    return close + 1;
  }
  if (nameEnd === close) {
    parts.push({ kind: "variable", at, end: close + 1, name, quoted, from: undefined, to: undefined });
    return close + 1;
  }
  const equals = text.charCodeAt(nameEnd) === 0x3a ? equalsAtTop(text, nameEnd + 1, close) : -1;
  if (equals < 0) {
    const expected =
      text.charCodeAt(nameEnd) === 0x3a ? `expected "=" between pattern and replacement` : `expected ":" or "}"`;
    const place = text.charCodeAt(nameEnd) === 0x3a ? close : nameEnd;
    badVariable(s, place, 1, `${expected}, found ${foundAt(text, place, end)}`);
    return close + 1;
  }
  const from: Part[] = [];
  const to: Part[] = [];
  parseTemplate(s, nameEnd + 1, equals, quoted, from, depth + 1);
  parseTemplate(s, equals + 1, close, quoted, to, depth + 1);
  parts.push({ kind: "variable", at, end: close + 1, name, quoted, from, to });
  return close + 1;
}

function badVariable(s: Scanner, at: number, length: number, message: string): void {
  s.fail("PARSE_BAD_VARIABLE", at, length, message, {
    hint: 'a variable is $name, ${name} or ${name:from%=to%}; a dollar sign is "\\$" in a string',
  });
}

function foundAt(text: string, at: number, end: number): string {
  if (at >= end) return "the end of the word";
  return JSON.stringify(String.fromCodePoint(text.codePointAt(at) as number));
}

function closingBrace(text: string, open: number, end: number): number {
  let depth = 0;
  for (let pos = open; pos < end; pos++) {
    const c = text.charCodeAt(pos);
    if (c === 0x7b) depth++;
    else if (c === 0x7d && --depth === 0) return pos;
  }
  return -1;
}

function equalsAtTop(text: string, from: number, end: number): number {
  let depth = 0;
  for (let pos = from; pos < end; pos++) {
    const c = text.charCodeAt(pos);
    if (c === 0x7b) depth++;
    else if (c === 0x7d) depth--;
    else if (c === 0x3d && depth === 0) return pos;
  }
  return -1;
}
