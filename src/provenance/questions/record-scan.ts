import type { Sha256 } from "../../base/index.ts";

/** What the index keeps of an `exec` or `fail` record. */
export interface ScannedExecution {
  readonly failed: boolean;
  readonly action: Sha256;
  readonly root: Sha256;
  readonly chore: string;
  readonly image: string;
  readonly rnode: string;
  readonly key: Sha256;
  readonly complete: boolean;
  readonly properties: boolean;
  /** Digest and path in turns. */
  readonly outputs: readonly string[];
  /** Its outputs stand in the manifest of this hash. */
  readonly more: Sha256 | undefined;
}

/**
 * Reads an execution out of a record's canonical bytes without parsing all of them, some five times quicker; `undefined`
 * where the bytes are of another kind or not as expected, and then they must be parsed.
 *
 * Exact for canonical records: members are sorted, and a quote inside a text is escaped, so that `"name":` between a comma
 * and a value can only be a member; the names looked for are looked for in order.
 *
 * @param text The bytes as Latin-1, so that places in the text are places in the record.
 */
export function scanExecution(text: string): ScannedExecution | undefined {
  if (!text.startsWith('{"action":"')) return undefined;
  const kindAt = text.indexOf('"kind":"');
  const failed = text.startsWith("fail", kindAt + 8);
  if (kindAt < 0 || !(failed || text.startsWith("exec", kindAt + 8))) return undefined;
  const chore = textAfter(text, ',"chore":"', 75);
  const image = chore && textAfter(text, ',"image":"', chore.end);
  const rootAt = image ? text.indexOf(',"root":"', image.end) : -1;
  const keyAt = rootAt < 0 ? -1 : text.indexOf('},"key":"', rootAt);
  const level = keyAt < 0 ? undefined : textAfter(text, ',"level":"', keyAt);
  const outAt = level ? text.indexOf(',"out":[', level.end) : -1;
  if (chore === undefined || image === undefined || level === undefined || outAt < 0) return undefined;
  const outputs: string[] = [];
  const end = readOutputs(text, outAt + 8, outputs);
  if (end === undefined) return undefined;
  const rnode = textAfter(text, ',"rnode":"', end);
  if (rnode === undefined) return undefined;
  const network = text.indexOf('"network":"none"', rnode.end);
  const moreAt = text.slice(level.end, outAt).indexOf('"more":{');
  return {
    failed,
    action: text.slice(11, 75) as Sha256,
    root: text.slice(rootAt + 9, rootAt + 73) as Sha256,
    chore: chore.value,
    image: image.value,
    rnode: rnode.value,
    key: text.slice(keyAt + 9, keyAt + 73) as Sha256,
    // Between what went out and the rnode stand `prev` and `props`, the one no text that could hold the other's name.
    properties: text.slice(end, rnode.end).includes(',"props":['),
    complete: level.value === "hermetic" && network >= 0,
    outputs,
    more: moreAt < 0 ? undefined : (moreRoot(text, level.end) as Sha256 | undefined),
  };
}

function moreRoot(text: string, from: number): string | undefined {
  const at = text.indexOf('"root":"', from);
  return at < 0 ? undefined : text.slice(at + 8, at + 72);
}

/** Fills `outputs`; answers where the list ends. */
function readOutputs(text: string, from: number, outputs: string[]): number | undefined {
  let at = from;
  if (text[at] === "]") return at + 1;
  for (;;) {
    if (!text.startsWith('{"d":"', at)) return undefined;
    const path = textAfter(text, ',"p":"', at + 70);
    if (path === undefined || text[path.end] !== "}") return undefined;
    outputs.push(text.slice(at + 6, at + 70), path.value);
    at = path.end + 1;
    if (text[at] === "]") return at + 1;
    if (text[at] !== ",") return undefined;
    at++;
  }
}

/** The string that follows `before`, and the place after its closing quote. */
function textAfter(text: string, before: string, from: number): { value: string; end: number } | undefined {
  const at = text.indexOf(before, from);
  if (at < 0) return undefined;
  const start = at + before.length;
  let end = text.indexOf('"', start);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  if (end < 0) return undefined;
  const raw = text.slice(start, end);
  if (!/[\\\x80-\xff]/.test(raw)) return { value: raw, end: end + 1 };
  return { value: JSON.parse(Buffer.from(`"${raw}"`, "latin1").toString()) as string, end: end + 1 };
}

/** An odd number of backslashes stands before it. */
function isEscaped(text: string, quote: number): boolean {
  let at = quote;
  while (text[at - 1] === "\\") at--;
  return (quote - at) % 2 === 1;
}
