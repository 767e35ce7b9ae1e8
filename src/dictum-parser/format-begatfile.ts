import type { Diagnostic } from "./diagnostic.ts";
import { Report } from "./report.ts";
import {
  COMMA,
  EQUALS,
  LEFT_BRACE,
  LEFT_BRACKET,
  LEFT_PAREN,
  RECIPE,
  RIGHT_BRACE,
  RIGHT_BRACKET,
  RIGHT_PAREN,
} from "./scanner.ts";
import { SourceText } from "./source-text.ts";
import { parseSource } from "./statement-syntax.ts";
import { TokenTrace, type TracedToken } from "./token-trace.ts";

export type FormatResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

const INDENT = "    ";

/**
 * `text` in the one layout: four blanks a level, one blank between words, a statement or section a line (a block that
 * was written on one line stays there), at most one empty line in a row. Line breaks in lists, and comments, stay where
 * they were. What the file means does not change, and formatting again changes nothing.
 */
export function formatBegatfile(text: string, file = "begatfile"): FormatResult {
  const report = new Report();
  const source = new SourceText(file, text);
  const trace = new TokenTrace(source.text);
  parseSource(source, report, trace);
  if (report.errorCount > 0) return { ok: false, diagnostics: report.diagnostics([file]) };
  return { ok: true, text: new Printer(trace.tokens.filter((token) => token.kind !== COMMA)).print() };
}

interface OpenBracket {
  readonly kind: number;
  /** Of a `{`: its items stand on lines of their own. */
  readonly multiLine: boolean;
}

class Printer {
  readonly #tokens: readonly TracedToken[];
  readonly #open: OpenBracket[] = [];
  #text = "";
  /** The last thing printed was a comment, and nothing can follow it on its line. */
  #afterComment = false;

  constructor(tokens: readonly TracedToken[]) {
    this.#tokens = tokens;
  }

  print(): string {
    const spans = lineSpans(this.#tokens);
    this.#tokens.forEach((token, index) => {
      const closes = token.kind === RIGHT_BRACE || token.kind === RIGHT_BRACKET || token.kind === RIGHT_PAREN;
      const closed = closes ? this.#open.pop() : undefined;
      this.#separate(token, this.#tokens[index - 1], closed);
      this.#text += token.kind === RECIPE ? this.#recipe(token) : token.text;
      this.#afterComment = token.kind === "comment";
      if (token.kind === LEFT_BRACE || token.kind === LEFT_BRACKET || token.kind === LEFT_PAREN) {
        this.#open.push({ kind: token.kind, multiLine: spans.has(index) });
      }
    });
    return this.#text === "" ? "" : `${this.#text}\n`;
  }

  /** Prints what stands between `before` and `token`: nothing, a blank, or a line's end and indentation. */
  #separate(token: TracedToken, before: TracedToken | undefined, closed: OpenBracket | undefined): void {
    if (before === undefined) return;
    if (this.#breaksBefore(token, closed)) {
      const afterOpening = before.kind === LEFT_BRACE;
      const mayBeEmpty = token.emptyLineBefore && !afterOpening && closed === undefined;
      this.#text += `${mayBeEmpty ? "\n\n" : "\n"}${INDENT.repeat(this.#open.length)}`;
    } else if (this.#blankBefore(token, before)) {
      this.#text += " ";
    }
  }

  #breaksBefore(token: TracedToken, closed: OpenBracket | undefined): boolean {
    if (this.#afterComment) return true;
    if (token.kind === "comment") return token.lineBreakBefore;
    const inner = closed ?? this.#open.at(-1);
    if (closed !== undefined && closed.kind === LEFT_BRACE) return closed.multiLine;
    if (token.startsItem) return inner === undefined || inner.multiLine;
    const inList = inner !== undefined && inner.kind !== LEFT_BRACE;
    if (!inList || token.glued || token.kind === LEFT_PAREN || token.kind === EQUALS) return false;
    return token.lineBreakBefore;
  }

  #blankBefore(token: TracedToken, before: TracedToken): boolean {
    if (token.kind === "comment") return true;
    if (token.glued || token.kind === LEFT_PAREN || token.kind === RIGHT_PAREN || before.kind === LEFT_PAREN)
      return false;
    if (token.kind === RIGHT_BRACKET && before.kind === LEFT_BRACKET) return false;
    if (token.kind === RIGHT_BRACE && before.kind === LEFT_BRACE) return false;
    return true;
  }

  /** A recipe of one line stays inline if it was; any other is a block. */
  #recipe(token: TracedToken): string {
    const text = token.recipe ?? "";
    const wasInline = token.text.startsWith("[[[");
    const lines = text.split("\n").slice(0, -1);
    if (wasInline && lines.length === 0) return "[[[ ]]]";
    if (wasInline && lines.length === 1) return `[[[ ${lines[0]} ]]]`;
    // A line that begins with the end marker can only stand in the inline form.
    if (wasInline && lines.some((line) => line.trimStart().startsWith("]]"))) return token.text;
    const indent = INDENT.repeat(this.#open.length + 1);
    const block = lines.map((line) => (line === "" ? "\n" : `${indent}${line}\n`)).join("");
    return `[[\n${block}${INDENT.repeat(this.#open.length)}]]`;
  }
}

/** Indexes of the opening brackets whose closing one stands on a later line. */
function lineSpans(tokens: readonly TracedToken[]): ReadonlySet<number> {
  const spans = new Set<number>();
  const open: { readonly index: number; readonly line: number }[] = [];
  let line = 0;
  tokens.forEach((token, index) => {
    if (token.lineBreakBefore || tokens[index - 1]?.kind === "comment") line++;
    if (token.kind === LEFT_BRACE || token.kind === LEFT_BRACKET || token.kind === LEFT_PAREN)
      open.push({ index, line });
    if (token.kind === RIGHT_BRACE || token.kind === RIGHT_BRACKET || token.kind === RIGHT_PAREN) {
      const opening = open.pop();
      if (opening !== undefined && opening.line !== line) spans.add(opening.index);
    }
    if (token.kind === RECIPE && token.text.includes("\n")) line++;
  });
  return spans;
}
