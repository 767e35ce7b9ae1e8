import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path/posix";
import type { BackEnd, SlotPlaces } from "./back-end.ts";
import { ExecutorError } from "./executor.ts";
import { Launcher } from "./launcher/launcher.ts";
import type { Containment } from "./launcher/launcher-command.ts";
import { processesOfUser } from "./launcher/process-table.ts";
import type { ExecutorLimits } from "./limits.ts";
import { emptyDirectory, removeTree } from "./staging/remove-tree.ts";
import { isReachableByAll, type StagingRoot } from "./staging/staging-root.ts";

export interface SlotOptions {
  readonly root: StagingRoot;
  readonly index: number;
  readonly uid: number | undefined;
  readonly shell: string;
  readonly backEnd: BackEnd;
  /** Absolute. Root file system of an image, for a slot whose recipes run in it. */
  readonly image?: string;
  /** Best first. */
  readonly containments: readonly Containment[];
  readonly limits: ExecutorLimits;
  /** Directories large inputs come from: the checkout, the blob store. */
  readonly inputRoots: readonly string[];
}

/** Threads that this user runs apart from recipes; counted once, as it is only a part of a generous limit. */
let counted: number | undefined;

function ownThreads(): number {
  counted ??= processesOfUser(process.getuid?.() ?? 0).reduce((sum, { threads }) => sum + threads, 0);
  return counted;
}

let nextImageSlot = 0;

/** A place where one recipe at a time runs: directories, a user, a launcher that is started when first needed. */
export class Slot implements SlotPlaces {
  readonly directory: string;
  readonly build: string;
  readonly uid: number | undefined;
  readonly medium: StagingRoot["medium"];
  readonly image: string | undefined;
  readonly imageRoot: string | undefined;
  readonly index: number;
  readonly #options: SlotOptions;
  readonly #binds: { readonly from: string; readonly at: string }[] = [];
  /** Directories of large inputs, and whether a user that owns nothing can go there. */
  readonly #openDirectories = new Map<string, boolean>();
  #launcher: Launcher | undefined;
  #containment: Containment | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.index = options.index;
    this.directory = `${options.root.path}/${options.index}${options.image === undefined ? "" : `-${nextImageSlot++}`}`;
    this.build = `${this.directory}/build`;
    this.uid = options.uid;
    this.medium = options.root.medium;
    this.#make(this.directory, 0o755, false);
    for (const name of ["build", "home", "tmp", "io"]) {
      this.#make(`${this.directory}/${name}`, name === "io" ? 0o700 : 0o755, true);
    }
    this.image = options.image;
    this.imageRoot = options.image;
    if (this.uid === undefined || !options.backEnd.bindsInputs || options.backEnd.reachesAll) return;
    if (options.image !== undefined && !isReachableByAll(options.image)) {
      this.image = `${this.directory}/image`;
      this.#make(this.image, 0o755, false);
      this.#binds.push({ from: options.image, at: this.image });
    }
    // The checkout may stand where only begat's own user can go, such as /root.
    for (const [index, from] of options.inputRoots.entries()) {
      if (isReachableByAll(from) || !existsSync(from)) continue;
      const at = `${this.directory}/inputs-${index}`;
      this.#make(at, 0o755, false);
      this.#binds.push({ from, at });
    }
  }

  readonly reach = (file: string): string | undefined => {
    if (this.uid === undefined) return file;
    const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & 0o004) === 0) return undefined;
    if (this.#options.backEnd.reachesAll) return file;
    const bind = this.#binds.find(({ from }) => file.startsWith(`${from}/`));
    const directory = dirname(file);
    let open = this.#openDirectories.get(directory);
    if (open === undefined) {
      open = isReachableByAll(directory, bind?.from);
      this.#openDirectories.set(directory, open);
    }
    if (!open) return undefined;
    return bind === undefined ? file : bind.at + file.slice(bind.from.length);
  };

  get containment(): Containment | undefined {
    return this.#containment;
  }

  /** A living launcher: the one there is, or a new one. @throws {ExecutorError} `EXECUTOR_UNUSABLE`. */
  async launcher(): Promise<Launcher> {
    if (this.#launcher?.alive) return this.#launcher;
    await this.#launcher?.close();
    this.#launcher = undefined;
    const { backEnd, containments, shell, limits } = this.#options;
    const choices = this.#containment === undefined ? containments : [this.#containment];
    let failure: unknown;
    for (const containment of choices) {
      emptyDirectory(`${this.directory}/io`);
      try {
        const starting = Launcher.start({
          containment,
          shell,
          directory: this.directory,
          user: this.uid === undefined ? undefined : { uid: this.uid },
          binds: this.#binds,
          ...(backEnd.wrap === undefined ? {} : { wrap: backEnd.wrap(this) }),
          limits,
          processes: limits.processes + (this.uid === undefined ? ownThreads() : 0),
          setup: backEnd.setup(this),
          nonce: randomBytes(16).toString("hex"),
        });
        try {
          backEnd.prepare(this);
        } catch (error) {
          await (await starting).close();
          throw error;
        }
        this.#launcher = await starting;
        this.#containment = containment;
        return this.#launcher;
      } catch (error) {
        failure = error;
      }
    }
    throw failure instanceof ExecutorError
      ? failure
      : new ExecutorError("EXECUTOR_UNUSABLE", "no launcher starts", { cause: failure });
  }

  killCommand(): void {
    this.#launcher?.killCommand();
  }

  /** Makes it as new: what a recipe left in its home, and, when `all`, in its build root too. */
  clean(all: boolean): void {
    for (const path of [`${this.directory}/home`, `${this.directory}/tmp`, this.build]) {
      this.#repair(path);
      if (all || path !== this.build) emptyDirectory(path);
    }
  }

  /** The recipe has ended: its build root can be read again, whatever it did to it. */
  reclaim(): void {
    this.#repair(this.build);
  }

  #repair(path: string): void {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isDirectory()) {
      // Without a user of its own a recipe can do even that.
      removeTree(path);
      this.#make(path, 0o755, true);
    } else if ((stat.mode & 0o7777) !== 0o755) {
      chmodSync(path, 0o755);
    }
  }

  async close(): Promise<void> {
    await this.#launcher?.close();
    this.#options.backEnd.leave?.(this.directory);
    removeTree(this.directory);
  }

  #make(path: string, mode: number, isRecipes: boolean): void {
    mkdirSync(path, { mode });
    // Whatever umask begat was started with.
    chmodSync(path, mode);
    if (isRecipes && this.uid !== undefined) chownSync(path, this.uid, this.uid);
  }
}
