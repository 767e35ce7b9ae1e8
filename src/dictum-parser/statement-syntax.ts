import { expectBrace, parseDefinitionName, parseDictum, parseParams, skipToItem } from "./dictum-syntax.ts";
import { nearest } from "./did-you-mean.ts";
import { Report } from "./report.ts";
import {
  END,
  EQUALS,
  LEFT_BRACE,
  LEFT_BRACKET,
  LEFT_PAREN,
  QUESTION_EQUALS,
  RIGHT_BRACE,
  Scanner,
  STRING,
  WORD,
} from "./scanner.ts";
import type { SourceText } from "./source-text.ts";
import type { Begatfile, CallStatement, DeclarationPart, Element, Name, Statement, Value } from "./syntax.ts";
import { isVariableName } from "./template-syntax.ts";
import type { TokenTrace } from "./token-trace.ts";
import {
  parseArguments,
  parseElement,
  parseList,
  parseValue,
  startsElement,
  startsStatementByMistake,
} from "./value-syntax.ts";
import { IMAGE_PARTS, isReservedName, isStatementWord, SOURCE_KINDS, STATEMENT_WORDS } from "./words.ts";

/** Calls in a text longer than this keep no arguments: those of a million calls would take more than a gigabyte. */
const LATE_FROM = 1024 * 1024;

/** A call whose arguments are read again whenever somebody asks for them. They were read once, without a mistake. */
class LateCall implements CallStatement {
  readonly kind: "call" | "run";
  readonly at: number;
  readonly end: number;
  readonly #nameAt: number;
  readonly #nameEnd: number;
  readonly #source: SourceText;
  readonly #open: number;

  constructor(s: Scanner, kind: "call" | "run", at: number, name: Name, open: number) {
    this.kind = kind;
    this.at = at;
    this.end = s.previousEnd;
    this.#nameAt = name.at;
    this.#nameEnd = name.at + name.text.length;
    this.#source = s.source;
    this.#open = open;
  }

  get name(): Name {
    return { at: this.#nameAt, text: this.#source.text.slice(this.#nameAt, this.#nameEnd) };
  }

  get args(): readonly Value[] {
    const s = new Scanner(this.#source, new Report());
    s.goBackTo(this.#open);
    return parseArguments(s);
  }
}

/** Arguments, and whether they may be forgotten and read again. */
function soundArguments(s: Scanner): [args: Value[], isSound: boolean] {
  const errors = s.report.errorCount;
  const args = parseArguments(s);
  return [args, s.text.length > LATE_FROM && s.report.errorCount === errors];
}

/** `cd a { cd a { ...` deeper than this is a mistake, not a need. */
const MOST_NESTED = 100;

/** Reads a whole begatfile. Every mistake goes to `report`; what could be understood is in the tree. */
export function parseSource(source: SourceText, report: Report, trace?: TokenTrace): Begatfile {
  for (let at = source.text.indexOf("\0"); at >= 0; at = source.text.indexOf("\0", at + 1)) {
    const message = "expected text, found the control character U+0000";
    report.add({ code: "PARSE_CONTROL_CHARACTER", source, at, length: 1, message });
  }
  const s = new Scanner(source, report, trace);
  return { statements: parseStatements(s, undefined, 0) };
}

interface Opener {
  readonly at: number;
  /** `cd sub`, `func f`. */
  readonly name: string;
}

/** Reads statements up to the end, or up to and with the `}` that ends the block of `opener`. */
function parseStatements(s: Scanner, opener: Opener | undefined, depth: number): Statement[] {
  const statements: Statement[] = [];
  for (;;) {
    if (s.is(END)) {
      if (opener !== undefined) {
        s.fail("PARSE_UNCLOSED", s.start, 1, `expected "}" to end ${opener.name}, found the end of the file`, {
          notes: [s.note(opener.at, "it begins here")],
        });
      }
      return statements;
    }
    if (s.is(RIGHT_BRACE) && opener !== undefined) {
      s.next();
      return statements;
    }
    if (!s.is(WORD)) {
      s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected a statement, found ${s.found()}`);
      s.next();
      skipToItem(s, false);
      if (s.is(LEFT_BRACE)) s.next();
      continue;
    }
    const statement = parseStatement(s, depth);
    if (statement !== undefined) statements.push(statement);
  }
}

function parseStatement(s: Scanner, depth: number): Statement | undefined {
  const at = s.start;
  const written = s.tokenText();
  s.trace?.startItem();
  if (written.charCodeAt(0) === 0x3c) return parseAngleInclude(s, at, written);
  s.next();
  let word = written;
  if (!isStatementWord(word)) {
    if (s.is(LEFT_PAREN) && !isStatementWord(word)) return parseCall(s, at, word);
    const meant = statementMeant(s, at, word);
    if (meant === undefined) return undefined;
    word = meant;
  }
  switch (word) {
    case "var":
      return parseVar(s, at);
    case "include":
      return parseInclude(s, at);
    case "func":
      return parseFunc(s, at, depth);
    case "dictum":
      return parseDictum(s, at);
    case "run":
      return parseRun(s, at);
    case "apply":
      return parseApply(s, at);
    case "cd":
      return parseCd(s, at, depth);
    case "mount":
      return parseMount(s, at);
    case "image":
      return parseImage(s, at);
    case "source":
      return parseSourceStatement(s, at);
    default:
      return parseGroup(s, at);
  }
}

/** Reports a word that begins no statement; if it is nearly one, the parse goes on as if it were. */
function statementMeant(s: Scanner, at: number, word: string): string | undefined {
  const meant = nearest(word, STATEMENT_WORDS);
  const shown = JSON.stringify(word.length > 40 ? `${word.slice(0, 37)}...` : word);
  s.fail("PARSE_UNKNOWN_STATEMENT", at, word.length, `expected a statement, found ${shown}`, {
    hint:
      meant !== undefined
        ? `did you mean "${meant}"?`
        : s.is(EQUALS) || s.is(QUESTION_EQUALS)
          ? `a variable is defined with "var ${word} = ..."`
          : `statements are: ${STATEMENT_WORDS.join(" ")}, or a func's name and "("`,
  });
  if (meant !== undefined && (s.is(WORD) || s.is(STRING) || s.is(LEFT_PAREN))) return meant;
  skipToItem(s, false);
  if (s.is(LEFT_BRACE)) skipBlock(s);
  return undefined;
}

/** Skips a block whose beginning meant nothing, so that its contents are not taken for statements. */
function skipBlock(s: Scanner): void {
  s.next();
  while (skipToItem(s, true) && s.is(WORD) && !isTopLevelWord(s)) s.next();
  if (s.is(RIGHT_BRACE)) s.next();
}

function isTopLevelWord(s: Scanner): boolean {
  return isStatementWord(s.tokenText()) && (s.start === 0 || s.text.charCodeAt(s.start - 1) === 0x0a);
}

function parseAngleInclude(s: Scanner, at: number, written: string): Statement | undefined {
  if (written.length > 1) {
    // `<file` in one word: an element of what stands after the angle.
    const text = written.slice(1);
    const end = s.end;
    const plain = !s.hasDollar;
    s.next();
    if (!plain) {
      s.fail("PARSE_BAD_VARIABLE", at, end - at, `expected a file's name after "<", found ${JSON.stringify(text)}`, {
        hint: 'write include "..." where the name holds a variable',
      });
      return undefined;
    }
    const file: Element = { at: at + 1, end, text, parts: undefined, call: undefined, glob: false };
    return { kind: "include", at, file };
  }
  s.next();
  return parseInclude(s, at);
}

function parseInclude(s: Scanner, at: number): Statement | undefined {
  const file = parseOneElement(s, "the name of a begatfile");
  return file === undefined ? undefined : { kind: "include", at, file };
}

function parseOneElement(s: Scanner, what: string): Element | undefined {
  if (startsElement(s) && !startsStatementByMistake(s)) return parseElement(s);
  s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected ${what}, found ${s.found()}`);
  return undefined;
}

function parseVar(s: Scanner, at: number): Statement | undefined {
  const name = parseVariableName(s, "a variable");
  const overridable = s.is(QUESTION_EQUALS);
  if (!s.is(EQUALS) && !overridable) {
    s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected "=" or "?=", found ${s.found()}`);
    skipToItem(s, false);
    if (s.is(LEFT_BRACE)) s.next();
    return undefined;
  }
  s.next();
  const value = parseValue(s, "a value");
  return name === undefined ? undefined : { kind: "var", at, name, overridable, value };
}

function parseVariableName(s: Scanner, what: string): Name | undefined {
  const at = s.start;
  if (!s.is(WORD) || startsStatementByMistake(s)) {
    s.fail("PARSE_UNEXPECTED", at, s.end - at, `expected a name for ${what}, found ${s.found()}`);
    return undefined;
  }
  const text = s.tokenText();
  s.next();
  if (!isVariableName(text)) {
    s.fail("PARSE_BAD_NAME", at, text.length, `expected a name for ${what}, found ${JSON.stringify(text)}`, {
      hint: text.startsWith("$")
        ? 'the name of what is defined has no "$"'
        : "such names are made of letters, digits and _, and do not begin with a digit",
    });
    return undefined;
  }
  if (isReservedName(text)) {
    s.fail("PARSE_RESERVED_NAME", at, text.length, `expected a name for ${what}, found "${text}"`, {
      hint: `"${text}" is a name that begat itself gives to recipes`,
    });
    return undefined;
  }
  return { at, text };
}

function parseFunc(s: Scanner, at: number, depth: number): Statement | undefined {
  const name = parseDefinitionName(s, "a func");
  if (isStatementWord(name.text)) {
    s.fail("PARSE_RESERVED_NAME", name.at, name.text.length, `expected a name for a func, found "${name.text}"`, {
      hint: `"${name.text}" begins a statement of its own`,
    });
  }
  const params = s.is(LEFT_PAREN) ? parseParams(s) : [];
  const body = parseBody(s, { at, name: `func ${name.text}` }, depth);
  return { kind: "func", at, name, params, body };
}

function parseBody(s: Scanner, opener: Opener, depth: number): Statement[] {
  if (depth >= MOST_NESTED) {
    s.fail("PARSE_TOO_DEEP", opener.at, 1, `expected at most ${MOST_NESTED} blocks within one another, found more`);
    // What is so deep is not read: every further block would say the same.
    s.quiet = true;
    while (!s.is(END)) s.next();
    return [];
  }
  return expectBrace(s, opener.name) ? parseStatements(s, opener, depth + 1) : [];
}

function parseCall(s: Scanner, at: number, text: string): Statement {
  const name = { at, text };
  const open = s.start;
  const [args, isSound] = soundArguments(s);
  return isSound ? new LateCall(s, "call", at, name, open) : { kind: "call", at, end: s.previousEnd, name, args };
}

function parseRun(s: Scanner, at: number): Statement | undefined {
  const name = parseDefinitionName(s, "the dictum to run");
  if (name.text === "") {
    skipToItem(s, false);
    return undefined;
  }
  if (!s.is(LEFT_PAREN)) return { kind: "run", at, end: s.previousEnd, name, args: [] };
  const open = s.start;
  const [args, isSound] = soundArguments(s);
  return isSound ? new LateCall(s, "run", at, name, open) : { kind: "run", at, end: s.previousEnd, name, args };
}

function parseApply(s: Scanner, at: number): Statement | undefined {
  if (!s.is(LEFT_PAREN)) {
    s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected "(" after apply, found ${s.found()}`);
    skipToItem(s, false);
    return undefined;
  }
  const args = parseArguments(s);
  const first = args[0];
  const word = first?.items.length === 1 ? first.items[0] : undefined;
  if (word?.text === undefined) {
    const where = first ?? { at, end: s.previousEnd };
    const message = `expected the name of a dictum or func, found ${first === undefined ? "nothing" : "a list or variable"}`;
    s.fail("PARSE_UNEXPECTED", where.at, where.end - where.at, message, { hint: "apply(name values)" });
    return undefined;
  }
  return { kind: "apply", at, end: s.previousEnd, name: { at: word.at, text: word.text }, args: args.slice(1) };
}

function parseCd(s: Scanner, at: number, depth: number): Statement | undefined {
  const directory = parseOneElement(s, "a directory");
  const body = parseBody(s, { at, name: "cd" }, depth);
  return directory === undefined ? undefined : { kind: "cd", at, directory, body };
}

function parseMount(s: Scanner, at: number): Statement | undefined {
  if (s.is(LEFT_PAREN)) {
    const args = parseArguments(s);
    return { kind: "mount", at, end: s.previousEnd, args };
  }
  s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected "(" after mount, found ${s.found()}`);
  skipToItem(s, false);
  return undefined;
}

function parseImage(s: Scanner, at: number): Statement | undefined {
  const name = parseDefinitionName(s, "an image");
  if (!s.is(EQUALS)) return { kind: "image", at, name, parts: parseParts(s, at, `image ${name.text}`, IMAGE_PARTS) };
  s.next();
  const call = parseOneElement(s, 'oci("...")');
  if (call === undefined) return undefined;
  if (call.call?.name !== "oci" || call.call.args.length !== 1) {
    const found = JSON.stringify(s.text.slice(call.at, Math.min(call.end, call.at + 40)));
    s.fail("PARSE_UNEXPECTED", call.at, call.end - call.at, `expected oci("..."), found ${found}`);
    return undefined;
  }
  const value = call.call.args[0] as Value;
  return { kind: "image", at, name, parts: [{ at: call.at, kind: "oci", value }] };
}

function parseSourceStatement(s: Scanner, at: number): Statement | undefined {
  const name = parseVariableName(s, "a source");
  const parts = parseParts(s, at, `source ${name?.text ?? ""}`, SOURCE_KINDS);
  return name === undefined ? undefined : { kind: "source", at, name, parts };
}

/** Reads `{ kind value kind value }`. */
function parseParts(s: Scanner, at: number, of: string, kinds: readonly string[]): DeclarationPart[] {
  const parts: DeclarationPart[] = [];
  if (!expectBrace(s, of)) return parts;
  while (s.is(WORD) && !isTopLevelWord(s)) {
    const kind = s.tokenText();
    const kindAt = s.start;
    s.trace?.startItem();
    let meant: string | undefined = kind;
    if (!kinds.includes(kind)) {
      meant = nearest(kind, kinds);
      s.fail("PARSE_UNKNOWN_SECTION", kindAt, kind.length, `expected one of ${kinds.join(" ")}, found ${s.found()}`, {
        hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
      });
    }
    s.next();
    const valueAt = s.start;
    const items = s.is(LEFT_BRACKET) ? parseList(s) : parseValue(s, `what ${kind} names`).items;
    const value: Value = { at: valueAt, end: s.previousEnd, items };
    if (meant !== undefined) parts.push({ at: kindAt, kind: meant, value });
  }
  if (s.is(RIGHT_BRACE)) {
    s.next();
    return parts;
  }
  s.fail(
    "PARSE_UNCLOSED",
    s.start,
    s.end - s.start,
    `expected one of ${kinds.join(" ")} or "}" to end ${of}, found ${s.found()}`,
    {
      notes: [s.note(at, "it begins here")],
    },
  );
  if (!(s.is(WORD) && isTopLevelWord(s))) {
    skipToItem(s, true);
    if (s.is(RIGHT_BRACE)) s.next();
  }
  return parts;
}

function parseGroup(s: Scanner, at: number): Statement | undefined {
  const name = parseDefinitionName(s, "a group");
  if (!s.is(EQUALS)) {
    s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected "=" after the group's name, found ${s.found()}`);
    skipToItem(s, false);
    return undefined;
  }
  s.next();
  const value = parseValue(s, "what belongs to the group");
  return { kind: "group", at, name, value };
}
