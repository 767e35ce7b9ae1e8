import { accessSync, constants } from "node:fs";
import type { BackEnd } from "./back-end.ts";
import { ExecutorError } from "./executor.ts";
import type { ExecutorLimits } from "./limits.ts";
import { Slot } from "./slot.ts";
import type { StagedExecutorOptions } from "./staged-executor.ts";
import { removeTree } from "./staging/remove-tree.ts";
import { hasSlotUids, nextSlotUid } from "./staging/slot-user.ts";
import { isReachableByAll, makeStagingRoot, type StagingRoot } from "./staging/staging-root.ts";

/** With less than this, as in containers with 64 MB of /dev/shm, too many recipes would have to run twice. */
const MEMORY_BYTES = 256 * 1024 * 1024;

/** Images that one seat has a launcher ready for. */
const MOST_IMAGES = 4;

/** The right to run one recipe now. */
export interface Seat {
  slot(): Promise<Slot>;
  /** The same seat's slot on disk. */
  diskSlot(): Promise<Slot>;
  release(): void;
}

/** Hands out slots, the most recently used one first: its launcher runs and its memory is warm. */
export class SlotPool {
  readonly #options: StagedExecutorOptions;
  readonly #backEnd: BackEnd;
  readonly #limits: ExecutorLimits;
  readonly #idle: number[];
  readonly #waiting: { give(index: number): void }[] = [];
  readonly #slots = new Map<string, Slot>();
  readonly #roots = new Map<StagingRoot["medium"], StagingRoot>();
  readonly #uids = new Map<number, number | undefined>();
  readonly dropsUser: boolean;
  #closed = false;

  constructor(options: StagedExecutorOptions, backEnd: BackEnd, limits: ExecutorLimits) {
    this.#options = options;
    this.#backEnd = backEnd;
    this.#limits = limits;
    this.#idle = Array.from({ length: options.slots }, (_, index) => options.slots - 1 - index);
    this.dropsUser = process.getuid?.() === 0 && isExecutable("/usr/bin/setpriv") && hasSlotUids();
  }

  /** @param image Root file system of an image, absolute, where the recipe runs in one. */
  async take(signal: AbortSignal, label: string, image?: string): Promise<Seat> {
    if (signal.aborted) throw new ExecutorError("EXECUTOR_CANCELLED", `${label} was cancelled`);
    if (this.#closed) throw new ExecutorError("EXECUTOR_UNUSABLE", "executor is closed");
    const index = this.#idle.pop() ?? (await this.#wait(signal, label));
    let released = false;
    return {
      slot: () => this.#slot(index, "memory", image),
      diskSlot: () => this.#slot(index, "disk", image),
      release: () => {
        if (released) return;
        released = true;
        const next = this.#waiting.shift();
        if (next === undefined) this.#idle.push(index);
        else next.give(index);
      },
    };
  }

  /** What its slots stand in, absolute. @throws {ExecutorError} `EXECUTOR_UNUSABLE`. */
  get directory(): string {
    return this.#root("memory").path;
  }

  /** How recipes' processes are held together; known once one slot was used. */
  get containment() {
    for (const slot of this.#slots.values()) if (slot.containment !== undefined) return slot.containment;
    return undefined;
  }

  async restart(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slot) => slot.close()));
    this.#slots.clear();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.restart();
    for (const root of this.#roots.values()) removeTree(root.path);
    this.#roots.clear();
  }

  #wait(signal: AbortSignal, label: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiter = {
        give: (index: number) => {
          signal.removeEventListener("abort", onAbort);
          resolve(index);
        },
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new ExecutorError("EXECUTOR_CANCELLED", `${label} was cancelled`));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  async #slot(index: number, medium: StagingRoot["medium"], image: string | undefined): Promise<Slot> {
    const root = this.#root(medium);
    // Where there is no memory to be had, the first slot is on disk already.
    const key = `${root.path}/${index}${image === undefined ? "" : ` ${image}`}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      if (image !== undefined) await this.#forgetImages(`${root.path}/${index} `);
      slot = new Slot({
        root,
        index,
        uid: this.dropsUser ? this.#uid(index) : undefined,
        containments:
          this.#options.containment === undefined ? this.#backEnd.containments : [this.#options.containment],
        shell: shellPath(),
        backEnd: this.#backEnd,
        limits: this.#limits,
        inputRoots: this.#options.inputRoots,
        ...(image === undefined ? {} : { image }),
      });
      this.#slots.set(key, slot);
    }
    return slot;
  }

  /** Makes room for one more image in a seat: each has a launcher of its own, which takes 10 ms to start. */
  async #forgetImages(prefix: string): Promise<void> {
    const keys = [...this.#slots.keys()].filter((key) => key.startsWith(prefix));
    for (const key of keys.slice(0, Math.max(0, keys.length + 1 - MOST_IMAGES))) {
      const slot = this.#slots.get(key);
      this.#slots.delete(key);
      await slot?.close();
    }
  }

  #uid(index: number): number | undefined {
    const { firstSlotUid } = this.#options;
    if (firstSlotUid !== undefined) return firstSlotUid + index;
    let uid = this.#uids.get(index);
    if (uid === undefined) {
      uid = nextSlotUid();
      this.#uids.set(index, uid);
    }
    return uid;
  }

  #root(medium: StagingRoot["medium"]): StagingRoot {
    const known = this.#roots.get(medium);
    if (known !== undefined) return known;
    const runtime = process.env.XDG_RUNTIME_DIR;
    const memory = [this.#options.memoryStaging, "/dev/shm", this.dropsUser ? undefined : runtime];
    // A recipe's own user cannot go through a directory that is closed to others.
    const disk = this.dropsUser && !reachableAbove(this.#options.diskStaging) ? "/var/tmp" : this.#options.diskStaging;
    const parents = [
      ...(medium === "memory" ? memory : []).flatMap((path) =>
        path && (!this.dropsUser || isReachableByAll(path))
          ? [{ path, medium: "memory" as const, neededBytes: path === this.#options.memoryStaging ? 0 : MEMORY_BYTES }]
          : [],
      ),
      { path: disk, medium: "disk" as const, neededBytes: 0 },
    ];
    const root = makeStagingRoot(parents);
    if (root === undefined) {
      const tried = parents.map((parent) => parent.path).join(", ");
      throw new ExecutorError("EXECUTOR_UNUSABLE", `no directory for staging: tried ${tried}`);
    }
    this.#roots.set(medium, root);
    if (root.medium !== medium) this.#roots.set(root.medium, root);
    return root;
  }
}

/** The directory itself may have to be made yet. */
function reachableAbove(directory: string): boolean {
  return isReachableByAll(directory.slice(0, Math.max(1, directory.lastIndexOf("/"))));
}

function shellPath(): string {
  return ["/usr/bin/dash", "/bin/dash"].find(isExecutable) ?? "/bin/sh";
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
