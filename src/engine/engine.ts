import { chmodSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { BegatError } from "../base/index.ts";
import type { ChangeFeed } from "../ports/index.ts";
import { orderEngine } from "./engine-client.ts";
import { makePrivate, socketIn } from "./engine-place.ts";
import { type AskOrder, decodeOrder, type EngineAnswer, encodeAnswer, FrameReader, type Order } from "./frames.ts";
import { collectGarbage } from "./garbage.ts";
import { ownWorld } from "./own-world.ts";
import type { WarmAnswers } from "./warm-answers.ts";

export class EngineError extends BegatError<"DAEMON_RUNNING" | "DAEMON_NO_PLACE"> {}

/** Asked by another begat, and by none of its own for so long, it makes room. */
const OWN_WITHIN_MS = 60_000;
/** How often it looks whether it is still wanted. */
const ROUND_MS = 15_000;
const PATIENCE_MS = 1000;
/** Everything is looked at again no more often than that, and never with more than a hundredth of a processor. */
const LOOK_AGAIN_MS = 60_000;
const SHARE = 100;

/** Any other command is begat's own to run; begat-client asks for all of them. */
export const NOT_A_BUILD = "not a build";

/** Answers one command, or says why it does not. `after` is worked on when the answer is out. */
export type AnswerCommand = (
  ask: AskOrder,
) => Promise<{ readonly answer: EngineAnswer; readonly after?: () => Promise<void> }>;

export interface EngineOptions {
  readonly directory: string;
  /** begat.cjs, whose bytes name the bundle. */
  readonly bundleFile: string;
  readonly version: string;
  readonly idleMs: number;
  readonly feed: ChangeFeed;
  readonly warm: WarmAnswers;
  readonly answer: AnswerCommand;
}

/** What `begat daemon status` shows. */
export interface EngineStatus {
  readonly pid: number;
  readonly version: string;
  readonly startedAtMs: number;
  readonly idleMs: number;
  readonly rssBytes: number;
  readonly asked: number;
  readonly answered: number;
  /** To the builder of their checkout; not counted as asked. */
  readonly handed: number;
  /** Why the last command that was not answered was not. */
  readonly declined: string | undefined;
  readonly answers: number;
  readonly files: number;
  readonly directories: number;
  readonly checkouts: readonly string[];
}

export type EngineEnd = "idle" | "stopped" | "replaced";

/** The warm engine's process: one socket, one order a connection. It can be killed at any moment; nothing is lost. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #bundle: Buffer;
  readonly #server: Server;
  readonly #world = ownWorld();
  readonly #startedAtMs = Date.now();
  #lastOwnMs = Date.now();
  #askedAtLook = 0;
  #nextLookMs = Date.now() + LOOK_AGAIN_MS;
  #asked = 0;
  #answered = 0;
  #handed = 0;
  #declined: string | undefined;
  #socketInode = 0;
  #end: (end: EngineEnd) => void = () => {};
  readonly #ended = new Promise<EngineEnd>((resolve) => {
    this.#end = resolve;
  });

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#bundle = readFileSync(options.bundleFile);
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /**
   * Listens.
   *
   * @throws {EngineError} `DAEMON_RUNNING` when another one does, `DAEMON_NO_PLACE` when others could reach the socket.
   */
  async start(): Promise<void> {
    const { directory } = this.#options;
    if (!makePrivate(directory)) {
      throw new EngineError("DAEMON_NO_PLACE", `${directory} is not this user's alone, so no socket can be there`, {
        hint: `make it private with chmod 700 ${directory}`,
      });
    }
    const other = await orderEngine(directory, { kind: "status" }, PATIENCE_MS);
    if (other.kind !== "absent") throw new EngineError("DAEMON_RUNNING", "an engine is running already");
    const path = socketIn(directory);
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, () => resolve());
    });
    chmodSync(path, 0o600);
    this.#socketInode = statSync(path).ino;
  }

  /** Serves until it is stopped, not needed any more, or not what it was. */
  async untilEnd(): Promise<EngineEnd> {
    const rounds = setInterval(() => this.#round(), Math.min(ROUND_MS, this.#options.idleMs));
    const end = await this.#ended;
    clearInterval(rounds);
    if (this.#ownsSocket()) rmSync(socketIn(this.#options.directory), { force: true });
    this.#server.close();
    await this.#options.feed.close();
    return end;
  }

  stop(): void {
    this.#end("stopped");
  }

  #round(): void {
    if (Date.now() - this.#lastOwnMs >= this.#options.idleMs) this.#end("idle");
    // Two that were started at the same moment: the one whose socket is gone is asked by nobody.
    else if (!this.#ownsSocket()) this.#end("replaced");
    else if (!this.#isCurrent()) this.#end("replaced");
    else if (Date.now() >= this.#nextLookMs && this.#asked > this.#askedAtLook) void this.#lookAgain();
  }

  async #lookAgain(): Promise<void> {
    const begin = Date.now();
    this.#askedAtLook = this.#asked;
    this.#nextLookMs = Number.POSITIVE_INFINITY;
    await this.#options.warm.lookAgain().catch(() => this.stop());
    this.#nextLookMs = Date.now() + Math.max(LOOK_AGAIN_MS, SHARE * (Date.now() - begin));
  }

  #ownsSocket(): boolean {
    try {
      return statSync(socketIn(this.#options.directory)).ino === this.#socketInode;
    } catch {
      return false;
    }
  }

  /** Whether the begat it was started from is still there as it was. */
  #isCurrent(): boolean {
    try {
      return readFileSync(this.#options.bundleFile).equals(this.#bundle);
    } catch {
      return false;
    }
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    // Whoever asked may be gone; then there is nobody to tell.
    socket.on("error", () => socket.destroy());
    socket.setTimeout(PATIENCE_MS * 10, () => socket.destroy());
    socket.on("data", (bytes) => {
      const frame = reader.feed(bytes);
      if (frame === undefined) return;
      socket.pause();
      const order = frame === "broken" ? undefined : decodeOrder(frame.kind, frame.content);
      if (order === undefined) socket.destroy();
      else void this.#obey(socket, order);
    });
  }

  async #obey(socket: Socket, order: Order): Promise<void> {
    if (order.kind !== "ask") {
      socket.end(encodeAnswer({ kind: "status", status: this.#status() }));
      if (order.kind === "stop") socket.once("close", () => this.stop());
      return;
    }
    const refusal = this.#refusal(order.ask);
    if (refusal !== undefined) {
      this.#count(refusal);
      socket.end(encodeAnswer({ kind: "declined", because: refusal }));
      return;
    }
    this.#lastOwnMs = Date.now();
    try {
      const { answer, after } = await this.#options.answer(order.ask);
      if (answer.kind === "builder") this.#handed++;
      else this.#count(answer.kind === "declined" ? answer.because : undefined);
      socket.end(encodeAnswer(answer));
      if (after !== undefined) setImmediate(() => void after().then(collectGarbage, () => this.stop()));
    } catch {
      // The feed broke off, or begat is wrong somewhere: an engine that does not know what it knows is no help.
      socket.destroy();
      this.stop();
    }
  }

  #count(declined: string | undefined): void {
    if (declined === NOT_A_BUILD) return;
    this.#asked++;
    if (declined === undefined) this.#answered++;
    else this.#declined = declined;
  }

  /** Why a command is none of this engine's. */
  #refusal(ask: AskOrder): string | undefined {
    if (!ask.bundle.equals(this.#bundle)) {
      const isIdle = Date.now() - this.#lastOwnMs > OWN_WITHIN_MS;
      if (isIdle || !this.#isCurrent()) setImmediate(() => this.#end("replaced"));
      return "another begat";
    }
    if (ask.world !== this.#world) return "another root or mount namespace";
    if (ask.uid !== process.geteuid?.() || ask.gid !== process.getegid?.()) return "another user or group";
    return undefined;
  }

  #status(): EngineStatus {
    return {
      pid: process.pid,
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      idleMs: this.#options.idleMs,
      rssBytes: process.memoryUsage.rss(),
      asked: this.#asked,
      answered: this.#answered,
      handed: this.#handed,
      declined: this.#declined,
      ...this.#options.warm.status,
    };
  }
}
