import type { WriteStream } from "node:tty";
import type { Output } from "./output.ts";

/** A standard stream of this process. */
export interface NodeOutput extends Output {
  /** Its reader is gone; nothing more is written. */
  closed(): boolean;
  onClosed(listener: () => void): void;
  /** Resolves when everything written has left the process. */
  drained(): Promise<void>;
}

/** @param stream `process.stdout` or `process.stderr`. */
export function nodeOutput(stream: NodeJS.WriteStream): NodeOutput {
  let closed = false;
  const listeners: (() => void)[] = [];
  const close = () => {
    if (closed) return;
    closed = true;
    for (const listener of listeners) listener();
  };
  // EPIPE: `begat log | head` has read enough. Any other error (a full disk behind `> log`) leaves as little to do:
  // where the text went cannot be told to anyone on the same stream.
  stream.on("error", close);
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    columns: () => (stream as Partial<WriteStream>).columns || 80,
    rows: () => (stream as Partial<WriteStream>).rows || 24,
    write(text) {
      if (!closed && text !== "") stream.write(text);
    },
    onResize(listener) {
      stream.on("resize", listener);
      return () => stream.off("resize", listener);
    },
    closed: () => closed,
    onClosed(listener) {
      if (closed) listener();
      else listeners.push(listener);
    },
    drained: () =>
      new Promise((resolve) => {
        if (closed || stream.destroyed) resolve();
        else stream.write("", () => resolve());
      }),
  };
}
