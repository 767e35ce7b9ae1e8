import { EventEmitter } from "node:events";
import type { Output } from "../output.ts";

/**
 * What Ink believes to be the terminal. Three differences from the real one:
 *
 * - what is written within one turn goes out as one write, so that erasing and drawing are never seen apart;
 * - its height has no end: Ink clears screen *and* scrollback once a picture is as high as the terminal, which would
 *   take what the user had there before; the layout keeps the picture low enough instead;
 * - after `close` nothing gets through, whatever is still queued in Ink.
 */
export class FrameStream extends EventEmitter {
  readonly isTTY = true;
  readonly rows = 10_000;
  readonly #output: Output;
  readonly #unsubscribe: () => void;
  #pending = "";
  #scheduled = false;
  #closed = false;

  constructor(output: Output) {
    super();
    this.#output = output;
    this.#unsubscribe = output.onResize(() => this.emit("resize"));
  }

  get columns(): number {
    return this.#output.columns();
  }

  write(text: string, done?: () => void): boolean {
    if (!this.#closed) {
      this.#pending += text;
      if (!this.#scheduled) {
        this.#scheduled = true;
        queueMicrotask(() => this.flush());
      }
    }
    if (done !== undefined) queueMicrotask(done);
    return true;
  }

  flush(): void {
    this.#scheduled = false;
    const text = this.#pending;
    this.#pending = "";
    if (text !== "") this.#output.write(text);
  }

  close(): void {
    this.flush();
    this.#closed = true;
    this.#unsubscribe();
  }
}
