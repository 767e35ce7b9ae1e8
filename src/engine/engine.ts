import type { Socket } from "node:net";
import type { ChangeFeed } from "../ports/index.ts";
import { ENGINE } from "./engine-place.ts";
import { type AskOrder, decodeOrder, type EngineAnswer, encodeAnswer, FrameReader, type Order } from "./frames.ts";
import { collectGarbage } from "./garbage.ts";
import { PATIENCE_MS, Standby, type StandbyEnd } from "./standby.ts";
import type { WarmAnswers } from "./warm-answers.ts";

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

/** The warm engine's process: one socket, one order a connection. It can be killed at any moment; nothing is lost. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #standby: Standby;
  readonly #startedAtMs = Date.now();
  #askedAtLook = 0;
  #nextLookMs = Date.now() + LOOK_AGAIN_MS;
  #asked = 0;
  #answered = 0;
  #handed = 0;
  #declined: string | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { directory, bundleFile, idleMs } = options;
    const place = { directory, name: ENGINE, what: "an engine", bundleFile, idleMs };
    this.#standby = new Standby(place, (socket) => this.#serve(socket));
  }

  /** Listens. @throws {EngineError} as `Standby.start`. */
  start(): Promise<void> {
    return this.#standby.start();
  }

  /** Serves until it is stopped, not needed any more, or not what it was. */
  async untilEnd(): Promise<StandbyEnd> {
    const end = await this.#standby.untilEnd(() => {
      if (Date.now() >= this.#nextLookMs && this.#asked > this.#askedAtLook) void this.#lookAgain();
      return true;
    });
    await this.#options.feed.close();
    return end;
  }

  stop(): void {
    this.#standby.end("stopped");
  }

  async #lookAgain(): Promise<void> {
    const begin = Date.now();
    this.#askedAtLook = this.#asked;
    this.#nextLookMs = Number.POSITIVE_INFINITY;
    await this.#options.warm.lookAgain().catch(() => this.stop());
    this.#nextLookMs = Date.now() + Math.max(LOOK_AGAIN_MS, SHARE * (Date.now() - begin));
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
    const refusal = this.#standby.mismatch(order.ask);
    if (refusal !== undefined) {
      this.#count(refusal);
      socket.end(encodeAnswer({ kind: "declined", because: refusal }));
      return;
    }
    this.#standby.used();
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
