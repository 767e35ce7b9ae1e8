import { constants, openSync, readSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import type { OutputListener } from "../executor.ts";
import { OutputCapture } from "../launcher/output-capture.ts";
import type { ServerConnection } from "./server-connection.ts";

/** What recipes in one slot print: two FIFOs, read by begat alone, so that `/dev/stdout` can be opened. */
export class SlotStreams {
  readonly #fds: readonly number[];
  readonly #sockets: readonly Socket[];
  #captures: readonly OutputCapture[] = [];

  private constructor(paths: readonly string[]) {
    // Read and write, so that the FIFO neither waits for a writer nor ends when the last one is gone.
    const flags = constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    this.#fds = paths.map((path) => openSync(path, flags));
    this.#sockets = this.#fds.map((fd, stream) => {
      const socket = new Socket({ fd });
      socket.on("data", (bytes: Buffer) => this.#captures[stream]?.feed(bytes));
      socket.on("error", () => undefined);
      socket.unref();
      return socket;
    });
  }

  static async make(server: ServerConnection, directory: string, uid: number | undefined): Promise<SlotStreams> {
    const paths = SlotStreams.paths(directory);
    for (const path of paths) rmSync(path, { force: true });
    await server.makeStreams(...paths, uid);
    return new SlotStreams(paths);
  }

  static paths(directory: string): readonly [out: string, err: string] {
    return [`${directory}/io/out`, `${directory}/io/err`];
  }

  /** From now on what comes is of this recipe. */
  begin(keepBytes: number, onOutput: OutputListener | undefined): readonly [OutputCapture, OutputCapture] {
    const of = (name: "stdout" | "stderr") =>
      OutputCapture.unmarked(keepBytes, onOutput && ((bytes) => onOutput(name, bytes)));
    const captures = [of("stdout"), of("stderr")] as const;
    this.#captures = captures;
    for (const socket of this.#sockets) socket.ref();
    return captures;
  }

  /** Nothing writes any more. @param hasUnread Whether something may still be in the FIFOs. */
  end(hasUnread: boolean): void {
    for (const socket of this.#sockets) socket.unref();
    if (hasUnread) for (const stream of [0, 1]) this.#drain(stream);
    this.#captures = [];
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #drain(stream: number): void {
    const buffer = Buffer.allocUnsafe(64 * 1024);
    for (;;) {
      let count: number;
      try {
        count = readSync(this.#fds[stream] as number, buffer);
      } catch {
        return; // EAGAIN: empty.
      }
      if (count === 0) return;
      this.#captures[stream]?.feed(Buffer.from(buffer.subarray(0, count)));
    }
  }
}
