import { SourceError } from "./source.ts";

/** A JSON value and the line it begins on, so that a mistake in a lock can be shown where it is. */
export type LockNode = { readonly line: number } & (
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, LockNode> }
  | { readonly kind: "array"; readonly items: readonly LockNode[] }
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "other"; readonly text: "true" | "false" | "null" }
);

const DEPTH_LIMIT = 16;

/** @throws {SourceError} `LOCK_MALFORMED` with the line. */
export function parseLockText(text: string): LockNode {
  const reader = new LockReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

export function lockMalformed(line: number, problem: string, hint?: string): SourceError {
  return new SourceError("LOCK_MALFORMED", `begat.lock:${line}: ${problem}`, { hint });
}

class LockReader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#blanks();
    if (this.#at < this.#text.length) this.#expected("the end of the file");
  }

  value(depth: number): LockNode {
    this.#blanks();
    if (depth > DEPTH_LIMIT) throw lockMalformed(this.#line, `values are nested more than ${DEPTH_LIMIT} deep`);
    const line = this.#line;
    const next = this.#text[this.#at];
    if (next === "{") return { kind: "object", line, members: this.#members(depth) };
    if (next === "[") return { kind: "array", line, items: this.#items(depth) };
    if (next === '"') return { kind: "string", line, text: this.#string() };
    const word = /[a-z0-9.+-]*/iy;
    word.lastIndex = this.#at;
    const text = word.exec(this.#text)?.[0] ?? "";
    if (text === "true" || text === "false" || text === "null") {
      this.#at += text.length;
      return { kind: "other", line, text };
    }
    if (!/^-?(0|[1-9]\d*)$/.test(text)) this.#expected("a value");
    this.#at += text.length;
    return { kind: "number", line, value: Number(text) };
  }

  #members(depth: number): Map<string, LockNode> {
    const members = new Map<string, LockNode>();
    this.#list("}", () => {
      const line = this.#line;
      if (this.#text[this.#at] !== '"') this.#expected("a name in quotes");
      const name = this.#string();
      if (members.has(name)) throw lockMalformed(line, `${JSON.stringify(name)} stands twice`);
      this.#take(":");
      members.set(name, this.value(depth + 1));
    });
    return members;
  }

  #items(depth: number): LockNode[] {
    const items: LockNode[] = [];
    this.#list("]", () => items.push(this.value(depth + 1)));
    return items;
  }

  #list(close: string, item: () => void): void {
    this.#at++;
    this.#blanks();
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#blanks();
      item();
      this.#blanks();
      const next = this.#text[this.#at];
      if (next !== "," && next !== close) this.#expected(`"," or "${close}"`);
      this.#at++;
      if (next === close) return;
    }
  }

  #string(): string {
    const token = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
    token.lastIndex = this.#at;
    const quoted = token.exec(this.#text)?.[0];
    if (quoted === undefined) throw lockMalformed(this.#line, "a string is not closed on its line");
    this.#at += quoted.length;
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw lockMalformed(this.#line, `${quoted} has an escape that JSON does not know`);
    }
  }

  #take(character: string): void {
    this.#blanks();
    if (this.#text[this.#at] !== character) this.#expected(`"${character}"`);
    this.#at++;
  }

  #blanks(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at] as string;
      if (character === "\n") this.#line++;
      else if (!" \t\r".includes(character)) return;
    }
  }

  #expected(what: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 12).split("\n")[0] ?? "";
    const found = this.#at >= this.#text.length ? "the end of the file" : JSON.stringify(rest);
    const conflict = /^(<{7}|={7}|>{7})/.test(rest);
    const hint = conflict ? "the file holds a merge conflict; keep one side of it" : undefined;
    throw lockMalformed(this.#line, `expected ${what}, found ${found}`, hint);
  }
}
