import { textOf } from "./verify-bytes.ts";

/** JSON as proofs hold it: whole numbers, no null. Unlike in a record of the ledger, members may have any name. */
export type Json = string | number | boolean | readonly Json[] | JsonObject;
export type JsonObject = { readonly [member: string]: Json };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Values within values, at most: far above what begat writes, far below what overflows a stack. */
const DEPTH_LIMIT = 64;

class Unwritable extends Error {}

function write(value: unknown, depth: number): string {
  if (depth > DEPTH_LIMIT) throw new Unwritable(`deeper than ${DEPTH_LIMIT} values`);
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new Unwritable("a lone surrogate");
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    case "number":
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new Unwritable(`the number ${value}`);
      return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((element) => write(element, depth + 1)).join(",")}]`;
  if (!isObject(value)) throw new Unwritable(String(value));
  const members = Object.keys(value)
    .sort()
    .map((name) => `${write(name, depth)}:${write(value[name], depth + 1)}`);
  return `{${members.join(",")}}`;
}

/** The one text of a value (RFC 8785): members sorted by UTF-16 units, no blanks. */
export const jsonText = (value: Json): string => write(value, 0);

export type JsonRead =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly reason: "no-json" | "not-canonical"; readonly because: string };

/**
 * Reads an object. Writing it again must give the same bytes: that leaves no duplicate member, no second spelling of a
 * string or number, no blank and no byte order mark by which two readers could come to differ.
 */
export function readJson(bytes: Uint8Array): JsonRead {
  const text = textOf(bytes);
  if (text === undefined) return { ok: false, reason: "no-json", because: "it is not UTF-8" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: "no-json", because: "it is not JSON" };
  }
  if (!isObject(value)) return { ok: false, reason: "no-json", because: "it is not a JSON object" };
  try {
    if (write(value, 0) === text) return { ok: true, value };
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error;
    return { ok: false, reason: "not-canonical", because: `it holds ${error.message}` };
  }
  return { ok: false, reason: "not-canonical", because: "it is JSON but not in its canonical form" };
}
