import { chmodSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path/posix";
import { BegatError } from "../base/index.ts";
import { orderEngine } from "./engine-client.ts";
import { makePrivate } from "./engine-place.ts";
import type { AskOrder } from "./frames.ts";
import { ownWorld } from "./own-world.ts";

export class EngineError extends BegatError<"DAEMON_RUNNING" | "DAEMON_NO_PLACE"> {}

/** `idle`: nobody asked for a while. `replaced`: another one listens by now, or begat is another one. */
export type StandbyEnd = "idle" | "stopped" | "replaced";

export interface StandbyOptions {
  readonly directory: string;
  /** Of the socket in it. */
  readonly name: string;
  /** For a message: what it is that listens there. */
  readonly what: string;
  /** begat.cjs, whose bytes name the bundle. */
  readonly bundleFile: string;
  readonly idleMs: number;
}

/** Asked by another begat, and by none of its own for so long, it makes room. */
const OWN_WITHIN_MS = 60_000;
/** How often it looks whether it is still wanted. */
const ROUND_MS = 15_000;
export const PATIENCE_MS = 1000;

/** A process that stands by on a private socket, until nobody needs it or it is not what it was. */
export class Standby {
  readonly #options: StandbyOptions;
  readonly #bundle: Buffer;
  readonly #server: Server;
  readonly #path: string;
  readonly #world = ownWorld();
  #lastOwnMs = Date.now();
  #socketInode = 0;
  #end: (end: StandbyEnd) => void = () => {};
  readonly #ended = new Promise<StandbyEnd>((resolve) => {
    this.#end = resolve;
  });

  constructor(options: StandbyOptions, serve: (socket: Socket) => void) {
    this.#options = options;
    this.#bundle = readFileSync(options.bundleFile);
    this.#path = join(options.directory, options.name);
    this.#server = createServer(serve);
  }

  /**
   * Listens.
   *
   * @throws {EngineError} `DAEMON_RUNNING` when another one does, `DAEMON_NO_PLACE` when others could reach the socket.
   */
  async start(): Promise<void> {
    const { directory, name, what } = this.#options;
    if (!makePrivate(directory)) {
      throw new EngineError("DAEMON_NO_PLACE", `${directory} is not this user's alone, so no socket can be there`, {
        hint: `make it private with chmod 700 ${directory}`,
      });
    }
    const other = await orderEngine(directory, { kind: "status" }, PATIENCE_MS, name);
    if (other.kind !== "absent") throw new EngineError("DAEMON_RUNNING", `${what} is running already`);
    rmSync(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#path, () => resolve());
    });
    chmodSync(this.#path, 0o600);
    this.#socketInode = statSync(this.#path).ino;
  }

  /**
   * Serves until it ends.
   *
   * @param round Every so often: answers whether it still is of use; `undefined` while it is at work, which it then ends first.
   */
  async untilEnd(round: () => boolean | undefined): Promise<StandbyEnd> {
    const rounds = setInterval(() => this.#round(round), Math.min(ROUND_MS, this.#options.idleMs));
    const end = await this.#ended;
    clearInterval(rounds);
    this.leave();
    this.#server.close();
    return end;
  }

  end(end: StandbyEnd): void {
    this.#end(end);
  }

  /** Whoever it serves has asked, or has been served. */
  used(): void {
    this.#lastOwnMs = Date.now();
  }

  /** Nobody finds it any more. */
  leave(): void {
    if (this.#ownsSocket()) rmSync(this.#path, { force: true });
  }

  /** Whoever is another begat, or sees other files, or is another user, is not served; and it makes room for one who can. */
  mismatch(ask: AskOrder): string | undefined {
    if (!ask.bundle.equals(this.#bundle)) {
      this.makeRoom();
      return "another begat";
    }
    if (ask.world !== this.#world) return "another root or mount namespace";
    if (ask.uid !== process.geteuid?.() || ask.gid !== process.getegid?.()) return "another user or group";
    return undefined;
  }

  /** Ends, if nobody of its own has asked for a while, or there will be nobody. */
  makeRoom(): void {
    const isIdle = Date.now() - this.#lastOwnMs > OWN_WITHIN_MS;
    if (isIdle || !this.#isCurrent()) setImmediate(() => this.#end("replaced"));
  }

  #round(round: () => boolean | undefined): void {
    const isOfUse = round();
    if (isOfUse === undefined) return;
    if (Date.now() - this.#lastOwnMs >= this.#options.idleMs) this.#end("idle");
    // Two that were started at the same moment: the one whose socket is gone is asked by nobody.
    else if (!this.#ownsSocket() || !this.#isCurrent() || !isOfUse) this.#end("replaced");
  }

  #ownsSocket(): boolean {
    try {
      return statSync(this.#path).ino === this.#socketInode;
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
}
