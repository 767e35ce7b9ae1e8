import type { Scanner, TokenKind } from "./scanner.ts";

/** A token or comment as the formatter needs it: what it is, and how it stood. */
export interface TracedToken {
  readonly kind: TokenKind | "comment";
  readonly text: string;
  readonly at: number;
  /** A line ended before it. */
  readonly lineBreakBefore: boolean;
  /** An empty line stood before it. */
  readonly emptyLineBefore: boolean;
  /** Written against the token before, without a blank. */
  readonly glued: boolean;
  /** First token of a statement or of a dictum's section. */
  readonly startsItem: boolean;
  /** Of a recipe. */
  readonly recipe: string | undefined;
}

/** Follows a parse and keeps every token and comment in order, with what the parser knows of each. */
export class TokenTrace {
  readonly tokens: TracedToken[] = [];
  readonly #text: string;
  #startsItem = false;
  #glued = false;
  #recipe: string | undefined;
  #end = 0;
  /** Comments are met while the token after them is looked for, which may happen twice. */
  #commentsUpTo = -1;

  constructor(text: string) {
    this.#text = text;
  }

  /** The token to be consumed next begins a statement or section. */
  startItem(): void {
    this.#startsItem = true;
  }

  /** The token to be consumed next belongs to the one before without a blank. */
  glue(): void {
    this.#glued = true;
  }

  /** The token to be consumed next is a recipe with this text. */
  recipe(text: string): void {
    this.#recipe = text;
  }

  token(scanner: Scanner): void {
    this.#push(scanner.kind, scanner.start, scanner.end, scanner.lineBreakBefore);
  }

  comment(at: number, end: number, lineBreakBefore: boolean): void {
    if (at <= this.#commentsUpTo) return;
    this.#commentsUpTo = at;
    const { tokens } = this;
    tokens.push({
      kind: "comment",
      text: this.#text.slice(at, end).trimEnd(),
      at,
      lineBreakBefore,
      emptyLineBefore: this.#emptyLineBefore(at),
      glued: false,
      startsItem: false,
      recipe: undefined,
    });
    this.#end = end;
  }

  #push(kind: TokenKind, at: number, end: number, lineBreakBefore: boolean): void {
    this.tokens.push({
      kind,
      text: this.#text.slice(at, end),
      at,
      lineBreakBefore,
      emptyLineBefore: this.#emptyLineBefore(at),
      glued: this.#glued,
      startsItem: this.#startsItem,
      recipe: this.#recipe,
    });
    this.#startsItem = false;
    this.#glued = false;
    this.#recipe = undefined;
    this.#end = end;
  }

  #emptyLineBefore(at: number): boolean {
    return /\n[ \t\r\f]*\n/.test(this.#text.slice(this.#end, at));
  }
}
