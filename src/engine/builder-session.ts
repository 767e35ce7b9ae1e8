import type { Socket } from "node:net";
import { type AskOrder, encodeAnswer, type Order } from "./frames.ts";

/** One command that a builder runs for whoever asked. */
export interface BuilderSession {
  readonly ask: AskOrder;
  print(stream: 1 | 2, text: string): void;
  /** By number. Answers a function that ends it. */
  onSignal(signal: number, listener: () => void): () => void;
  onResize(listener: (columns: number, rows: number) => void): void;
  /** Whoever asked does not read any more, or is gone. */
  onClosed(listener: () => void): void;
  readonly isClosed: boolean;
  /** Ends the command, and this process with it, at once. */
  abandon(exitCode: number): void;
}

/** Characters in one frame; a pair is not torn. */
const MOST_PRINTED = 1 << 20;

/** Whoever asked, at the other end of a socket. */
export class Conversation implements BuilderSession {
  readonly ask: AskOrder;
  readonly #socket: Socket;
  readonly #leave: () => void;
  readonly #signals = new Map<number, Set<() => void>>();
  readonly #resizes: ((columns: number, rows: number) => void)[] = [];
  readonly #closings: (() => void)[] = [];
  #isClosed = false;
  #hasListened = false;

  constructor(socket: Socket, ask: AskOrder, leave: () => void) {
    this.#socket = socket;
    this.ask = ask;
    this.#leave = leave;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  print(stream: 1 | 2, text: string): void {
    for (let rest = text; rest !== "" && !this.#isClosed; ) {
      const part = rest.slice(0, MOST_PRINTED).replace(/[\ud800-\udbff]$/, "") || rest;
      this.#socket.write(encodeAnswer({ kind: "output", stream, text: part }));
      rest = rest.slice(part.length);
    }
  }

  onSignal(signal: number, listener: () => void): () => void {
    this.#hasListened = true;
    const listeners = this.#signals.get(signal) ?? new Set();
    this.#signals.set(signal, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  onResize(listener: (columns: number, rows: number) => void): void {
    this.#resizes.push(listener);
  }

  onClosed(listener: () => void): void {
    if (this.#isClosed) listener();
    else this.#closings.push(listener);
  }

  abandon(exitCode: number): void {
    this.#leave();
    this.#socket.end(encodeAnswer({ kind: "done", exitCode, stdout: "" }), () => process.exit(exitCode));
    this.#socket.once("close", () => process.exit(exitCode));
  }

  hear(order: Order): void {
    if (order.kind === "signal") this.#take(order.signal);
    else if (order.kind === "size") for (const listener of this.#resizes) listener(order.columns, order.rows);
    else if (order.kind === "closed") this.close();
    else this.#socket.destroy();
  }

  #take(signal: number): void {
    for (const listener of [...(this.#signals.get(signal) ?? [])]) listener();
    if (this.#hasListened || this.#isClosed) return;
    // The command has not come to listening yet: it ends as a process that is only starting would.
    this.#socket.end(encodeAnswer({ kind: "done", exitCode: 128 + signal, stdout: "" }));
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#closings) listener();
  }
}
