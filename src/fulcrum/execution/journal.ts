import type { Clock, FileSink, FileStreams, FileTree } from "../../ports/index.ts";
import type { OperationRequest } from "./operation.ts";

/** What an earlier leader left. */
export interface Restored {
  /** Not answered, in the order they were asked for. */
  readonly requests: readonly OperationRequest[];
  /** Rnodes that may hold leases of it. */
  readonly rnodes: readonly string[];
  /** What chores took, by history key. */
  readonly history: readonly (readonly [key: string, durationsMs: readonly number[]])[];
}

type Line =
  | { readonly o: "ask"; readonly r: OperationRequest }
  | { readonly o: "give"; readonly x: string; readonly n: string }
  | { readonly o: "end"; readonly x: string }
  | { readonly o: "took"; readonly k: string; readonly ms: number };

/** Lines after which the journal is written anew, unless most of them still count. */
const COMPACT_AFTER = 20_000;
const HISTORY_KEPT = 20;
const MOST_HISTORY = 50_000;
const NAME = /^journal-(\d{7})-(\d{5})$/;

/**
 * What is asked for and not answered, a line of JSON each, so that a leader that was killed goes on. Lines are written
 * and not synced: what a machine loses that lost its power, clients ask for again. The epoch is synced: a fence is never
 * given twice.
 */
export class Journal {
  /** Greater at each start. */
  readonly epoch: number;
  readonly #files: FileTree;
  readonly #streams: FileStreams;
  readonly #directory: string;
  readonly #open = new Map<string, OperationRequest>();
  readonly #givenTo = new Map<string, Set<string>>();
  readonly #history = new Map<string, number[]>();
  #sink: FileSink | undefined;
  #path = "";
  #number = 0;
  #lines = 0;

  constructor(
    ports: { readonly files: FileTree; readonly streams: FileStreams; readonly clock: Clock },
    directory: string,
  ) {
    this.#files = ports.files;
    this.#streams = ports.streams;
    this.#directory = directory;
    this.#files.makeDirectory(directory, 0o700);
    this.epoch = this.#nextEpoch();
  }

  /** Reads what earlier leaders left, and begins a file of its own with it. */
  begin(): Restored {
    const old = this.#names();
    for (const name of old) this.#read(`${this.#directory}/${name}`);
    this.#rewrite(old);
    const rnodes = new Set([...this.#givenTo].flatMap(([name, given]) => (this.#open.has(name) ? [...given] : [])));
    return { requests: [...this.#open.values()], rnodes: [...rnodes], history: [...this.#history] };
  }

  submitted(request: OperationRequest): void {
    this.#apply({ o: "ask", r: request });
    this.#write({ o: "ask", r: request });
  }

  assigned(execution: string, rnode: string): void {
    if (this.#givenTo.get(execution)?.has(rnode)) return;
    this.#apply({ o: "give", x: execution, n: rnode });
    this.#write({ o: "give", x: execution, n: rnode });
  }

  ended(execution: string): void {
    this.#apply({ o: "end", x: execution });
    this.#write({ o: "end", x: execution });
  }

  took(historyKey: string, durationMs: number): void {
    const ms = Math.round(durationMs);
    this.#apply({ o: "took", k: historyKey, ms });
    this.#write({ o: "took", k: historyKey, ms });
  }

  close(): void {
    this.#sink?.close();
    this.#sink = undefined;
  }

  #nextEpoch(): number {
    const path = `${this.#directory}/epoch`;
    const last = this.#files.lstat(path) === undefined ? 0 : Number(this.#files.readFile(path).toString());
    const named = this.#names().map((name) => Number(NAME.exec(name)?.[1]));
    const epoch = Math.max(Number.isSafeInteger(last) ? last : 0, ...named) + 1;
    this.#files.replaceFile(path, `${epoch}\n`, { mode: 0o600, durable: true });
    return epoch;
  }

  /** In the order they were begun. */
  #names(): string[] {
    return this.#files
      .readDirectory(this.#directory)
      .map(({ name }) => name)
      .filter((name) => NAME.test(name));
  }

  #read(path: string): void {
    for (const text of this.#files.readFile(path).toString().split("\n")) {
      if (text === "") continue;
      try {
        this.#apply(JSON.parse(text) as Line);
      } catch {
        // The last line of a leader that was killed while it wrote; nobody was told of it.
      }
    }
  }

  #apply(line: Line): void {
    switch (line.o) {
      case "ask":
        this.#open.set(line.r.name, line.r);
        break;
      case "give": {
        const given = this.#givenTo.get(line.x) ?? new Set();
        this.#givenTo.set(line.x, given.add(line.n));
        break;
      }
      case "end":
        this.#open.delete(line.x);
        this.#givenTo.delete(line.x);
        break;
      case "took": {
        const known = this.#history.get(line.k) ?? [];
        this.#history.delete(line.k);
        this.#history.set(line.k, [...known.slice(1 - HISTORY_KEPT), line.ms]);
        if (this.#history.size > MOST_HISTORY) this.#history.delete(this.#history.keys().next().value as string);
        break;
      }
    }
  }

  #write(line: Line): void {
    if (this.#sink === undefined) return;
    this.#sink.write(Buffer.from(`${JSON.stringify(line)}\n`));
    if (++this.#lines < COMPACT_AFTER || this.#lines < 4 * this.#needed()) return;
    this.#rewrite([this.#path.slice(this.#directory.length + 1)]);
  }

  #needed(): number {
    return this.#open.size + this.#givenTo.size + this.#history.size;
  }

  /** Writes what counts into another file; those before it go when it is whole. */
  #rewrite(before: readonly string[]): void {
    this.#sink?.close();
    this.#path = `${this.#directory}/journal-${String(this.epoch).padStart(7, "0")}-${String(this.#number++).padStart(5, "0")}`;
    const sink = this.#streams.create(this.#path, 0o600);
    this.#sink = sink;
    const lines: Line[] = [
      ...[...this.#history].flatMap(([k, took]) => took.map((ms): Line => ({ o: "took", k, ms }))),
      ...[...this.#open.values()].map((r): Line => ({ o: "ask", r })),
      ...[...this.#givenTo].flatMap(([x, given]) => [...given].map((n): Line => ({ o: "give", x, n }))),
    ];
    sink.write(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
    this.#lines = lines.length;
    for (const name of before) this.#files.remove(`${this.#directory}/${name}`);
  }
}
