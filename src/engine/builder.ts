import { chmodSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path/posix";
import { type BuilderSession, Conversation } from "./builder-session.ts";
import { EngineError } from "./engine.ts";
import { orderEngine } from "./engine-client.ts";
import { builderSocket, makePrivate } from "./engine-place.ts";
import { type AskOrder, decodeOrder, encodeAnswer, FrameReader, type Order } from "./frames.ts";
import { ownWorld } from "./own-world.ts";
import { comparable, readStanding } from "./standing.ts";

const PATIENCE_MS = 1000;
const ROUND_MS = 15_000;
/** Asked by whom it cannot serve, and by nobody else for so long, it makes room for one that can. */
const OWN_WITHIN_MS = 60_000;

/** Variables of the terminal and the shell, which differ from window to window and decide nothing. */
const PASSING =
  /^(TERM|TERM_.*|COLORTERM|COLUMNS|LINES|SHLVL|_|PWD|OLDPWD|WINDOWID|TMUX|TMUX_PANE|STY|WINDOW|SSH_.*|GPG_TTY|VTE_VERSION|BEGAT_ASKED)$/;

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
  /** Worked on when the answer is out. */
  readonly after: () => Promise<void>;
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

export type BuilderEnd = "idle" | "stopped" | "replaced";

/**
 * The process that builds in one checkout for whoever asks, one command at a time, as they would themselves. It can be
 * killed at any moment, as any build can.
 */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #bundle: Buffer;
  readonly #server: Server;
  readonly #world = ownWorld();
  readonly #standing = comparable(readStanding());
  readonly #startedAtMs = Date.now();
  readonly #path: string;
  #lastOwnMs = Date.now();
  #asked = 0;
  #built = 0;
  #declined: string | undefined;
  #isBusy = false;
  #socketInode = 0;
  #end: (end: BuilderEnd) => void = () => {};
  readonly #ended = new Promise<BuilderEnd>((resolve) => {
    this.#end = resolve;
  });

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#bundle = readFileSync(options.bundleFile);
    this.#path = join(options.directory, builderSocket(options.root));
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Listens. @throws {EngineError} `DAEMON_RUNNING`, `DAEMON_NO_PLACE` as `Engine.start`. */
  async start(): Promise<void> {
    const { directory, root } = this.#options;
    if (!makePrivate(directory))
      throw new EngineError("DAEMON_NO_PLACE", `${directory} is not this user's alone, so no socket can be there`);
    const other = await orderEngine(directory, { kind: "status" }, PATIENCE_MS, builderSocket(root));
    if (other.kind !== "absent") throw new EngineError("DAEMON_RUNNING", `a builder of ${root} is running already`);
    rmSync(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#path, () => resolve());
    });
    chmodSync(this.#path, 0o600);
    this.#socketInode = statSync(this.#path).ino;
  }

  /** Serves until it is stopped, not needed any more, or not what it was. */
  async untilEnd(): Promise<BuilderEnd> {
    const rounds = setInterval(() => this.#round(), Math.min(ROUND_MS, this.#options.idleMs));
    const end = await this.#ended;
    clearInterval(rounds);
    this.#leave();
    this.#server.close();
    return end;
  }

  stop(): void {
    this.#end("stopped");
  }

  #round(): void {
    if (this.#isBusy) return;
    if (Date.now() - this.#lastOwnMs >= this.#options.idleMs) this.#end("idle");
    else if (!this.#ownsSocket() || !this.#isCurrent()) this.#end("replaced");
  }

  #leave(): void {
    if (this.#ownsSocket()) rmSync(this.#path, { force: true });
  }

  #ownsSocket(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#socketInode;
  }

  #isCurrent(): boolean {
    try {
      return readFileSync(this.#options.bundleFile).equals(this.#bundle) && statSync(this.#options.root).isDirectory();
    } catch {
      return false;
    }
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
    const session = new Conversation(socket, ask, () => this.#leave());
    const refusal = this.#refusal(ask);
    this.#asked++;
    if (refusal !== undefined) this.#decline(socket, refusal);
    else void this.#run(socket, session);
    return session;
  }

  async #run(socket: Socket, session: Conversation): Promise<void> {
    this.#isBusy = true;
    socket.write(encodeAnswer({ kind: "begun" }));
    try {
      const end = await this.#options.run(session);
      if ("declined" in end) this.#decline(socket, end.declined);
      else {
        this.#built++;
        socket.end(encodeAnswer({ kind: "done", exitCode: end.exitCode, stdout: "" }));
      }
      // The answer goes out before anything else is begun.
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#options.after();
    } catch {
      // Nobody foresaw it: what is remembered may be wrong, so it is remembered no longer.
      socket.destroy();
      this.stop();
    } finally {
      this.#isBusy = false;
      this.#lastOwnMs = Date.now();
    }
  }

  #decline(socket: Socket, because: string): void {
    this.#declined = because;
    socket.end(encodeAnswer({ kind: "declined", because }));
  }

  /** Why a command is none of this builder's. */
  #refusal(ask: AskOrder): string | undefined {
    if (this.#isBusy) return "busy";
    const refusal = this.#mismatch(ask);
    if (refusal === undefined) return undefined;
    const isIdle = Date.now() - this.#lastOwnMs > OWN_WITHIN_MS;
    if (isIdle || !this.#isCurrent()) setImmediate(() => this.#end("replaced"));
    return refusal;
  }

  #mismatch(ask: AskOrder): string | undefined {
    if (!ask.bundle.equals(this.#bundle)) return "another begat";
    if (ask.world !== this.#world) return "another root or mount namespace";
    if (ask.uid !== process.geteuid?.() || ask.gid !== process.getegid?.()) return "another user or group";
    if (ask.standing === undefined || comparable(ask.standing) !== this.#standing)
      return "other limits, masks, namespaces or control group";
    const [mine, theirs] = [deciding(this.#options.env), deciding(ask.env)];
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
