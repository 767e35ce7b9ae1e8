import type { IsolationLevel } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";

/** docs/formats.md, "Glance". `inode`: nothing else of it counts. */
export const GLANCE_KIND = { file: "0", link: "1", absent: "2", inode: "3" } as const;
export type GlanceKind = keyof typeof GLANCE_KIND;

const MAGIC = "BGG2";
const HEAD_BYTES = 40;
const LEVELS: readonly IsolationLevel[] = ["none", "contained", "hermetic"];

/** What is printed, and to which question. */
export interface GlanceText {
  readonly question: string;
  /** What stands before the time that the answer took. */
  readonly before: string;
  readonly after: string;
  /** `milliseconds`: a number of JSON; else as people read it. */
  readonly time: "people" | "milliseconds";
}

type Variable = readonly [name: string, value: string | undefined];

export interface GlanceContents {
  /** A character and a path each, ended by NUL. */
  readonly names: readonly string[];
  readonly numbers: ArrayLike<number>;
  /** Those that begatfiles asked for. */
  readonly asked: readonly Variable[];
  readonly env: readonly Variable[];
  readonly text: GlanceText;
  readonly chores: number;
  readonly level: IsolationLevel;
}

/** Names a question: where in the workspace, whether to a terminal, and the words of the command line. */
export const glanceQuestion = (isTerminal: boolean, directory: string, words: readonly string[]): string =>
  [`${isTerminal ? 1 : 0}${directory}`, ...words].map((word) => `${word}\0`).join("");

/** The file, from the workspace root, in which the answer to a question is left. */
export function glancePath(question: string): string {
  const bytes = Buffer.from(question);
  let sum = FIRST_SUM;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, SUM_FACTOR);
  return `.begat/glance-${(sum >>> 0).toString(16).padStart(8, "0")}.bin`;
}

export function layOutGlance(contents: GlanceContents): Buffer {
  const { text, names, numbers } = contents;
  const variables = [...contents.asked, ...contents.env].map(([name, value]) =>
    value === undefined ? `${name}\0` : `${name}=${value}\0`,
  );
  const parts = [text.question, `${text.before}\0`, `${text.after}\0`, variables.join(""), names.join("")].map((part) =>
    Buffer.from(part),
  );
  const texts = Buffer.concat(parts);
  const start = aligned(HEAD_BYTES + texts.length);
  const bytes = Buffer.alloc(start + numbers.length * 8 + 8);
  bytes.write(MAGIC, 0, "latin1");
  for (const [i, part] of parts.entries()) bytes.writeUInt32LE(part.length, 4 + 4 * i);
  bytes.writeUInt32LE(names.length, 24);
  bytes.writeUInt32LE(contents.asked.length, 28);
  bytes.writeUInt32LE(contents.chores, 32);
  bytes[36] = text.time === "milliseconds" ? 1 : 0;
  bytes[37] = LEVELS.indexOf(contents.level);
  texts.copy(bytes, HEAD_BYTES);
  new Float64Array(bytes.buffer, bytes.byteOffset + start, numbers.length).set(numbers);
  bytes.writeUInt32LE(checkSum(bytes, bytes.length - 8), bytes.length - 8);
  return bytes;
}

/** What stands in a glance; names and numbers are made when they are asked for. */
export class GlanceFile {
  readonly question: string;
  readonly chores: number;
  readonly level: IsolationLevel;
  /** Those that begatfiles asked for. */
  readonly asked: readonly Variable[];
  readonly #variables: readonly Variable[];
  readonly count: number;
  readonly #names: Buffer;
  readonly #numbers: Float64Array;

  private constructor(bytes: Buffer) {
    const [questionEnd = 0, , textEnd, variablesEnd, namesEnd = 0] = endsOf(bytes);
    this.question = bytes.toString("utf8", HEAD_BYTES, questionEnd);
    this.count = bytes.readUInt32LE(24);
    this.chores = bytes.readUInt32LE(32);
    this.level = LEVELS[bytes[37] as number] ?? "none";
    const variables = bytes.toString("utf8", textEnd, variablesEnd).split("\0").slice(0, -1);
    this.#variables = variables.map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
    });
    this.asked = this.#variables.slice(0, bytes.readUInt32LE(28));
    this.#names = bytes.subarray(variablesEnd, namesEnd);
    const start = aligned(namesEnd);
    this.#numbers = new Float64Array(bytes.buffer, bytes.byteOffset + start, this.count * STAT_NUMBERS);
  }

  /** `undefined` for what is no whole glance. */
  static decode(bytes: Buffer): GlanceFile | undefined {
    if (bytes.length < HEAD_BYTES + 8 || bytes.length % 8 !== 0 || bytes.byteOffset % 8 !== 0) return undefined;
    if (bytes.toString("latin1", 0, 4) !== MAGIC) return undefined;
    if (checkSum(bytes, bytes.length - 8) !== bytes.readUInt32LE(bytes.length - 8)) return undefined;
    const start = aligned(endsOf(bytes)[4] as number);
    if (start + bytes.readUInt32LE(24) * STAT_NUMBERS * 8 + 8 !== bytes.length) return undefined;
    return new GlanceFile(bytes);
  }

  /** Whether it answers this question where `env` are the variables that matter, as far as these decide. */
  answers(question: string, env: readonly Variable[], variable: (name: string) => string | undefined): boolean {
    const listed = new Set(this.#variables.map(([name]) => name));
    return (
      this.question === question &&
      this.#variables.every(([name, value]) => variable(name) === value) &&
      env.every(([name]) => listed.has(name))
    );
  }

  *entries(): Generator<{ readonly kind: GlanceKind; readonly path: string; readonly numbers: Float64Array }> {
    let from = 0;
    for (let i = 0; i < this.count; i++) {
      const end = this.#names.indexOf(0, from);
      const kind = KINDS.get(this.#names.toString("latin1", from, from + 1));
      if (kind === undefined) return;
      const numbers = this.#numbers.subarray(i * STAT_NUMBERS, (i + 1) * STAT_NUMBERS);
      yield { kind, path: this.#names.toString("utf8", from + 1, end), numbers };
      from = end + 1;
    }
  }
}

/** Where question, before, after, variables and names end. */
function endsOf(bytes: Buffer): readonly number[] {
  let end = HEAD_BYTES;
  return [4, 8, 12, 16, 20].map((at) => {
    end += bytes.readUInt32LE(at);
    return end;
  });
}

const aligned = (end: number): number => Math.ceil(end / 8) * 8;

const KINDS = new Map(Object.entries(GLANCE_KIND).map(([kind, letter]) => [letter as string, kind as GlanceKind]));

const FIRST_SUM = 0x811c9dc5;
const SUM_FACTOR = 0x01000193;

/** FNV-1a over 32-bit words: against a file that a power failure cut or emptied, not against anybody. */
function checkSum(bytes: Buffer, end: number): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, end / 4);
  let sum = FIRST_SUM;
  for (const word of words) sum = Math.imul(sum ^ word, SUM_FACTOR);
  return sum >>> 0;
}
