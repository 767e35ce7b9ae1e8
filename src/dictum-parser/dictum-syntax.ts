import { nearest } from "./did-you-mean.ts";
import { parseRecipe, startsRecipe } from "./recipe-syntax.ts";
import {
  COMMA,
  END,
  LEFT_BRACE,
  LEFT_BRACKET,
  LEFT_PAREN,
  RIGHT_BRACE,
  RIGHT_BRACKET,
  RIGHT_PAREN,
  type Scanner,
  WORD,
} from "./scanner.ts";
import type { DictumSections, DictumStatement, Element, Name, Recipe } from "./syntax.ts";
import { isVariableName } from "./template-syntax.ts";
import { parseList, parseSettings, parseValue, startsElement, startsStatementByMistake } from "./value-syntax.ts";
import { isReservedName, isSectionWord, isStatementWord, SECTION_WORDS } from "./words.ts";

const NONE: readonly never[] = [];

/** Reads `N(a b) { ... }`; `dictum` is consumed. */
export function parseDictum(s: Scanner, at: number): DictumStatement {
  const problems = s.report.errorCount;
  const name = parseDefinitionName(s, "a dictum");
  const params = s.is(LEFT_PAREN) ? parseParams(s) : NONE;
  const sections = emptySections();
  if (expectBrace(s, `dictum ${name.text}`)) parseSections(s, at, name, sections);
  if (sections.recipe === undefined && s.report.errorCount === problems) {
    s.fail(
      "PARSE_NO_RECIPE",
      name.at,
      name.text.length,
      `expected an exec section in dictum ${name.text}, found none`,
      {
        hint: "exec [[[ command ]]] says what the dictum runs",
      },
    );
  }
  return { kind: "dictum", at, name, params, sections, broken: s.report.errorCount !== problems };
}

export function emptySections(): DictumSections {
  return {
    in: NONE,
    out: NONE,
    up: NONE,
    import: NONE,
    tools: NONE,
    down: NONE,
    attr: NONE,
    resources: NONE,
    image: undefined,
    timeout: undefined,
    network: undefined,
    depfile: undefined,
    interpreter: undefined,
    recipe: undefined,
  };
}

/** Reads a name for a dictum, func, image, source or group. */
export function parseDefinitionName(s: Scanner, what: string): Name {
  const at = s.start;
  if (!s.is(WORD) || startsStatementByMistake(s)) {
    s.fail("PARSE_UNEXPECTED", at, s.end - at, `expected a name for ${what}, found ${s.found()}`);
    return { at, text: "" };
  }
  const text = s.tokenText();
  if (!isDefinitionName(text)) {
    s.fail("PARSE_BAD_NAME", at, text.length, `expected a name for ${what}, found ${s.found()}`, {
      hint: "names are made of letters, digits and _ . + @ -, and begin with a letter, a digit or _",
    });
  }
  s.next();
  return { at, text };
}

function isDefinitionName(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const letter = (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || (c >= 0x30 && c <= 0x39) || c === 0x5f;
    if (!letter && (i === 0 || (c !== 0x2e && c !== 0x2b && c !== 0x40 && c !== 0x2d))) return false;
  }
  return text.length > 0;
}

/** Reads `(a b)`; the current token is its `(`. */
export function parseParams(s: Scanner): Name[] {
  const open = s.start;
  const params: Name[] = [];
  s.next();
  while (s.is(WORD) && !startsStatementByMistake(s)) {
    const text = s.tokenText();
    const at = s.start;
    if (!isVariableName(text)) {
      s.fail("PARSE_BAD_NAME", at, text.length, `expected a parameter's name, found ${s.found()}`, {
        hint: text.startsWith("$")
          ? `a parameter is named without "$"`
          : "parameters become variables of the recipe: letters, digits and _ only",
      });
    } else if (isReservedName(text)) {
      s.fail("PARSE_RESERVED_NAME", at, text.length, `expected a parameter's name, found "${text}"`, {
        hint: `"${text}" is a name that begat itself gives to recipes`,
      });
    }
    const first = params.find((param) => param.text === text);
    if (first !== undefined) {
      s.fail("PARSE_DUPLICATE_PARAMETER", at, text.length, `expected a name of its own, found "${text}" again`, {
        notes: [s.note(first.at, "first used here")],
      });
    }
    params.push({ at, text });
    s.next();
    if (s.is(COMMA)) s.next();
  }
  if (s.is(RIGHT_PAREN)) s.next();
  else {
    s.fail("PARSE_UNCLOSED", s.start, s.end - s.start, `expected a parameter's name or ")", found ${s.found()}`, {
      notes: [s.note(open, "the parameters begin here")],
    });
  }
  return params;
}

/** Consumes the `{` that begins a body; answers whether it was there. */
export function expectBrace(s: Scanner, of: string): boolean {
  if (s.is(LEFT_BRACE)) {
    s.next();
    return true;
  }
  s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected "{" to begin ${of}, found ${s.found()}`);
  return skipToItem(s, false) && s.is(LEFT_BRACE) ? expectBrace(s, of) : false;
}

function parseSections(s: Scanner, dictumAt: number, dictum: Name, sections: DictumSections): void {
  for (;;) {
    if (s.is(RIGHT_BRACE)) {
      s.next();
      return;
    }
    const outside = s.is(WORD) && s.lineBreakBefore && isStatementWord(s.tokenText()) && !s.isWord("image");
    if (s.is(END) || (outside && s.text.charCodeAt(s.start - 1) === 0x0a)) {
      s.fail(
        "PARSE_UNCLOSED",
        s.start,
        s.end - s.start,
        `expected "}" to end dictum ${dictum.text}, found ${s.found()}`,
        {
          notes: [s.note(dictumAt, "it begins here")],
        },
      );
      return;
    }
    if (!s.is(WORD)) {
      s.fail("PARSE_UNEXPECTED", s.start, s.end - s.start, `expected a section, found ${s.found()}`, {
        hint: `sections are: ${SECTION_WORDS.join(" ")}`,
      });
      s.next();
      skipToItem(s, true);
      continue;
    }
    parseSection(s, sections);
  }
}

function parseSection(s: Scanner, sections: DictumSections): void {
  const at = s.start;
  const written = s.tokenText();
  const word = isSectionWord(written) ? written : sectionMeant(s, written);
  s.trace?.startItem();
  s.next();
  if (word === undefined) {
    skipToItem(s, true);
    return;
  }
  const first = firstOf(sections, word);
  if (first !== undefined) {
    s.fail("PARSE_DUPLICATE_SECTION", at, written.length, `expected one ${word} section, found a second`, {
      notes: [s.note(first, "the first is here")],
    });
  }
  switch (word) {
    case "in":
    case "out":
    case "up":
    case "import":
    case "tools":
      sections[word] = joined(sections[word], parseItems(s, LISTS[word] as string));
      break;
    case "down":
    case "attr":
    case "resources":
      sections[word] = joined(sections[word], parseSettings(s, LISTS[word] as string));
      break;
    case "image":
    case "timeout":
    case "network":
    case "depfile":
      sections[word] = parseOne(s, word) ?? sections[word];
      break;
    default: {
      const exec = parseExec(s, at);
      sections.interpreter = exec.interpreter;
      sections.recipe = exec.recipe;
    }
  }
}

/** Where a section that can stand only once stood before. */
function firstOf(sections: DictumSections, word: string): number | undefined {
  if (word === "exec") return sections.recipe?.at;
  return isSingle(word) ? sections[word]?.at : undefined;
}

const SINGLE = {
  image: "an image's name",
  timeout: "a time like 30s",
  network: '"none" or "host"',
  depfile: "a file's name",
} as const;

const isSingle = (word: string): word is keyof typeof SINGLE => Object.hasOwn(SINGLE, word);

const LISTS: Readonly<Record<string, string>> = {
  in: "an input's name",
  out: "an output's name",
  up: "a property's name",
  import: "a variable's name",
  tools: "a program's name",
  down: "a setting like N=value",
  attr: "an attribute",
  resources: "a setting like cpu=2",
};

function joined<T>(before: readonly T[], more: readonly T[]): readonly T[] {
  return before.length === 0 ? more : [...before, ...more];
}

function parseItems(s: Scanner, what: string): readonly Element[] {
  return s.is(LEFT_BRACKET) ? parseList(s) : parseValue(s, `${what} or "["`).items;
}

function parseOne(s: Scanner, word: keyof typeof SINGLE): Element | undefined {
  const value = parseValue(s, SINGLE[word]);
  if (value.items.length > 1) {
    const second = value.items[1] as Element;
    s.fail("PARSE_UNEXPECTED", second.at, second.end - second.at, `expected one value for ${word}, found another`);
  }
  return value.items[0];
}

function parseExec(
  s: Scanner,
  at: number,
): { interpreter: readonly Element[] | undefined; recipe: Recipe | undefined } {
  let interpreter: readonly Element[] | undefined;
  if (s.is(LEFT_BRACKET) && !startsRecipe(s)) interpreter = parseList(s);
  if (startsRecipe(s)) return { interpreter, recipe: parseRecipe(s) };
  const hint = startsElement(s) ? "an interpreter stands in brackets: exec[bash] [[" : undefined;
  s.fail(
    "PARSE_UNEXPECTED",
    s.start,
    s.end - s.start,
    `expected a recipe that begins with "[[" or "[[[", found ${s.found()}`,
    {
      notes: [s.note(at, "the exec section begins here")],
      hint,
    },
  );
  skipToItem(s, true);
  return { interpreter, recipe: undefined };
}

/** Reports a word that begins no section; if it is nearly one, the parse goes on as if it were. */
function sectionMeant(s: Scanner, written: string): string | undefined {
  const meant = nearest(written, SECTION_WORDS);
  s.fail("PARSE_UNKNOWN_SECTION", s.start, s.end - s.start, `expected a section, found ${s.found()}`, {
    hint: meant === undefined ? `sections are: ${SECTION_WORDS.join(" ")}` : `did you mean "${meant}"?`,
  });
  return meant;
}

/**
 * Skips what could not be understood, up to a keyword that begins a line, a `{` (only when `sections` is false), a `}`
 * of the block the skip began in, or the end. Answers whether something other than the end was found.
 */
export function skipToItem(s: Scanner, sections: boolean): boolean {
  let depth = 0;
  s.quiet = true;
  while (!s.is(END)) {
    if (s.is(WORD) && s.lineBreakBefore) {
      const text = s.tokenText();
      if (isStatementWord(text) || (sections && isSectionWord(text))) break;
    }
    if (depth === 0 && (s.is(RIGHT_BRACE) || (!sections && s.is(LEFT_BRACE)))) break;
    if (s.is(LEFT_BRACE)) depth++;
    else if (s.is(RIGHT_BRACE)) depth--;
    if (s.is(LEFT_BRACKET) && startsRecipe(s)) parseRecipe(s);
    else s.next();
  }
  s.quiet = false;
  // The token that stopped the skip was scanned without a word about its mistakes.
  if (!s.is(END) && !s.is(RIGHT_BRACKET)) s.goBackTo(s.start);
  return !s.is(END);
}
