/**
 * One output stream of a launcher: passes on what a recipe prints, keeps the beginning and the end of it, and
 * recognises the launcher's end mark, which is not part of the output.
 */
export class OutputCapture {
  readonly #keepBytes: number;
  readonly #onBytes: ((bytes: Uint8Array) => void) | undefined;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #held: Buffer | undefined;
  #total = 0;
  readonly #prefix: Buffer;
  readonly #markBytes: number;

  /**
   * @param markPrefix What an end mark begins with; its first byte is 1.
   * @param markBytes Length of the whole end mark, which ends in a line feed.
   */
  constructor(
    markPrefix: Buffer,
    markBytes: number,
    keepBytes: number,
    onBytes: ((bytes: Uint8Array) => void) | undefined,
  ) {
    this.#prefix = markPrefix;
    this.#markBytes = markBytes;
    this.#keepBytes = keepBytes;
    this.#onBytes = onBytes;
  }

  /** For a stream whose end is told otherwise. */
  static unmarked(keepBytes: number, onBytes: ((bytes: Uint8Array) => void) | undefined): OutputCapture {
    return new OutputCapture(Buffer.alloc(0), 0, keepBytes, onBytes);
  }

  /** Takes what was read; answers the end mark's text after its prefix once that has come. */
  feed(chunk: Buffer): string | undefined {
    if (this.#markBytes === 0) {
      this.#keep(chunk);
      return undefined;
    }
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    const at = bytes.length - this.#markBytes;
    if (at >= 0 && bytes[at] === 1 && bytes.subarray(at, at + this.#prefix.length).equals(this.#prefix)) {
      this.#keep(bytes.subarray(0, at));
      return bytes.subarray(at + this.#prefix.length, -1).toString("latin1");
    }
    // A mark may have come in part: what could be its beginning waits for the rest.
    const possible = bytes.indexOf(1, Math.max(0, at + 1));
    if (possible < 0) {
      this.#keep(bytes);
    } else {
      this.#keep(bytes.subarray(0, possible));
      this.#held = Buffer.from(bytes.subarray(possible));
    }
    return undefined;
  }

  /** The launcher is dead: what was held back was no mark. */
  end(): void {
    if (this.#held !== undefined) this.#keep(this.#held);
    this.#held = undefined;
  }

  get totalBytes(): number {
    return this.#total;
  }

  /** What was kept, with a line in between that says how much was left out. */
  text(): Buffer {
    const left = this.#total - this.#headBytes - this.#tailBytes;
    const middle = left > 0 ? [Buffer.from(`\n[${left} bytes left out]\n`)] : [];
    return Buffer.concat([...this.#head, ...middle, ...this.#tail]);
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#total += bytes.length;
    this.#onBytes?.(bytes);
    const room = this.#keepBytes - this.#headBytes;
    if (room > 0) {
      const first = bytes.subarray(0, room);
      this.#head.push(first);
      this.#headBytes += first.length;
      if (first.length === bytes.length) return;
      bytes = bytes.subarray(first.length);
    }
    if (bytes.length > this.#keepBytes) bytes = bytes.subarray(-this.#keepBytes);
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    while (this.#tailBytes > this.#keepBytes) {
      const oldest = this.#tail[0] as Buffer;
      const excess = this.#tailBytes - this.#keepBytes;
      if (oldest.length <= excess) {
        this.#tail.shift();
        this.#tailBytes -= oldest.length;
      } else {
        this.#tail[0] = oldest.subarray(excess);
        this.#tailBytes -= excess;
      }
    }
  }
}
