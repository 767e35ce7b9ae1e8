import { isAscii, isUtf8 } from "node:buffer";
import { BegatError } from "./begat-error.ts";
import { invariant } from "./invariant.ts";

/**
 * What a record may hold: a profile of RFC 8785 with its hazards taken out. Integers within 2^53-1, valid Unicode
 * strings, arrays, objects with ASCII keys `[A-Za-z0-9._-]+`. No null, no fraction. An absent member is `undefined`.
 */
export type CanonicalValue =
  | string
  | number
  | boolean
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue | undefined };

export class CanonicalJsonError extends BegatError<"CANONICAL_JSON_MALFORMED"> {}

const KEY = /^[A-Za-z0-9._-]+$/;

/**
 * The one text of `value`: members sorted, no blanks, RFC 8785 string escapes (which are those of `JSON.stringify`).
 * Keys are ASCII, so UTF-16 order and byte order agree.
 */
export function canonicalJson(value: CanonicalValue): string {
  switch (typeof value) {
    case "string":
      invariant(value.isWellFormed(), () => `string with a lone surrogate in a record: ${JSON.stringify(value)}`);
      return JSON.stringify(value);
    case "number":
      invariant(Number.isSafeInteger(value) && !Object.is(value, -0), () => `${value} is no safe integer`);
      return String(value);
    case "boolean":
      return value ? "true" : "false";
  }
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) text += (i === 0 ? "" : ",") + canonicalJson(value[i] as CanonicalValue);
    return `${text}]`;
  }
  const members = value as Members;
  const { sorted, areNames } = orderOf(Object.keys(members));
  let text = "";
  for (let i = 0; i < sorted.length; i++) {
    const key = sorted[i] as string;
    const member = members[key];
    if (member === undefined) continue;
    if (!areNames) invariant(KEY.test(key), () => `member name ${JSON.stringify(key)} is outside the record profile`);
    text += `${text === "" ? '{"' : ',"'}${key}":${canonicalJson(member)}`;
  }
  return text === "" ? "{}" : `${text}}`;
}

/** Member names as an object gave them, and in order. */
interface KeyOrder {
  readonly given: readonly string[];
  readonly sorted: readonly string[];
  /** Whether all of them may stand in a record. */
  readonly areNames: boolean;
}

/**
 * Orders seen last, in places that follow from count and first letters of the names. Records of one kind have their members
 * in one order again and again; sorting thirty names is half of what it takes to write a record.
 */
const orders = new Map<number, KeyOrder>();

function orderOf(given: readonly string[]): KeyOrder {
  const count = given.length;
  const first = count === 0 ? 0 : (given[0] as string).charCodeAt(0);
  const last = count === 0 ? 0 : (given[count - 1] as string).charCodeAt(0);
  // 64 places for each count up to 63, and the last ones for all above.
  const place = (Math.min(count, 63) << 6) | ((first ^ (last << 1)) & 63);
  const known = orders.get(place);
  if (known !== undefined && isSame(known.given, given)) return known;
  const sorted = [...given].sort();
  const order = { given, sorted, areNames: sorted.every((key) => KEY.test(key)) };
  if (count <= 64) orders.set(place, order);
  return order;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Reads a record. Its one verifying rule: writing the value again must give the same bytes.
 *
 * @param isCanonical Whether the bytes are known to be the value's canonical form. Where it says no, they are compared.
 * @throws {CanonicalJsonError} for anything else, whatever a peer sends.
 */
export function parseCanonicalJson(
  bytes: Uint8Array | string,
  isCanonical?: (value: CanonicalValue) => boolean,
): CanonicalValue {
  const text = typeof bytes === "string" ? bytes : textOf(bytes);
  let value: CanonicalValue;
  try {
    value = JSON.parse(text) as CanonicalValue;
  } catch (cause) {
    throw new CanonicalJsonError("CANONICAL_JSON_MALFORMED", "record is not JSON", { cause });
  }
  if (isCanonical?.(value) !== true && matchedEnd(value, text, 0) !== text.length) {
    throw new CanonicalJsonError("CANONICAL_JSON_MALFORMED", "record is JSON but not in its canonical form");
  }
  return value;
}

/** Bytes that are no UTF-8 become other text than they are, so that is an end of them. */
function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isAscii(buffer)) return buffer.toString("latin1");
  if (isUtf8(buffer)) return buffer.toString();
  throw new CanonicalJsonError("CANONICAL_JSON_MALFORMED", "record is in no canonical form: it is not UTF-8");
}

/** No place in a text: what stands there is not the canonical form of the value. */
const ELSEWHERE = -1;

/**
 * Where the canonical form of `value` ends, if it begins at `at`; else `ELSEWHERE`. As if it were written with
 * `canonicalJson` and compared, and a third of the work.
 */
function matchedEnd(value: CanonicalValue | null, text: string, at: number): number {
  switch (typeof value) {
    case "string":
      return stringEnd(value, text, at);
    case "number":
      return Number.isSafeInteger(value) ? endOf(String(value), text, at) : ELSEWHERE;
    case "boolean":
      return endOf(value ? "true" : "false", text, at);
  }
  if (value === null) return ELSEWHERE;
  return Array.isArray(value) ? listEnd(value, text, at) : membersEnd(value as Members, text, at);
}

const endOf = (expected: string, text: string, at: number): number =>
  text.startsWith(expected, at) ? at + expected.length : ELSEWHERE;

const [QUOTE, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x22, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d];

function stringEnd(value: string, text: string, at: number): number {
  const end = at + value.length + 1;
  // What was read as it stands needed no escape.
  const isPlain = text.charCodeAt(at) === QUOTE && text.startsWith(value, at + 1) && text.charCodeAt(end) === QUOTE;
  if (!value.isWellFormed()) return ELSEWHERE;
  return isPlain ? end + 1 : endOf(JSON.stringify(value), text, at);
}

function listEnd(list: readonly CanonicalValue[], text: string, from: number): number {
  if (list.length === 0) return endOf("[]", text, from);
  let at = from;
  for (let i = 0; i < list.length; i++) {
    if (text.charCodeAt(at) !== (i === 0 ? OPEN_LIST : COMMA)) return ELSEWHERE;
    at = matchedEnd(list[i] as CanonicalValue, text, at + 1);
    if (at < 0) return ELSEWHERE;
  }
  return text.charCodeAt(at) === CLOSE_LIST ? at + 1 : ELSEWHERE;
}

type Members = { readonly [key: string]: CanonicalValue | undefined };

function membersEnd(members: Members, text: string, from: number): number {
  const { sorted, areNames } = orderOf(Object.keys(members));
  if (!areNames) return ELSEWHERE;
  if (sorted.length === 0) return endOf("{}", text, from);
  let at = from;
  for (let i = 0; i < sorted.length; i++) {
    const key = sorted[i] as string;
    const quote = at + key.length + 2;
    const isThere =
      text.charCodeAt(at) === (i === 0 ? OPEN : COMMA) &&
      text.charCodeAt(at + 1) === QUOTE &&
      text.startsWith(key, at + 2) &&
      text.charCodeAt(quote) === QUOTE &&
      text.charCodeAt(quote + 1) === COLON;
    if (!isThere) return ELSEWHERE;
    at = matchedEnd(members[key] as CanonicalValue, text, quote + 2);
    if (at < 0) return ELSEWHERE;
  }
  return text.charCodeAt(at) === CLOSE ? at + 1 : ELSEWHERE;
}
