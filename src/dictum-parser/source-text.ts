import type { Place } from "./chore.ts";

/** A begatfile's text and where its lines begin. Offsets count UTF-16 units from 0. */
export class SourceText {
  /** From the workspace root, as people are shown it. */
  readonly path: string;
  /** Lines end in LF alone: a checkout that turned them into CRLF must not change what a recipe is. */
  readonly text: string;
  #lineStarts: Uint32Array | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    const bare = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    this.text = bare.includes("\r\n") ? bare.replaceAll("\r\n", "\n") : bare;
  }

  placeAt(offset: number): Place {
    const line = this.#lineIndexAt(offset);
    return { file: this.path, line: line + 1, column: offset - (this.#starts()[line] as number) + 1 };
  }

  /** The whole line that `offset` stands in, without its end. */
  lineTextAt(offset: number): string {
    const start = this.#starts()[this.#lineIndexAt(offset)] as number;
    const end = this.text.indexOf("\n", start);
    return this.text.slice(start, end < 0 ? this.text.length : end);
  }

  #lineIndexAt(offset: number): number {
    const starts = this.#starts();
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #starts(): Uint32Array {
    if (this.#lineStarts !== undefined) return this.#lineStarts;
    let count = 1;
    for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) count++;
    const starts = new Uint32Array(count);
    let line = 1;
    for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) starts[line++] = at + 1;
    this.#lineStarts = starts;
    return starts;
  }
}

export interface DecodedSource {
  readonly source: SourceText;
  /** Where the first byte that is not UTF-8 shows in `source.text`, as U+FFFD. */
  readonly badAt: number | undefined;
}

/** Reads a begatfile's bytes as UTF-8; what is not UTF-8 is shown as U+FFFD and its first place reported. */
export function decodeSource(path: string, bytes: Uint8Array): DecodedSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  const source = new SourceText(path, text);
  let byteOffset = 0;
  let counted = 0;
  for (let at = text.indexOf("\ufffd"); at >= 0; at = text.indexOf("\ufffd", at + 1)) {
    // All text before `at` decoded exactly, so its length in bytes leads to the bytes behind this character.
    byteOffset += Buffer.byteLength(text.slice(counted, at));
    counted = at;
    if (buffer[byteOffset] === 0xef && buffer[byteOffset + 1] === 0xbf && buffer[byteOffset + 2] === 0xbd) continue;
    const removed = (text.slice(0, at).match(/\r\n/g)?.length ?? 0) + (text.charCodeAt(0) === 0xfeff ? 1 : 0);
    return { source, badAt: at - removed };
  }
  return { source, badAt: undefined };
}
