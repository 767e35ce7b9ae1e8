import { invariant } from "./invariant.ts";
import { grown } from "./number-row.ts";

const FIRST_BYTES = 64 * 1024;
const FIRST_SLOTS = 1024;
/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5;
const HASH_FACTOR = 0x01000193;

/**
 * Strings by number, each kept once, as one run of UTF-8 and three rows of numbers. A million of them take what their
 * bytes take and 20 bytes each, where a Map of strings takes some 150, and no work of the garbage collector.
 */
export class TextPool {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #offsets = new Uint32Array(FIRST_SLOTS);
  #hashes = new Uint32Array(FIRST_SLOTS);
  /** Number + 1 of the string in each place, by open addressing; 0 is free. */
  #table = new Uint32Array(2 * FIRST_SLOTS);
  #count = 0;
  #isAscii = true;

  get count(): number {
    return this.#count;
  }

  /** Whether every string is ASCII. */
  get ascii(): boolean {
    return this.#isAscii;
  }

  /** The number of `text`, which it gets when it is new. */
  id(text: string): number {
    const place = this.#find(text);
    const known = this.#table[place] as number;
    if (known !== 0) return known - 1;
    const id = this.#count;
    this.#table[place] = id + 1;
    this.#keep();
    return id;
  }

  /** The number of `text`; `undefined` where it was never given. */
  find(text: string): number | undefined {
    const known = this.#table[this.#find(text)] as number;
    return known === 0 ? undefined : known - 1;
  }

  at(id: number): string {
    invariant(id >= 0 && id < this.#count, () => `string ${id} of ${this.#count}`);
    const [from, to] = [this.#offsets[id] as number, this.#offsets[id + 1] as number];
    return this.#bytes.toString(this.#isAscii ? "latin1" : "utf8", from, to);
  }

  /** All of it, as views that hold until the next string comes. `offsets` has one more entry than there are strings. */
  contents(): { readonly bytes: Buffer; readonly offsets: Uint32Array } {
    const end = this.#offsets[this.#count] as number;
    return { bytes: this.#bytes.subarray(0, end), offsets: this.#offsets.subarray(0, this.#count + 1) };
  }

  #length = 0;
  #hash = 0;

  /** Writes `text` behind the last string and answers its place in the table, where it or nothing is. */
  #find(text: string): number {
    const start = this.#offsets[this.#count] as number;
    this.#makeRoom(start + text.length * 3);
    const bytes = this.#bytes;
    let hash = HASH_START;
    let length = text.length;
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i);
      if (c > 0x7f) {
        length = -1;
        break;
      }
      bytes[start + i] = c;
      hash = Math.imul(hash ^ c, HASH_FACTOR);
    }
    if (length < 0) {
      length = bytes.write(text, start, "utf8");
      hash = HASH_START;
      for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), HASH_FACTOR);
    }
    this.#length = length;
    this.#hash = hash >>> 0;
    const mask = this.#table.length - 1;
    for (let place = this.#hash & mask; ; place = (place + 1) & mask) {
      const known = this.#table[place] as number;
      if (known === 0 || this.#isSame(known - 1, start)) return place;
    }
  }

  #isSame(id: number, start: number): boolean {
    if (this.#hashes[id] !== this.#hash) return false;
    const from = this.#offsets[id] as number;
    if ((this.#offsets[id + 1] as number) - from !== this.#length) return false;
    for (let i = 0; i < this.#length; i++) if (this.#bytes[from + i] !== this.#bytes[start + i]) return false;
    return true;
  }

  /** What `#find` has written stays, as the next string. */
  #keep(): void {
    const start = this.#offsets[this.#count] as number;
    if (this.#length > 0 && this.#isAscii) this.#isAscii = isAscii(this.#bytes, start, start + this.#length);
    this.#hashes[this.#count] = this.#hash;
    this.#count++;
    if (this.#count + 1 >= this.#offsets.length) {
      this.#offsets = larger(this.#offsets);
      this.#hashes = larger(this.#hashes);
    }
    invariant(start + this.#length < 2 ** 32, "strings of more than 4 GiB");
    this.#offsets[this.#count] = start + this.#length;
    if (this.#count * 2 > this.#table.length) this.#spread();
  }

  #makeRoom(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const more = Buffer.allocUnsafeSlow(Math.max(needed, grown(this.#bytes.length)));
    this.#bytes.copy(more, 0, 0, this.#offsets[this.#count]);
    this.#bytes = more;
  }

  #spread(): void {
    const table = new Uint32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let id = 0; id < this.#count; id++) {
      let place = (this.#hashes[id] as number) & mask;
      while (table[place] !== 0) place = (place + 1) & mask;
      table[place] = id + 1;
    }
    this.#table = table;
  }
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((bytes[i] as number) > 0x7f) return false;
  return true;
}

function larger(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(grown(numbers.length));
  more.set(numbers);
  return more;
}
