import type { WorkspacePath } from "../../src/base/index.ts";
import { readAction } from "../../src/executor/index.ts";
import { type ChangeFeed, SILENT_LOG } from "../../src/ports/index.ts";
import {
  catchUpIndex,
  endorsedKeys,
  type InputLister,
  indexedExecution,
  trustedExecution,
} from "../../src/provenance/index.ts";
import {
  type BuildEvent,
  type BuildOptions,
  type BuildRooms,
  type BuildSummary,
  build,
  Checkout,
  type WarmCheckout,
  type WatchObserver,
  watchBuilds,
} from "../../src/scheduler/index.ts";
import { FakeExecutor, type FakeRecipe } from "./fake-executor.ts";
import { FakeProcessTable } from "./fake-process-table.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryActionIndex } from "./memory-action-index.ts";
import { MemoryBlobStore } from "./memory-blob-store.ts";
import { MemoryBulkFiles } from "./memory-bulk-files.ts";
import { MemoryFileTree } from "./memory-file-tree.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";

const ROOT = "/checkout";

const OPTIONS: BuildOptions = {
  version: "test",
  entries: ["begatfile" as WorkspacePath],
  targets: [],
  directory: "" as WorkspacePath,
  overrides: {},
  jobs: 2,
  keepGoing: true,
  dryRun: false,
  force: false,
  everyOutput: false,
  minIsolation: undefined,
  choseExecutor: false,
  timeoutMs: 0,
  resources: {},
  verbose: false,
  who: "tester",
  env: () => undefined,
};

/** Reads actions back from manifests, as the engine's own does. */
export const memoryLister: InputLister = (action, manifest) => {
  const listing = readAction(action, manifest);
  if (listing === undefined) throw new Error(`manifests of ${action} are missing`);
  return listing;
};

/** Of a build that had nothing to do. */
const QUICK = { outcome: "ok", executed: 0 } as BuildSummary;

export interface MemoryBuilt {
  readonly summary: BuildSummary;
  readonly events: readonly BuildEvent[];
  /** Labels, in the order they were begun. */
  readonly executed: readonly string[];
}

/** The real engine in a world of memory: files, store, ledger, index and recipes are fakes that pass their contracts. */
export class MemoryBuilds {
  readonly clock = new ManualClock();
  /** Files are dated as a kernel dates them: by a clock that moves every 4 ms, and never stands on a whole one. */
  readonly fs = new MemoryFileTree({
    nowMs: () => Math.floor(this.clock.nowMs() / 4) * 4 + 0.123,
    monotonicMs: () => this.clock.monotonicMs(),
    sleep: (ms, signal) => this.clock.sleep(ms, signal),
  });
  readonly random: SeededRandom;
  readonly ledger = new MemoryLedger(this.clock);
  index = new MemoryActionIndex();
  blobs = new MemoryBlobStore(this.fs);
  readonly #recipe: FakeRecipe;

  constructor(recipe: FakeRecipe, seed = 1) {
    this.#recipe = recipe;
    this.random = new SeededRandom(seed);
    this.fs.makeDirectory(ROOT);
    // Every call takes its time, so that nothing happens at the same moment as what was before it.
    this.fs.onCall = () => this.clock.tick(0.0531);
  }

  at(path: string): string {
    return `${ROOT}/${path}`;
  }

  write(path: string, content: string, mode = 0o644): void {
    const full = this.at(path);
    this.fs.makeDirectory(full.slice(0, full.lastIndexOf("/")));
    this.fs.writeFile(full, content);
    this.fs.setMode(full, mode);
  }

  read(path: string): string | undefined {
    return this.fs.stat(this.at(path))?.kind === "file" ? this.fs.readFile(this.at(path)).toString() : undefined;
  }

  remove(path: string): void {
    this.fs.remove(this.at(path));
  }

  /** A build as a process of its own would do it: nothing is remembered but what is written. */
  async build(
    options: Partial<BuildOptions> & {
      readonly signal?: AbortSignal;
      readonly onEvent?: (event: BuildEvent) => void;
      /** Beside the rooms in memory, or in their place. */
      readonly rooms?: Partial<BuildRooms>;
    } = {},
  ): Promise<MemoryBuilt> {
    const { signal = new AbortController().signal, onEvent, rooms, ...given } = options;
    this.blobs = this.blobs.again();
    const jobs = given.jobs ?? 2;
    const executor = this.#executor(Math.max(1, jobs));
    const events: BuildEvent[] = [];
    const summary = await build(
      { ...OPTIONS, jobs, ...given },
      { ...this.#rooms(executor), ...rooms },
      (event) => {
        events.push(event);
        onEvent?.(event);
      },
      signal,
    );
    return { summary, events, executed: executor.executed.map(({ label }) => label) };
  }

  /** A build of a process that has built before, or its word that there is nothing to do. */
  async warmBuild(
    warm: WarmCheckout,
    given: Partial<BuildOptions> = {},
    settling: AbortSignal = new AbortController().signal,
  ): Promise<MemoryBuilt & { isQuick: boolean }> {
    const executor = this.#executor(OPTIONS.jobs);
    const rooms = this.#rooms(executor);
    const options = { ...OPTIONS, ...given };
    const rest = await warm.atRest(options, rooms.checkout);
    if (rest?.upToDate) {
      await warm.settle(settling);
      return { summary: QUICK, events: [], executed: [], isQuick: true };
    }
    const events: BuildEvent[] = [];
    const listener = (event: BuildEvent) => void events.push(event);
    const summary = await warm.build(options, rooms, listener, new AbortController().signal);
    await warm.settle(settling);
    return { summary, events, executed: executor.executed.map(({ label }) => label), isQuick: false };
  }

  /** Builds again and again, all in one process, for as long as `feed` tells of changes. */
  watch(
    feed: ChangeFeed,
    observer: WatchObserver,
    signal: AbortSignal,
    given: Partial<BuildOptions> = {},
  ): { readonly executor: FakeExecutor; readonly done: Promise<void> } {
    const executor = this.#executor(OPTIONS.jobs);
    const watched = { feed, root: ROOT };
    return {
      executor,
      done: watchBuilds({ ...OPTIONS, ...given }, this.#rooms(executor), watched, observer, signal),
    };
  }

  #executor(slots: number): FakeExecutor {
    const { clock, fs, blobs } = this;
    return new FakeExecutor({ blobs, clock, files: fs, recipe: this.#recipe, slots });
  }

  #rooms(executor: FakeExecutor): BuildRooms {
    const { ledger, clock, fs, blobs, random } = this;
    const keys = endorsedKeys(ledger);
    return {
      // Plans are small here: what is written after a state file may be as large as the file.
      checkout: new Checkout(fs, ROOT, { deltaShare: 2 }),
      clock,
      random,
      log: SILENT_LOG,
      processes: new FakeProcessTable(),
      blobs,
      bulk: new MemoryBulkFiles(fs),
      executor: async () => ({ executor, hostLevel: "none", imageLevel: "none" }),
      records: async () => {
        const { index } = this;
        catchUpIndex(ledger, index);
        return {
          ledger,
          index,
          signer: ledger.signer,
          rnode: "frodo",
          trust: (candidate, action, minimumLevel) => {
            const verdict = trustedExecution(candidate, action, ledger, { minimumLevel, keys, lister: memoryLister });
            if (verdict.trusted)
              return { trusted: true, execution: indexedExecution(verdict.record), listing: verdict.listing };
            return { trusted: false, because: verdict.because };
          },
          catchUp: () => void catchUpIndex(ledger, index),
        };
      },
      sources: {
        provide: async () => [],
        verifySource: async (name) => Promise.reject(new Error(`no source ${name}`)),
      },
      images: {
        resolve: async () => [],
        build: async ({ name }) => Promise.reject(new Error(`no image ${name}`)),
        root: () => undefined,
      },
      hostIdentity: () => ({ image: "begat-host:test", watched: [] }),
      sourceDirectory: (name) => `.begat/source/${name}` as WorkspacePath,
      sourceMarker: (name) => `.begat/source/${name}.json` as WorkspacePath,
    };
  }
}
