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
  const members = value as { readonly [key: string]: CanonicalValue | undefined };
  let text = "{";
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member === undefined) continue;
    invariant(KEY.test(key), () => `member name ${JSON.stringify(key)} is outside the record profile`);
    text += `${text === "{" ? "" : ","}"${key}":${canonicalJson(member)}`;
  }
  return `${text}}`;
}

/**
 * Reads a record. Its one verifying rule: writing the value again must give the same bytes.
 *
 * @throws {CanonicalJsonError} for anything else, whatever a peer sends.
 */
export function parseCanonicalJson(bytes: Uint8Array | string): CanonicalValue {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  let again: string;
  let value: CanonicalValue;
  try {
    value = JSON.parse(text) as CanonicalValue;
    again = value === null ? "" : canonicalJson(value);
  } catch (cause) {
    throw new CanonicalJsonError("CANONICAL_JSON_MALFORMED", "record is not canonical JSON", { cause });
  }
  const same = typeof bytes === "string" ? again === bytes : Buffer.from(again).equals(bytes);
  if (!same) throw new CanonicalJsonError("CANONICAL_JSON_MALFORMED", "record is JSON but not in its canonical form");
  return value;
}
