import { BegatError } from "../base/index.ts";
import type { ProcessIdentity, ProcessTable } from "../cache/index.ts";
import { type Clock, type FileTree, FileTreeError, type Random } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";

export class CheckoutError extends BegatError<"CHECKOUT_NOT_WRITABLE" | "CHECKOUT_LOCK_LOST"> {}

const POLL_MS = 25;

/**
 * One build at a time in a checkout. The lock is a file that names its holder by process number and start time, put in
 * place by a hard link, so that it is there whole or not at all; a holder that is gone is replaced.
 */
export class CheckoutLock {
  readonly #fs: FileTree;
  readonly #path: string;
  readonly #own: string;

  private constructor(fs: FileTree, path: string, own: string) {
    this.#fs = fs;
    this.#path = path;
    this.#own = own;
  }

  /** Waits for its turn. `onWait` is told once, with the holder. */
  static async acquire(
    checkout: Checkout,
    rooms: { readonly clock: Clock; readonly random: Random; readonly processes: ProcessTable },
    onWait: (pid: number | undefined) => void,
    signal: AbortSignal,
  ): Promise<CheckoutLock> {
    const { fs } = checkout;
    const path = checkout.absolute(CHECKOUT.lock);
    const self = rooms.processes.self;
    const own = JSON.stringify(self);
    const draft = `${path}.${Buffer.from(rooms.random.bytes(6)).toString("hex")}`;
    try {
      fs.makeDirectory(checkout.absolute(CHECKOUT.directory));
      fs.writeFile(draft, own, { exclusive: true });
    } catch (cause) {
      // A full disk has room for a name.
      tryRemove(fs, draft);
      throw new CheckoutError("CHECKOUT_NOT_WRITABLE", `cannot write to ${CHECKOUT.directory} in the checkout`, {
        cause,
      });
    }
    try {
      for (let told = false; ; ) {
        signal.throwIfAborted();
        if (tryLink(fs, draft, path)) return new CheckoutLock(fs, path, own);
        const holder = readHolder(fs, path);
        if (holder === undefined) continue;
        if (!rooms.processes.isAlive(holder)) {
          // Moved aside and looked at again: another waiter may have put its own lock there meanwhile.
          const aside = `${draft}.stale`;
          if (!tryRename(fs, path, aside)) continue;
          const moved = readHolder(fs, aside);
          if (moved && (moved.pid !== holder.pid || moved.startedAt !== holder.startedAt)) tryLink(fs, aside, path);
          fs.remove(aside);
          continue;
        }
        if (!told) onWait(holder.pid);
        told = true;
        await rooms.clock.sleep(POLL_MS, signal);
      }
    } finally {
      fs.remove(draft);
    }
  }

  release(): void {
    const found = this.#fs.stat(this.#path) && this.#fs.readFile(this.#path).toString();
    if (found === this.#own) this.#fs.remove(this.#path);
  }
}

function tryLink(fs: FileTree, existing: string, path: string): boolean {
  try {
    fs.link(existing, path);
    return true;
  } catch (error) {
    if (error instanceof FileTreeError && error.code === "FILE_EXISTS") return false;
    throw error;
  }
}

function tryRename(fs: FileTree, from: string, to: string): boolean {
  try {
    fs.rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return false;
    throw error;
  }
}

function tryRemove(fs: FileTree, path: string): void {
  try {
    fs.remove(path);
  } catch {
    // What was the matter before is what counts.
  }
}

function readHolder(fs: FileTree, path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(fs.readFile(path).toString()) as ProcessIdentity;
  } catch (error) {
    if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return undefined;
    if (error instanceof SyntaxError) return { pid: 0, startedAt: 0 };
    throw error;
  }
}
