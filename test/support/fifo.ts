import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, constants, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";

/**
 * A named pipe between a test and a recipe that runs without a sandbox. The test holds both ends open, so that neither
 * side's opening waits for the other and nobody ever reads an end of file.
 */
export class Fifo {
  readonly path: string;
  readonly #descriptor: number;
  #socket: Socket | undefined;
  #unread = "";
  readonly #lines: string[] = [];
  readonly #readers: ((line: string) => void)[] = [];

  constructor(path: string) {
    this.path = path;
    execFileSync("mkfifo", [path]);
    chmodSync(path, 0o666);
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** For recipes: `read go < FIFO` ends once for each line. */
  send(line = "go"): void {
    writeSync(this.#descriptor, `${line}\n`);
  }

  /** The next line that recipes write: `echo here > FIFO`. */
  line(): Promise<string> {
    if (this.#socket === undefined) {
      this.#socket = new Socket({ fd: this.#descriptor, readable: true, writable: false });
      this.#socket.setEncoding("utf8").on("data", (text: string) => {
        const lines = (this.#unread + text).split("\n");
        this.#unread = lines.pop() ?? "";
        for (const line of lines) {
          const reader = this.#readers.shift();
          if (reader) reader(line);
          else this.#lines.push(line);
        }
      });
    }
    const known = this.#lines.shift();
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  close(): void {
    if (this.#socket) this.#socket.destroy();
    else closeSync(this.#descriptor);
  }
}
