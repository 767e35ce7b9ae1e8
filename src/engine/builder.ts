import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { type BuilderSession, Conversation } from "./builder-session.ts";
import { builderSocket } from "./engine-place.ts";
import { type AskOrder, decodeOrder, encodeAnswer, FrameReader, type Order } from "./frames.ts";
import { Standby, type StandbyEnd } from "./standby.ts";
import { comparable, readStanding } from "./standing.ts";

/** Variables of the terminal and the shell, which differ from window to window and decide nothing. */
const PASSING =
  /^(TERM|TERM_.*|COLORTERM|COLUMNS|LINES|SHLVL|_|PWD|OLDPWD|WINDOWID|TMUX|TMUX_PANE|STY|WINDOW|SSH_(CLIENT|CONNECTION|TTY)|GPG_TTY|VTE_VERSION|BEGAT_ASKED)$/;

/** Variables that may decide something. On the way to Node its certificates go by another name. */
function deciding(env: BuilderOptions["env"]): ReadonlyMap<string, string | undefined> {
  const named = Object.entries(env).map(([name, value]) => {
    return [name === "NODE_EXTRA_CA_CERTS" ? "BEGAT_EXTRA_CA_CERTS" : name, value] as const;
  });
  return new Map(named.filter(([name]) => !PASSING.test(name)));
}

export type SessionEnd = { readonly exitCode: number } | { readonly declined: string };

export interface BuilderOptions {
  readonly directory: string;
  /** begat.cjs, whose bytes name the bundle. */
  readonly bundleFile: string;
  readonly version: string;
  /** Of the checkout; absolute. */
  readonly root: string;
  readonly idleMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly run: (session: BuilderSession) => Promise<SessionEnd>;
  /** Worked on when the answer is out, and left off at the signal: somebody asks. */
  readonly after: (signal: AbortSignal) => Promise<void>;
}

/** What `begat daemon status` shows of a builder. */
export interface BuilderStatus {
  readonly pid: number;
  readonly root: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly idleMs: number;
  readonly rssBytes: number;
  readonly asked: number;
  readonly built: number;
  /** Why the last command that it did not run was not run. */
  readonly declined: string | undefined;
}

/**
 * The process that builds in one checkout for whoever asks, one command at a time, as they would themselves. It can be
 * killed at any moment, as any build can.
 */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #standby: Standby;
  readonly #standing = comparable(readStanding());
  readonly #startedAtMs = Date.now();
  #asked = 0;
  #built = 0;
  #declined: string | undefined;
  #isBusy = false;
  /** What is done when an answer is out; the next command ends it. */
  #settling: { readonly done: Promise<void>; readonly ending: AbortController } | undefined;

  constructor(options: BuilderOptions) {
    this.#options = options;
    const { directory, bundleFile, idleMs, root } = options;
    const place = { directory, name: builderSocket(root), what: `a builder of ${root}`, bundleFile, idleMs };
    this.#standby = new Standby(place, (socket) => this.#serve(socket));
  }

  /** Listens. @throws {EngineError} as `Standby.start`. */
  start(): Promise<void> {
    return this.#standby.start();
  }

  /** Serves until it is stopped, not needed any more, or not what it was. */
  untilEnd(): Promise<StandbyEnd> {
    return this.#standby.untilEnd(() => (this.#isBusy ? undefined : isDirectory(this.#options.root)));
  }

  stop(): void {
    this.#standby.end("stopped");
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    let session: Conversation | undefined;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => session?.close());
    socket.on("data", (bytes) => {
      for (let frame = reader.feed(bytes); frame !== undefined; frame = reader.feed()) {
        const order = frame === "broken" ? undefined : decodeOrder(frame.kind, frame.content);
        if (order === undefined || (session !== undefined && order.kind === "ask")) return void socket.destroy();
        if (session !== undefined) session.hear(order);
        else if (order.kind === "ask") session = this.#converse(socket, order.ask);
        else return void this.#obey(socket, order);
      }
    });
  }

  #obey(socket: Socket, order: Order): void {
    if (order.kind !== "status" && order.kind !== "stop") return void socket.destroy();
    socket.end(encodeAnswer({ kind: "status", status: this.#status() }));
    if (order.kind === "stop") socket.once("close", () => this.stop());
  }

  #converse(socket: Socket, ask: AskOrder): Conversation {
    const session = new Conversation(socket, ask, () => this.#standby.leave());
    const refusal = this.#refusal(ask);
    this.#asked++;
    if (refusal !== undefined) this.#decline(socket, refusal);
    else void this.#run(socket, session);
    return session;
  }

  async #run(socket: Socket, session: Conversation): Promise<void> {
    this.#isBusy = true;
    this.#standby.used();
    try {
      this.#settling?.ending.abort();
      await this.#settling?.done;
      if (session.isClosed) return;
      socket.write(encodeAnswer({ kind: "begun" }));
      const end = await this.#options.run(session);
      if ("declined" in end) this.#decline(socket, end.declined);
      else {
        this.#built++;
        socket.end(encodeAnswer({ kind: "done", exitCode: end.exitCode, stdout: "" }));
      }
      const ending = new AbortController();
      this.#settling = { done: this.#settle(ending.signal), ending };
    } catch {
      // Nobody foresaw it: what is remembered may be wrong, so it is remembered no longer.
      socket.destroy();
      this.stop();
    } finally {
      this.#isBusy = false;
      this.#standby.used();
    }
  }

  async #settle(signal: AbortSignal): Promise<void> {
    // The answer goes out first.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#options.after(signal).catch(() => this.stop());
  }

  #decline(socket: Socket, because: string): void {
    this.#declined = because;
    socket.end(encodeAnswer({ kind: "declined", because }));
  }

  /** Why a command is none of this builder's. */
  #refusal(ask: AskOrder): string | undefined {
    if (this.#isBusy) return "busy";
    const refusal = this.#standby.mismatch(ask) ?? this.#difference(ask);
    if (refusal !== undefined) this.#standby.makeRoom();
    return refusal;
  }

  #difference({ standing, env }: AskOrder): string | undefined {
    if (standing === undefined || comparable(standing) !== this.#standing)
      return "other limits, masks, namespaces or control group";
    const [mine, theirs] = [deciding(this.#options.env), deciding(env)];
    for (const name of new Set([...mine.keys(), ...theirs.keys()]))
      if (mine.get(name) !== theirs.get(name)) return `another $${name}`;
    return undefined;
  }

  #status(): BuilderStatus {
    const { version, root, idleMs } = this.#options;
    return {
      pid: process.pid,
      root,
      version,
      startedAtMs: this.#startedAtMs,
      idleMs,
      rssBytes: process.memoryUsage.rss(),
      asked: this.#asked,
      built: this.#built,
      declined: this.#declined,
    };
  }
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
