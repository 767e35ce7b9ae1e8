import type { SizedBlob } from "./events.ts";

interface Hint {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Queued chores that need it. */
  needed: number;
  /** Numbers of the rnodes that are believed to have it. */
  readonly holders: Set<number>;
}

/** Inputs of a chore, as the hints know them. */
export type InputHints = readonly Hint[];

/**
 * Which rnode has which blob, as far as the leader was told. Only ever decides between rnodes: a wrong hint moves
 * bytes and nothing else.
 */
export class BlobHints {
  readonly #hints = new Map<string, Hint>();
  /** By rnode, oldest first. */
  readonly #held = new Map<number, Set<Hint>>();
  readonly #mostPerRnode: number;

  constructor(mostPerRnode: number) {
    this.#mostPerRnode = mostPerRnode;
  }

  get size(): number {
    return this.#hints.size;
  }

  /** Keeps what is known of these for as long as the chore needs them; `release` gives them back. */
  need(inputs: readonly SizedBlob[]): InputHints {
    return inputs.map((blob) => {
      const hint = this.#hintOf(blob);
      hint.needed++;
      return hint;
    });
  }

  release(inputs: InputHints): void {
    for (const hint of inputs) {
      hint.needed--;
      this.#dropUnused(hint);
    }
  }

  hold(rnode: number, blobs: readonly SizedBlob[]): void {
    for (const blob of blobs) this.#hold(rnode, this.#hintOf(blob));
  }

  /** The rnode will have fetched them by the time anything else can be placed there. */
  holdInputs(rnode: number, inputs: InputHints): void {
    for (const hint of inputs) this.#hold(rnode, hint);
  }

  drop(rnode: number, digests: readonly string[]): void {
    for (const digest of digests) {
      const hint = this.#hints.get(digest);
      if (hint !== undefined) this.#release(rnode, hint);
    }
  }

  dropAll(rnode: number): void {
    for (const hint of [...(this.#held.get(rnode) ?? [])]) this.#release(rnode, hint);
    this.#held.delete(rnode);
  }

  /** Adds, for each rnode by number, the bytes of `inputs` that it has. */
  addPresentBytes(inputs: InputHints, present: Float64Array): void {
    for (const { holders, sizeBytes } of inputs) {
      for (const rnode of holders) present[rnode] = (present[rnode] as number) + sizeBytes;
    }
  }

  #hintOf({ digest, sizeBytes }: SizedBlob): Hint {
    let hint = this.#hints.get(digest);
    if (hint === undefined) {
      hint = { digest, sizeBytes, needed: 0, holders: new Set() };
      this.#hints.set(digest, hint);
    }
    return hint;
  }

  #hold(rnode: number, hint: Hint): void {
    if (hint.holders.has(rnode)) return;
    hint.holders.add(rnode);
    let held = this.#held.get(rnode);
    if (held === undefined) {
      held = new Set();
      this.#held.set(rnode, held);
    }
    held.add(hint);
    if (held.size > this.#mostPerRnode) {
      const [oldest] = held;
      if (oldest !== undefined) this.#release(rnode, oldest);
    }
  }

  #release(rnode: number, hint: Hint): void {
    hint.holders.delete(rnode);
    this.#held.get(rnode)?.delete(hint);
    this.#dropUnused(hint);
  }

  #dropUnused(hint: Hint): void {
    if (hint.needed === 0 && hint.holders.size === 0) this.#hints.delete(hint.digest);
  }
}
