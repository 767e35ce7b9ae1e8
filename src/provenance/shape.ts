import type { CanonicalValue } from "../base/index.ts";

/** Where bytes are not, or not certainly, the canonical form of what was asked for. */
export const ELSEWHERE = -1;

/** What one member of a record may be, told in two ways that agree: of a parsed value, and of its canonical bytes. */
export interface Shape {
  /** What is wrong with a value, from the member's name on: `is missing`, `is not a SHA-256`; `undefined` if nothing. */
  problem(value: unknown): string | undefined;
  /**
   * Where the canonical JSON of a value without a problem ends, if that is what stands at `at`. `ELSEWHERE` is no verdict:
   * escapes, long numbers and members not known here are left to whoever parses. The bytes must be UTF-8.
   */
  end(bytes: Uint8Array, at: number): number;
}

/** A member of an object, found by the bytes that begin it. */
interface Member {
  readonly name: string;
  readonly shape: Shape;
  readonly isOptional: boolean;
  /** `"name":` */
  readonly label: Uint8Array;
}

const [QUOTE, COMMA, MINUS, ZERO, NINE] = [0x22, 0x2c, 0x2d, 0x30, 0x39];
const [OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE] = [0x5b, 0x5c, 0x5d, 0x7b, 0x7d];

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The end of `expected`, if it stands there. */
function endOf(expected: Uint8Array, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return ELSEWHERE;
  return at + expected.length;
}

/** A string without escapes. */
function textEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return ELSEWHERE;
  for (let i = at + 1; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) return i + 1;
    if (byte < 0x20 || byte === BACKSLASH) return ELSEWHERE;
  }
  return ELSEWHERE;
}

export const text: Shape = {
  problem: (value) => (typeof value === "string" ? undefined : "is not a string"),
  end: textEnd,
};

/** So many digits are a safe integer whatever they are. */
const SAFE_DIGITS = 15;

function countEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] === ZERO) return at + 1;
  let end = at;
  while ((bytes[end] as number) >= ZERO && (bytes[end] as number) <= NINE) end++;
  return end > at && end <= at + SAFE_DIGITS ? end : ELSEWHERE;
}

export const count: Shape = {
  problem: (value) => (Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : "is not a count"),
  end: countEnd,
};

export const integer: Shape = {
  problem: (value) => (Number.isSafeInteger(value) ? undefined : "is not an integer"),
  end: (bytes, at) => {
    if (bytes[at] !== MINUS) return countEnd(bytes, at);
    // There is no minus nothing.
    return bytes[at + 1] === ZERO ? ELSEWHERE : countEnd(bytes, at + 1);
  },
};

/** Exactly this value. */
export const only = (value: CanonicalValue & (string | number)): Shape => {
  const expected = bytesOf(JSON.stringify(value));
  return {
    problem: (found) => (found === value ? undefined : `is not ${value}`),
    end: (bytes, at) => endOf(expected, bytes, at),
  };
};

const [TRUE, FALSE] = [bytesOf("true"), bytesOf("false")];

export const truth: Shape = {
  problem: (value) => (typeof value === "boolean" ? undefined : "is not true or false"),
  end: (bytes, at) => {
    const end = endOf(TRUE, bytes, at);
    return end < 0 ? endOf(FALSE, bytes, at) : end;
  },
};

/** Characters that may stand in a text of one alphabet, by their code. */
const alphabet = (characters: string): Uint8Array => {
  const table = new Uint8Array(256);
  for (const byte of bytesOf(characters)) table[byte] = 1;
  return table;
};

/** A string of exactly `length` characters of an alphabet; answers where its closing quote is. */
function quotedEnd(bytes: Uint8Array, at: number, length: number, allowed: Uint8Array): number {
  if (bytes[at] !== QUOTE) return ELSEWHERE;
  const end = at + 1 + length;
  for (let i = at + 1; i < end; i++) if (allowed[bytes[i] as number] !== 1) return ELSEWHERE;
  return end;
}

const closed = (bytes: Uint8Array, at: number): number => (at >= 0 && bytes[at] === QUOTE ? at + 1 : ELSEWHERE);

const HEXADECIMAL = alphabet("0123456789abcdef");

/** Lower case, of exactly so many digits. */
const digits = (length: number, problem: string): Shape => {
  const pattern = new RegExp(`^[0-9a-f]{${length}}$`);
  return {
    problem: (value) => (typeof value === "string" && pattern.test(value) ? undefined : problem),
    end: (bytes, at) => closed(bytes, quotedEnd(bytes, at, length, HEXADECIMAL)),
  };
};

export const digest: Shape = digits(64, "is not a SHA-256");
export const nonce: Shape = digits(32, "is not 16 bytes in hexadecimal");

const SEXTETS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64 = alphabet(SEXTETS);

/** Standard padded base64, and only its one spelling: two texts for one signature would be two records for one fact. */
export const base64 = (lengthBytes: number): Shape => {
  const spare = (3 - (lengthBytes % 3)) % 3;
  const full = Math.ceil((lengthBytes * 4) / 3) - (spare === 0 ? 0 : 1);
  // The last character before the padding has 2 or 4 bits that stand for nothing.
  const last = alphabet([...SEXTETS].filter((_, i) => i % 4 ** spare === 0).join(""));
  const padding = bytesOf(`${"=".repeat(spare)}"`);
  return {
    problem: (value) => {
      if (typeof value !== "string") return "is not base64";
      const bytes = Buffer.from(value, "base64");
      return bytes.length === lengthBytes && bytes.toString("base64") === value
        ? undefined
        : `is not ${lengthBytes} bytes in base64`;
    },
    end: (bytes, at) => {
      const end = quotedEnd(bytes, at, full, BASE64);
      if (end < 0 || spare === 0) return closed(bytes, end);
      return last[bytes[end] as number] === 1 ? endOf(padding, bytes, end + 1) : ELSEWHERE;
    },
  };
};

export const oneOf = (...words: readonly string[]): Shape => {
  const quoted = words.map((word) => bytesOf(JSON.stringify(word)));
  return {
    problem: (value) => (words.includes(value as string) ? undefined : `is none of ${words.join(", ")}`),
    end: (bytes, at) => {
      for (let i = 0; i < quoted.length; i++) {
        const end = endOf(quoted[i] as Uint8Array, bytes, at);
        if (end >= 0) return end;
      }
      return ELSEWHERE;
    },
  };
};

export const listOf = (element: Shape): Shape => ({
  problem: (value) => {
    if (!Array.isArray(value)) return "is not a list";
    for (let i = 0; i < value.length; i++) {
      const problem = element.problem(value[i]);
      if (problem !== undefined) return `[${i}] ${problem}`;
    }
    return undefined;
  },
  end: (bytes, from) => {
    if (bytes[from] !== OPEN_LIST) return ELSEWHERE;
    if (bytes[from + 1] === CLOSE_LIST) return from + 2;
    for (let at = from + 1; ; at++) {
      at = element.end(bytes, at);
      if (at < 0) return ELSEWHERE;
      if (bytes[at] === CLOSE_LIST) return at + 1;
      if (bytes[at] !== COMMA) return ELSEWHERE;
    }
  },
});

export type Members = { readonly [name: string]: Shape };

/** An object, its members in the order of canonical JSON. */
export class ObjectShape implements Shape {
  readonly #must: readonly (readonly [string, Shape])[];
  readonly #may: readonly (readonly [string, Shape])[];
  readonly #sorted: readonly Member[];

  constructor(required: Members, optional: Members) {
    this.#must = Object.entries(required);
    this.#may = Object.entries(optional);
    const members = [...this.#must, ...this.#may].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#sorted = members.map(([name, shape]) => {
      return { name, shape, isOptional: !Object.hasOwn(required, name), label: bytesOf(`${JSON.stringify(name)}:`) };
    });
  }

  /** Members that are not named here are let pass: a later begat may say more, and ignoring it proves nothing less. */
  problem(value: unknown): string | undefined {
    if (!isObject(value)) return "is not an object";
    for (const [name, shape] of this.#must) {
      const member = value[name];
      const problem = member === undefined ? "is missing" : shape.problem(member);
      if (problem !== undefined) return `.${name} ${problem}`;
    }
    for (const [name, shape] of this.#may) {
      const member = value[name];
      const problem = member === undefined ? undefined : shape.problem(member);
      if (problem !== undefined) return `.${name} ${problem}`;
    }
    return undefined;
  }

  end(bytes: Uint8Array, at: number): number {
    return this.endMarking(bytes, at, undefined);
  }

  get memberCount(): number {
    return this.#sorted.length;
  }

  /** Which of the `marks` below tells of a member; -1 of one that it never has. */
  indexOf(name: string): number {
    return this.#sorted.findIndex((member) => member.name === name);
  }

  /** As `end`; where each member's value begins goes into `marks`, 0 for one that is not there. */
  endMarking(bytes: Uint8Array, from: number, marks: Int32Array | undefined): number {
    if (bytes[from] !== OPEN) return ELSEWHERE;
    let at = from + 1;
    for (let i = 0; i < this.#sorted.length; i++) {
      const { label, shape, isOptional } = this.#sorted[i] as Member;
      const isFirst = at === from + 1;
      let value = isFirst || bytes[at] === COMMA ? endOf(label, bytes, isFirst ? at : at + 1) : ELSEWHERE;
      if (marks !== undefined) marks[i] = Math.max(0, value);
      if (value < 0) {
        if (isOptional) continue;
        return ELSEWHERE;
      }
      value = shape.end(bytes, value);
      if (value < 0) return ELSEWHERE;
      at = value;
    }
    return bytes[at] === CLOSE ? at + 1 : ELSEWHERE;
  }
}

export const object = (required: Members, optional: Members = {}): ObjectShape => new ObjectShape(required, optional);

/** Names and values as pairs, sorted, since a variable may have any name and a member of a record may not. */
export const pairs: Shape = {
  problem: (value) => {
    if (!Array.isArray(value)) return "is not a list";
    for (const pair of value) {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string" || typeof pair[1] !== "string") {
        return "is not a list of names and values";
      }
    }
    return undefined;
  },
  end: listOf({
    problem: () => undefined,
    end: (bytes, at) => {
      const name = bytes[at] === OPEN_LIST ? textEnd(bytes, at + 1) : ELSEWHERE;
      const value = name >= 0 && bytes[name] === COMMA ? textEnd(bytes, name + 1) : ELSEWHERE;
      return value >= 0 && bytes[value] === CLOSE_LIST ? value + 1 : ELSEWHERE;
    },
  }).end,
};

export const texts = listOf(text);

const NAME = alphabet(`${SEXTETS.slice(0, 62)}._-`);

/** Whether the name that ends at `end` is above the one that ends at `beforeEnd`, each within its quotes. */
function isAbove(bytes: Uint8Array, at: number, end: number, before: number, beforeEnd: number): boolean {
  for (let i = 0; ; i++) {
    if (at + i === end) return false;
    if (before + i === beforeEnd) return true;
    const [mine, other] = [bytes[at + i] as number, bytes[before + i] as number];
    if (mine !== other) return mine > other;
  }
}

/** Members of any name, each of one shape. */
export const mapOf = (shapes: readonly Shape[], problem: string): Shape => ({
  problem: (value) => {
    if (!isObject(value)) return "is not an object";
    for (const name of Object.keys(value)) {
      const fits = shapes.some((shape) => shape.problem(value[name]) === undefined);
      if (!fits) return `.${name} ${problem}`;
    }
    return undefined;
  },
  end: (bytes, from) => {
    if (bytes[from] !== OPEN) return ELSEWHERE;
    if (bytes[from + 1] === CLOSE) return from + 2;
    let [before, beforeEnd] = [0, 0];
    for (let at = from + 1; ; at++) {
      const nameEnd = textEnd(bytes, at) - 1;
      if (nameEnd < 0 || bytes[nameEnd + 1] !== 0x3a || nameEnd === at + 1) return ELSEWHERE;
      for (let i = at + 1; i < nameEnd; i++) if (NAME[bytes[i] as number] !== 1) return ELSEWHERE;
      if (before > 0 && !isAbove(bytes, at + 1, nameEnd, before, beforeEnd)) return ELSEWHERE;
      [before, beforeEnd] = [at + 1, nameEnd];
      let value = ELSEWHERE;
      for (let i = 0; i < shapes.length && value < 0; i++) value = (shapes[i] as Shape).end(bytes, nameEnd + 2);
      if (value < 0) return ELSEWHERE;
      if (bytes[value] === CLOSE) return value + 1;
      if (bytes[value] !== COMMA) return ELSEWHERE;
      at = value;
    }
  },
});
