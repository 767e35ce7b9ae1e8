import { join } from "node:path/posix";
import { BegatError } from "../../base/index.ts";
import { keysDirectory } from "../../provenance/index.ts";
import { type BuildEvent, type BuildRooms, CHECKOUT, type EventListener } from "../../scheduler/index.ts";
import type { Host } from "../host.ts";
import type { BuildOptions } from "../services.ts";
import { buildRooms, type KeptRooms, ownRooms } from "./build-service.ts";
import { Machine, type Workspace } from "./machine.ts";

/** What was measured of the machine, and read of the store, is measured and read again after so long. */
const OPEN_MS = 10 * 60_000;
/** Nothing stays open longer than this after the last build. */
const REST_MS = 3 * 60_000;

interface Opened {
  readonly machine: Machine;
  readonly kept: KeptRooms;
  readonly question: string;
  readonly openedMs: number;
  /** What was said when the executor was chosen: each build says it. */
  readonly said: BuildEvent[];
  /** Whether the chosen executor was chosen for recipes in images. */
  images: boolean | undefined;
  files: string;
}

/**
 * What builds of one checkout leave open for the next: ledger, index, store, executor. Each build has the rest of its
 * rooms to itself. What another process has written to, replaced or decided meanwhile is opened anew.
 */
export class Workbench {
  readonly #workspace: Workspace;
  #opened: Opened | undefined;
  #listener: EventListener = () => {};
  #isSaying = false;
  #closing: (() => void) | undefined;
  /** By a build that has not come to its end. */
  #isUsed = false;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** Rooms of a build; all that is said goes to its listener. */
  async rooms(host: Host, options: BuildOptions, listener: EventListener): Promise<BuildRooms> {
    this.#closing?.();
    this.#isUsed = true;
    this.#listener = listener;
    const { executor, jobs, minIsolation, offline, agreeing } = options;
    const question = JSON.stringify([executor, jobs, minIsolation, offline, agreeing]);
    if (this.#opened !== undefined && !this.#mayGoOn(this.#opened, question)) await this.close();
    this.#opened ??= this.#open(host, question);
    const { machine } = this.#opened;
    const kept = this.#saying(this.#opened);
    return buildRooms(machine, this.#workspace, options, (event) => this.#hear(event), { kept });
  }

  /** The build is over: nobody waits for what stays open. Of no effect after one that needed no rooms. */
  rest(clock: Machine["clock"]): void {
    const opened = this.#opened;
    if (opened === undefined || !this.#isUsed) return;
    this.#isUsed = false;
    opened.machine.rest();
    opened.files = this.#filesOf(opened.machine);
    const ending = new AbortController();
    this.#closing = () => ending.abort();
    clock.sleep(REST_MS, ending.signal).then(
      () => this.close(),
      () => {},
    );
  }

  /** When the answer is out. */
  tidy(): void {
    this.#opened?.machine.tidy();
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.machine.close();
  }

  #open(host: Host, question: string): Opened {
    const machine = new Machine(host);
    const openedMs = machine.clock.monotonicMs();
    const kept = ownRooms(machine, this.#workspace);
    return { machine, kept, question, openedMs, said: [], images: undefined, files: "" };
  }

  #mayGoOn({ machine, question, openedMs, files }: Opened, asked: string): boolean {
    if (question !== asked || machine.clock.monotonicMs() - openedMs > OPEN_MS || this.#filesOf(machine) !== files)
      return false;
    try {
      return machine.resume();
    } catch (error) {
      // Whatever is wrong with the ledger or the index, it is told of when they are opened.
      if (error instanceof BegatError) return false;
      throw error;
    }
  }

  /** An executor that stays is chosen once, and what was said then is said to each build. */
  #saying(opened: Opened): KeptRooms {
    let isFirst = true;
    return {
      ...opened.kept,
      executor: async (images, choose) => {
        const isKnown = opened.images === true || opened.images === images;
        if (isKnown && isFirst) for (const event of opened.said) this.#listener(event);
        isFirst = false;
        if (isKnown) return opened.kept.executor(images, choose);
        opened.images = images;
        opened.said.length = 0;
        this.#isSaying = true;
        return opened.kept.executor(images, choose).finally(() => {
          this.#isSaying = false;
        });
      },
    };
  }

  #hear(event: BuildEvent): void {
    if (this.#isSaying && event.type === "notice" && event.code.startsWith("EXECUTOR_")) this.#opened?.said.push(event);
    this.#listener(event);
  }

  /** The files that an open ledger, index and key are, and the directories that are made once, as they stand. */
  #filesOf({ fs, ledgerFile, layout, directories: { stateHome, cacheHome } }: Machine): string {
    const keys = keysDirectory(stateHome);
    const names = fs.stat(keys)?.kind === "directory" ? fs.readDirectory(keys).map(({ name }) => join(keys, name)) : [];
    const made = [join(this.#workspace.root, CHECKOUT.temporary), join(cacheHome, "staging"), layout.cas];
    const stats = [ledgerFile, layout.index, keys, ...names, ...made].map((path) => {
      const { inode, device, mode, uid } = fs.lstat(path) ?? {};
      return [path, inode, device, mode, uid];
    });
    return JSON.stringify(stats);
  }
}
