/** Messages on their way out of one stream, in order; waits for nobody. */
export class MessageQueue<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #isClosed = false;
  #wake: (() => void) | undefined;

  get size(): number {
    return this.#waiting.length;
  }

  /** What is sent after `close` is dropped, as on any connection that is gone. */
  send(message: T): void {
    if (this.#isClosed) return;
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** What was sent before is still given out. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      const batch = this.#waiting;
      this.#waiting = [];
      yield* batch;
      if (this.#waiting.length > 0) continue;
      if (this.#isClosed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
