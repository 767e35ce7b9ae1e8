import { emptyRoot, nodeHash, type SubtreeReader } from "./merkle.ts";

/** A full subtree that has just been completed; numbered as in `SubtreeReader`. */
export type SubtreeDone = (level: number, index: number, hash: Uint8Array) => void;

/**
 * The right edge of a growing tree: the roots of its full subtrees, largest first, never more than 53. Enough to append and to
 * give the root, at two hashes a leaf.
 */
export class Frontier {
  #size: number;
  readonly #peaks: Uint8Array[];

  private constructor(size: number, peaks: Uint8Array[]) {
    this.#size = size;
    this.#peaks = peaks;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /** The frontier of a tree that exists already. */
  static of(size: number, reader: SubtreeReader): Frontier {
    const peaks: Uint8Array[] = [];
    let rest = size;
    for (let level = 52; level >= 0; level--) {
      const width = 2 ** level;
      if (rest < width) continue;
      peaks.push(reader.subtree(level, (size - rest) / width));
      rest -= width;
    }
    return new Frontier(size, peaks);
  }

  get size(): number {
    return this.#size;
  }

  /** One that grows apart from this one. */
  copy(): Frontier {
    return new Frontier(this.#size, [...this.#peaks]);
  }

  append(leaf: Uint8Array, done?: SubtreeDone): void {
    let hash = leaf;
    let index = this.#size;
    for (let level = 1; index % 2 === 1; level++) {
      hash = nodeHash(this.#peaks.pop() as Uint8Array, hash);
      index = (index - 1) / 2;
      done?.(level, index, hash);
    }
    this.#peaks.push(hash);
    this.#size++;
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (let i = this.#peaks.length - 1; i >= 0; i--) {
      const peak = this.#peaks[i] as Uint8Array;
      root = root === undefined ? peak : nodeHash(peak, root);
    }
    return root ?? emptyRoot;
  }
}
