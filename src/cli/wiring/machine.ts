import { availableParallelism, hostname, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path/posix";
import { BegatError } from "../../base/index.ts";
import { type CacheIndex, CacheLayout, FileBlobStore, openIndex } from "../../cache/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeClock,
  NodeFetcher,
  NodeFileTree,
  NodeProcessRunner,
  NodeProcessTable,
  type UserDirectories,
  userDirectories,
} from "../../platform/index.ts";
import { type Log, SILENT_LOG } from "../../ports/index.ts";
import type { Host } from "../host.ts";

export class WorkspaceError extends BegatError<"WORKSPACE_NOT_FOUND"> {}

/** A checkout: where its begatfile stands, and where the user stands in it. */
export interface Workspace {
  /** Absolute. */
  readonly root: string;
  /** Begatfiles, from the root. */
  readonly entries: readonly string[];
  /** From the root; empty for the root itself. */
  readonly directory: string;
}

/** Something open that outlives a command, where the machine is kept for another. */
export interface Resting {
  /** The command is over: what others wait for is let go of, what is to be written is written. */
  rest(): void;
  /** Whether it may go on: `false` where somebody else has changed what it rests on. */
  isAsLeft(): boolean;
  resume(): void;
  /** After `rest`, when nobody waits any more. */
  tidy?(): void;
}

/** The parts of this machine that rooms are given; each made at its first use. */
export class Machine {
  readonly host: Host;
  readonly fs = new NodeFileTree();
  readonly clock = new NodeClock();
  readonly random = new KernelRandom();
  readonly processes = new NodeProcessTable();
  readonly log: Log = SILENT_LOG;
  readonly #resting: Resting[] = [];
  readonly #closing: (() => void | Promise<void>)[] = [];
  #directories: UserDirectories | undefined;
  #bulk: NodeBulkFiles | undefined;
  #index: Promise<CacheIndex> | undefined;

  constructor(host: Host) {
    this.host = host;
  }

  get directories(): UserDirectories {
    this.#directories ??= userDirectories(this.host.env);
    return this.#directories;
  }

  /** Absolute. */
  get ledgerFile(): string {
    return `${this.directories.stateHome}/ledger.db`;
  }

  get layout(): CacheLayout {
    return new CacheLayout(this.directories.cacheHome);
  }

  get bulk(): NodeBulkFiles {
    this.#bulk ??= new NodeBulkFiles();
    return this.#bulk;
  }

  get runner(): NodeProcessRunner {
    return new NodeProcessRunner();
  }

  get fetcher(): NodeFetcher {
    const extraCaFile = this.host.env.BEGAT_EXTRA_CA_CERTS || this.host.env.NODE_EXTRA_CA_CERTS;
    return new NodeFetcher(extraCaFile ? { extraCaFile } : {});
  }

  get jobs(): number {
    return availableParallelism();
  }

  get who(): string {
    try {
      return userInfo().username;
    } catch {
      // A container's user need not have a name.
      return `uid ${process.getuid?.() ?? "unknown"}`;
    }
  }

  /** The user's environment, for apt, npm and the like. */
  get environment(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.host.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
  }

  get rnode(): string {
    return hostname();
  }

  blobs(checkoutTmp: string | undefined): FileBlobStore {
    return new FileBlobStore({
      fs: this.fs,
      processes: this.processes,
      random: this.random,
      cacheHome: this.directories.cacheHome,
      bulk: this.bulk,
      ...(checkoutTmp === undefined ? {} : { checkoutTmp }),
    });
  }

  /** The index, opened once a command. */
  index(onNotice: (text: string) => void = () => {}): Promise<CacheIndex> {
    if (this.#index === undefined) {
      const { fs, clock, processes } = this;
      this.#index = openIndex({ fs, clock, processes, cacheHome: this.directories.cacheHome, onNotice });
      this.onClose(async () => (await this.#index?.catch(() => undefined))?.close());
    }
    return this.#index;
  }

  onClose(work: () => void | Promise<void>): void {
    this.#closing.push(work);
  }

  onRest(resting: Resting): void {
    this.#resting.push(resting);
  }

  /** Between two commands; latest first. */
  rest(): void {
    for (const one of [...this.#resting].reverse()) one.rest();
  }

  tidy(): void {
    for (const one of this.#resting) one.tidy?.();
  }

  /** For the next one. `false`: it may not, and is to be closed. */
  resume(): boolean {
    if (!this.#resting.every((one) => one.isAsLeft())) return false;
    for (const one of this.#resting) one.resume();
    return true;
  }

  async close(): Promise<void> {
    for (const work of this.#closing.splice(0).reverse()) await work();
  }

  /**
   * The workspace of `directory`: where the nearest `begatfile` stands, going up; with begatfiles named, `directory`
   * itself.
   *
   * @throws {WorkspaceError}
   */
  workspace(directory: string, begatfiles: readonly string[]): Workspace {
    if (begatfiles.length > 0) {
      return { root: directory, entries: begatfiles.map((path) => relativeFrom(directory, path)), directory: "" };
    }
    for (let at = directory; ; at = dirname(at)) {
      if (this.fs.stat(join(at, "begatfile"))?.kind === "file") {
        return {
          root: at,
          entries: ["begatfile"],
          directory: directory === at ? "" : directory.slice(at === "/" ? 1 : at.length + 1),
        };
      }
      if (at === "/") break;
    }
    throw new WorkspaceError("WORKSPACE_NOT_FOUND", `there is no begatfile in ${directory} or above it`, {
      hint: "`begat init` writes a small one",
    });
  }
}

function relativeFrom(directory: string, path: string): string {
  const full = resolve(directory, path);
  const prefix = directory === "/" ? "/" : `${directory}/`;
  if (full.startsWith(prefix)) return full.slice(prefix.length);
  throw new WorkspaceError("WORKSPACE_NOT_FOUND", `begatfile ${path} is outside ${directory}`, {
    hint: "name the workspace with -C DIR; begatfiles stand inside it",
  });
}
