import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { type ChangeFeed, ChangeFeedError, type Changes } from "../ports/index.ts";
import { forgetBelow } from "./listening-feed.ts";

/** Spoken with begat-change-feed; docs/formats.md, "Change feed". */
const PROTOCOL_VERSION = 1;
const ORDER = { watch: 1, drain: 2 } as const;
const ANSWER = { ready: 128, changed: 129, lost: 130, doubt: 131, watching: 132, drained: 133 } as const;
const DOUBTS = [undefined, "overflow", "mounts"] as const;

type Waiting<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };

/** begat-change-feed as a child: inotify, without what Node's own watcher leaves out. Linux only. */
export class NativeChangeFeed implements ChangeFeed {
  readonly isExact = true;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  readonly #numbers = new Map<string, number>();
  readonly #paths: string[] = [];
  readonly #watching: Waiting<readonly [errno: number, number: number]>[] = [];
  readonly #draining: Waiting<Changes>[] = [];
  #changed = new Set<number>();
  #lost = new Set<number>();
  #doubt: Changes["doubt"];
  #unread: Buffer = Buffer.alloc(0);
  #ready: Waiting<number> | undefined;
  #ended: ChangeFeedError | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once("error", (cause) => this.#end(`cannot be started: ${cause.message}`));
    child.once("exit", (code, signal) => this.#end(`ended with ${signal ?? code}`));
    child.stdin?.on("error", () => undefined);
    child.stdout?.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  /** @throws {ChangeFeedError} `FEED_UNAVAILABLE` when the program is not there or is another's. */
  static async start(program: string): Promise<NativeChangeFeed> {
    const child = spawn(program, [], { cwd: "/", env: {}, stdio: ["pipe", "pipe", "ignore"], detached: true });
    const feed = new NativeChangeFeed(child);
    try {
      const version = await new Promise<number>((resolve, reject) => {
        feed.#ready = { resolve, reject };
      });
      if (version !== PROTOCOL_VERSION) throw new Error(`it speaks version ${version}, not ${PROTOCOL_VERSION}`);
    } catch (cause) {
      await feed.close();
      throw new ChangeFeedError("FEED_UNAVAILABLE", "the change feed does not work", { cause });
    }
    // What waits for an answer keeps the process alive; the feed itself does not.
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as Socket | null)?.unref();
    return feed;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async watch(directories: readonly string[]): Promise<readonly number[]> {
    // One after another: numbers are given in the order in which the orders arrive.
    const done = this.#turn.then(() => this.#watchNow(directories));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #watchNow(directories: readonly string[]): Promise<readonly number[]> {
    const fresh = [...new Set(directories)].filter((path) => !this.#numbers.has(path));
    if (fresh.length > 0) {
      const first = this.#paths.length;
      const order = Buffer.from(fresh.map((path) => `${path}\0`).join(""));
      const [errno, last] = await this.#ask(this.#watching, ORDER.watch, order);
      const taken = errno === 0 ? fresh.length : last - first;
      for (const path of fresh.slice(0, taken)) this.#numbers.set(path, this.#paths.push(path) - 1);
      if (errno !== 0) {
        const hint = errno === ENOSPC ? "raise fs.inotify.max_user_watches with sysctl" : undefined;
        const path = fresh[taken] as string;
        const message = `${path} cannot be watched: ${errno === ENOSPC ? "no more watches allowed" : `error ${errno}`}`;
        throw new ChangeFeedError("FEED_REFUSED", message, hint === undefined ? {} : { hint });
      }
    }
    return directories.map((path) => this.#numbers.get(path) as number);
  }

  forget(directory: string): void {
    forgetBelow(this.#numbers, directory);
  }

  drain(): Promise<Changes> {
    const ticket = Buffer.alloc(4);
    return this.#ask(this.#draining, ORDER.drain, ticket);
  }

  onChange(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#end("was closed");
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#child.kill("SIGKILL");
  }

  #ask<T>(queue: Waiting<T>[], kind: number, content: Buffer): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      (this.#child.stdout as Socket | null)?.ref();
      queue.push({ resolve, reject });
      const head = Buffer.alloc(5);
      head.writeUInt32LE(content.length + 1, 0);
      head[4] = kind;
      this.#child.stdin?.write(Buffer.concat([head, content]));
    });
  }

  #answered<T>(queue: Waiting<T>[], value: T): void {
    queue.shift()?.resolve(value);
    if (this.#watching.length + this.#draining.length === 0) (this.#child.stdout as Socket | null)?.unref();
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    const error = new ChangeFeedError("FEED_ENDED", `the change feed ${why}`);
    this.#ended = error;
    for (const waiting of [...this.#watching.splice(0), ...this.#draining.splice(0)]) waiting.reject(error);
    this.#ready?.reject(error);
    this.#wake();
  }

  #take(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    let at = 0;
    while (this.#unread.length - at >= 5) {
      const length = this.#unread.readUInt32LE(at);
      if (this.#unread.length - at - 4 < length) break;
      const content = this.#unread.subarray(at + 5, at + 4 + length);
      this.#hear(this.#unread[at + 4] as number, content);
      at += 4 + length;
    }
    this.#unread = this.#unread.subarray(at);
  }

  #hear(kind: number, content: Buffer): void {
    const numbers: number[] = [];
    for (let at = 0; at + 4 <= content.length; at += 4) numbers.push(content.readUInt32LE(at));
    switch (kind) {
      case ANSWER.ready:
        this.#ready?.resolve(numbers[0] ?? 0);
        this.#ready = undefined;
        break;
      case ANSWER.changed:
        for (const number of numbers) this.#changed.add(number);
        this.#wake();
        break;
      case ANSWER.lost:
        for (const number of numbers) {
          this.#lost.add(number);
          const path = this.#paths[number];
          if (path !== undefined && this.#numbers.get(path) === number) this.forget(path);
        }
        this.#wake();
        break;
      case ANSWER.doubt:
        this.#doubt = DOUBTS[numbers[0] ?? 0] ?? "overflow";
        this.#wake();
        break;
      case ANSWER.watching:
        this.#answered(this.#watching, [numbers[0] ?? 0, numbers[1] ?? 0]);
        break;
      case ANSWER.drained: {
        const changes = { changed: [...this.#changed], lost: [...this.#lost], doubt: this.#doubt };
        this.#changed = new Set();
        this.#lost = new Set();
        this.#doubt = undefined;
        this.#answered(this.#draining, changes);
      }
    }
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }
}

const ENOSPC = 28;
