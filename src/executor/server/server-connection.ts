import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { ExecutorError } from "../executor.ts";
import { type Answer, AnswerReader, type Ended } from "./answer.ts";
import { FRAME, OrderWriter, PROTOCOL_VERSION } from "./order.ts";

/** What a spawn server is called where others see it: its path would tell of the host. */
const PROGRAM_NAME = "init";

/** One spawn server, and what was asked of it. It ends when begat does, and all that it started with it. */
export class ServerConnection {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>();
  #lastId = 0;
  #ended = false;

  private constructor(child: ChildProcess, exited: Promise<void>) {
    this.#child = child;
    this.#socket = child.stdio[3] as Socket;
    this.#exited = exited;
    void exited.then(() => {
      this.#ended = true;
      for (const give of this.#waiting.values()) give(undefined);
      this.#waiting.clear();
    });
  }

  /** @throws {ExecutorError} `EXECUTOR_UNUSABLE` when it does not come up, with what it said. */
  static async start(program: string): Promise<ServerConnection> {
    const child = spawn(program, [], {
      argv0: PROGRAM_NAME,
      cwd: "/",
      env: {},
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      // A session of its own: Ctrl-C at the terminal is begat's to handle.
      detached: true,
    });
    let said = "";
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", (error) => {
        said += error.message;
        resolve();
      });
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      if (said.length < 4096) said += bytes.toString();
    });
    const connection = new ServerConnection(child, exited);
    const version = await connection.#untilReady();
    if (version !== PROTOCOL_VERSION) {
      await connection.close();
      const why = version === undefined ? said.trim() || "no reason" : `it speaks version ${version}`;
      throw new ExecutorError("EXECUTOR_UNUSABLE", `spawn server did not start: ${why}`);
    }
    child.unref();
    (child.stderr as Socket | null)?.unref();
    connection.#socket.unref();
    return connection;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** Makes the FIFOs that a slot's recipes print into. @throws {ExecutorError} `EXECUTOR_UNUSABLE` */
  async makeStreams(out: string, err: string, uid: number | undefined): Promise<void> {
    const id = ++this.#lastId;
    const order = new OrderWriter().id(id).streams(out, err);
    if (uid !== undefined) order.user(uid);
    const answer = await this.#ask(id, order.frame(FRAME.slot));
    if (answer?.type === "made" && answer.problem === "") return;
    const why = answer?.type === "made" ? answer.problem : "it ended";
    throw new ExecutorError("EXECUTOR_UNUSABLE", `spawn server made no streams: ${why}`);
  }

  /** Runs what `write` writes; `undefined` where the server itself was lost. Aborting kills all of it. */
  async run(write: (order: OrderWriter) => void, signal: AbortSignal): Promise<Ended | undefined> {
    const id = ++this.#lastId;
    const order = new OrderWriter().id(id);
    write(order);
    const ended = this.#ask(id, order.frame(FRAME.run));
    const kill = () => void this.#socket.write(new OrderWriter().id(id).frame(FRAME.kill));
    if (signal.aborted) kill();
    signal.addEventListener("abort", kill, { once: true });
    try {
      const answer = await ended;
      return answer?.type === "ended" ? answer : undefined;
    } finally {
      signal.removeEventListener("abort", kill);
    }
  }

  /** Ends it and whatever it runs. */
  async close(): Promise<void> {
    if (!this.#ended) {
      this.#child.ref();
      this.#socket.end();
      await this.#exited;
    }
    this.#socket?.destroy();
    this.#child.stderr?.destroy();
  }

  #ask(id: number, frame: Buffer): Promise<Answer | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      if (this.#waiting.size === 0) this.#socket.ref();
      this.#waiting.set(id, resolve);
      this.#socket.write(frame);
    });
  }

  /** The version it speaks; `undefined` when it ended instead. */
  #untilReady(): Promise<number | undefined> {
    return new Promise((resolve) => {
      const reader = new AnswerReader();
      // Where it was not started at all there is no socket either.
      this.#socket?.on("error", () => undefined);
      this.#socket?.on("data", (chunk: Buffer) => {
        try {
          for (const answer of reader.feed(chunk)) {
            if (answer.type === "ready") resolve(answer.version);
            else this.#settle(answer);
          }
        } catch {
          // Not a spawn server, or not ours: without it, whoever waits is told that it is gone.
          this.#child.kill("SIGKILL");
        }
      });
      void this.#exited.then(() => resolve(undefined));
    });
  }

  #settle(answer: Exclude<Answer, { type: "ready" }>): void {
    const give = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#socket.unref();
    give?.(answer);
  }
}
