import type { Host, Output, Services, StopSignal } from "../../src/cli/index.ts";
import type { BuildEvent, BuildSummary } from "../../src/scheduler/index.ts";
import { MemoryFileTree } from "./memory-file-tree.ts";

/** Keeps what is written; a terminal of any size. */
export class MemoryOutput implements Output {
  text = "";
  readonly writes: string[] = [];
  readonly isTerminal: boolean;
  readonly #listeners = new Set<() => void>();
  #columns: number;
  #rows: number;

  constructor(options: { isTerminal?: boolean; columns?: number; rows?: number } = {}) {
    this.isTerminal = options.isTerminal ?? false;
    this.#columns = options.columns ?? 80;
    this.#rows = options.rows ?? 24;
  }

  columns(): number {
    return this.#columns;
  }

  rows(): number {
    return this.#rows;
  }

  write(text: string): void {
    this.text += text;
    this.writes.push(text);
  }

  resize(columns: number, rows: number): void {
    this.#columns = columns;
    this.#rows = rows;
    for (const listener of this.#listeners) listener();
  }

  onResize(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get watchers(): number {
    return this.#listeners.size;
  }
}

/** A clock and its tickers, moved by hand. */
export class ManualTicker {
  nowMs = 0;
  #next = 0;
  readonly #tickers = new Map<number, { ms: number; due: number; work: () => void }>();

  readonly now = (): number => this.nowMs;

  readonly every = (ms: number, work: () => void): (() => void) => {
    const id = this.#next++;
    this.#tickers.set(id, { ms, due: this.nowMs + ms, work });
    return () => this.#tickers.delete(id);
  };

  get active(): number {
    return this.#tickers.size;
  }

  /** Moves on, running what becomes due, in order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = [...this.#tickers.values()].filter((ticker) => ticker.due <= end).sort((a, b) => a.due - b.due)[0];
      if (due === undefined) break;
      this.nowMs = due.due;
      due.due += due.ms;
      due.work();
    }
    this.nowMs = end;
  }
}

export class FakeHost implements Host {
  readonly stdout: MemoryOutput;
  readonly stderr = new MemoryOutput();
  readonly env: Record<string, string | undefined> = {};
  readonly cwd = "/home/user/project";
  readonly version = { version: "1.2.3", build: "abc123", node: "20.20.2" };
  readonly engine = "unwanted";
  readonly ticker = new ManualTicker();
  readonly now = this.ticker.now;
  readonly every = this.ticker.every;
  readonly files = new MemoryFileTree();
  readonly abandoned: number[] = [];
  readonly services: Partial<Services>;
  opened = 0;
  closed = 0;
  loadLive: Host["loadLive"] = () => Promise.reject(new Error("no live view in this test"));
  readonly #signals = new Map<StopSignal, Set<() => void>>();
  readonly #closing: (() => void)[] = [];
  #outputClosed = false;

  constructor(services: Partial<Services> = {}, stdout: MemoryOutput = new MemoryOutput()) {
    this.services = services;
    this.stdout = stdout;
    this.files.makeDirectory(this.cwd);
  }

  onSignal(signal: StopSignal, listener: () => void): () => void {
    const listeners = this.#signals.get(signal) ?? new Set();
    this.#signals.set(signal, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Answers whether anybody listened; else the process would have ended. */
  signal(signal: StopSignal): boolean {
    const listeners = [...(this.#signals.get(signal) ?? [])];
    for (const listener of listeners) listener();
    return listeners.length > 0;
  }

  onOutputClosed(listener: () => void): void {
    this.#closing.push(listener);
  }

  closeOutput(): void {
    this.#outputClosed = true;
    for (const listener of this.#closing) listener();
  }

  outputClosed(): boolean {
    return this.#outputClosed;
  }

  abandon(exitCode: number): void {
    this.abandoned.push(exitCode);
  }

  openFiles(): Promise<MemoryFileTree> {
    return Promise.resolve(this.files);
  }

  openServices(): Promise<Services> {
    this.opened++;
    const close = async () => {
      this.closed++;
    };
    return Promise.resolve({ close, ...this.services } as Services);
  }
}

/** A build service that says what it is told to say. */
export function scriptedBuild(events: readonly BuildEvent[]): Pick<Services, "build"> {
  return {
    async build(_options, listener) {
      let summary: BuildSummary | undefined;
      for (const event of events) {
        listener(event);
        if (event.type === "build-finished") summary = event.summary;
      }
      if (summary === undefined) throw new Error("the script has no build-finished");
      return summary;
    },
  };
}
