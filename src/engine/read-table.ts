import { STAT_NUMBERS } from "../ports/index.ts";

/** How a read is looked at again. */
export const READ = {
  /** By the file's own numbers, not by those of what a symlink leads to. */
  link: 1,
  /** Each time: its directory's watch does not tell of it. */
  always: 2,
  /** Nothing was there. */
  missing: 4,
  /** A directory; its own watch tells of it. */
  directory: 8,
  /** Only which file it is matters, not what is in it. */
  identity: 16,
} as const;

/** Place of the inode among the numbers of a `stat`. */
const INODE = 3;

/**
 * What an answer was made from, as columns: a million reads are 60 MB and not a million objects. A read is a directory
 * (by number), a name in it, and the numbers that `stat` had for it.
 */
export class ReadTable {
  #directories = new Uint32Array(256);
  #flags = new Uint8Array(256);
  #numbers = new Float64Array(256 * STAT_NUMBERS);
  #nameEnds = new Uint32Array(256);
  #names: Buffer = Buffer.allocUnsafeSlow(4096);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    const columns = [this.#directories, this.#flags, this.#numbers, this.#nameEnds, this.#names];
    return columns.reduce((sum, column) => sum + column.byteLength, 0);
  }

  add(directory: number, name: string, flags: number, numbers: Float64Array): void {
    const at = this.#count++;
    if (at === this.#directories.length) this.#resize(at * 2);
    const from = this.#nameStart(at);
    const room = from + Buffer.byteLength(name);
    if (room > this.#names.length) this.#names = Buffer.concat([this.#names], room * 2);
    this.#nameEnds[at] = from + this.#names.write(name, from);
    this.#directories[at] = directory;
    this.#flags[at] = flags;
    this.#numbers.set(numbers, at * STAT_NUMBERS);
  }

  /** Gives back the room that growing has left over. */
  trim(): void {
    this.#names = Buffer.from(this.#names.subarray(0, this.#nameStart(this.#count)));
    this.#resize(this.#count);
  }

  directory(at: number): number {
    return this.#directories[at] as number;
  }

  flags(at: number): number {
    return this.#flags[at] as number;
  }

  name(at: number): string {
    return this.#names.toString("utf8", this.#nameStart(at), this.#nameEnds[at] as number);
  }

  holds(at: number, numbers: Float64Array): boolean {
    const own = at * STAT_NUMBERS;
    if (this.flags(at) & READ.identity) return this.#numbers[own + INODE] === numbers[INODE];
    for (let i = 0; i < STAT_NUMBERS; i++) if (this.#numbers[own + i] !== numbers[i]) return false;
    return true;
  }

  #nameStart(at: number): number {
    return at === 0 ? 0 : (this.#nameEnds[at - 1] as number);
  }

  #resize(room: number): void {
    const keep = Math.min(room, this.#count);
    const grow = <T extends Uint32Array | Uint8Array | Float64Array>(from: T, to: T, width: number): T => {
      to.set(from.subarray(0, keep * width));
      return to;
    };
    this.#directories = grow(this.#directories, new Uint32Array(room), 1);
    this.#flags = grow(this.#flags, new Uint8Array(room), 1);
    this.#numbers = grow(this.#numbers, new Float64Array(room * STAT_NUMBERS), STAT_NUMBERS);
    this.#nameEnds = grow(this.#nameEnds, new Uint32Array(room), 1);
  }
}
