/** Where an element stands in its heap; -1 while it is in none. */
export interface HeapElement {
  heapIndex: number;
}

/** A binary heap whose elements know their place: removing or moving any of them costs O(log n). */
export class IndexedHeap<T extends HeapElement> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  /** @param before A strict total order, so that equal histories give equal orders. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    item.heapIndex = this.#items.length;
    this.#items.push(item);
    this.#up(item);
  }

  pop(): T | undefined {
    const top = this.#items[0];
    if (top !== undefined) this.remove(top);
    return top;
  }

  /** Does nothing for an element that is in no heap; one that is in another heap must not be given. */
  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    last.heapIndex = at;
    this.#items[at] = last;
    this.#up(last);
    this.#down(last);
  }

  /** To be called after what an element is ordered by has changed. */
  update(item: T): void {
    if (item.heapIndex < 0) return;
    this.#up(item);
    this.#down(item);
  }

  /** In no particular order. */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.heapIndex = at;
  }

  #up(item: T): void {
    let at = item.heapIndex;
    while (at > 0) {
      const parentAt = (at - 1) >>> 1;
      const parent = this.#items[parentAt] as T;
      if (!this.#before(item, parent)) break;
      this.#put(parent, at);
      at = parentAt;
    }
    this.#put(item, at);
  }

  #down(item: T): void {
    const items = this.#items;
    let at = item.heapIndex;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#before(items[child + 1] as T, items[child] as T)) child++;
      if (!this.#before(items[child] as T, item)) break;
      this.#put(items[child] as T, at);
      at = child;
    }
    this.#put(item, at);
  }
}
