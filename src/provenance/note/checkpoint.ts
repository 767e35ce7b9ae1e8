import { base64Of, bytesOfBase64 } from "../tree/byte-text.ts";
import { isNoteName, NoteError } from "./note.ts";

/** Checkpoints of C2SP tlog-checkpoint: the text by which a log says how long it is and what its root is. */

export interface Checkpoint {
  /** Name of the log. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Lines after the third; begat writes none. */
  readonly extensions: readonly string[];
}

export function checkpointText(origin: string, size: number, root: Uint8Array): string {
  if (!isNoteName(origin)) throw new NoteError("NOTE_MALFORMED", `${JSON.stringify(origin)} cannot be a log's name`);
  return `${origin}\n${size}\n${base64Of(root)}\n`;
}

/** A decimal without leading zeros, as sizes and indices are written; `undefined` past 2^53 - 1 too. */
export function parseDecimal(text: string): number | undefined {
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The text of a note, not the note. @throws {NoteError} `NOTE_MALFORMED`. */
export function parseCheckpoint(text: string): Checkpoint {
  const malformed = (what: string) => new NoteError("NOTE_MALFORMED", `not a checkpoint: ${what}`);
  const lines = text.split("\n");
  if (lines.pop() !== "") throw malformed("its last line is not ended");
  const [origin = "", sizeText = "", rootText = "", ...extensions] = lines;
  if (lines.length < 3) throw malformed("it has fewer than three lines");
  if (origin === "") throw malformed("it has no origin");
  const size = parseDecimal(sizeText);
  if (size === undefined) throw malformed(`${JSON.stringify(sizeText.slice(0, 30))} is not a size`);
  const root = bytesOfBase64(rootText);
  if (root?.length !== 32) throw malformed("its third line is not a root hash");
  if (extensions.includes("")) throw malformed("it has an empty line");
  return { origin, size, root, extensions };
}
