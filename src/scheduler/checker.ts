import { BegatError, explain } from "../base/index.ts";
import type { RecordedOutput } from "../cache/index.ts";
import {
  type DescribedAction,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  UP_PATH,
} from "../executor/index.ts";
import { type Appended, toExecOutput } from "../provenance/index.ts";
import type { RunContext } from "./chore-run.ts";
import { differingOutputs, firstDifference } from "./compare-results.ts";
import { recordedDifference } from "./earlier-result.ts";
import type { ChoreName, Difference } from "./events.ts";

/** The second run begins in another second than the first: whatever writes the time into its output shows. */
const LATER_MS = 1_100;

/** A chore that came to a good end, and may be executed once more. */
export interface CheckedRun {
  readonly chore: ChoreName;
  readonly executor: Executor;
  readonly described: DescribedAction;
  readonly request: DescribedAction["request"];
  readonly result: ExecutionResult;
  readonly recorded: Promise<Appended>;
}

/** Executes chores a second time under other conditions and compares; beside the build, whose results count. */
export class Checker {
  checked = 0;
  /** Chores that came out otherwise. */
  readonly differing: number[] = [];
  readonly #context: RunContext;
  readonly #runs: Promise<void>[] = [];
  readonly #abort = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #atOnce = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** Takes it, where it is in the sample. Never waits. */
  enlist(run: CheckedRun): void {
    if (!this.#isSampled()) return;
    const checking = this.#check(run);
    // Whoever ends the build awaits it.
    checking.catch(() => {});
    this.#runs.push(checking);
  }

  #isSampled(): boolean {
    const { check } = this.#context.options;
    if (check === undefined) return false;
    if (check.count !== undefined && this.#taken >= check.count) return false;
    if (check.percent !== undefined && this.#chance() * 100 >= check.percent) return false;
    this.#taken++;
    return true;
  }

  /** At least 0, below 1. */
  #chance(): number {
    return Buffer.from(this.#context.rooms.random.bytes(4)).readUInt32BE() / 2 ** 32;
  }

  /** Waits for all that was enlisted; what came out otherwise is not settled. */
  async finish(): Promise<void> {
    await Promise.all(this.#runs);
    const { state } = this.#context;
    for (const chore of this.differing) {
      state.settled[chore] = 0;
      state.seqs[chore] = 0;
    }
  }

  /** Begat is ending for another reason. */
  async abandon(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#runs);
  }

  async #check(run: CheckedRun): Promise<void> {
    const { rooms, listener, options, recorder } = this.#context;
    const signal = AbortSignal.any([this.#context.signal, this.#abort.signal]);
    const { chore } = run;
    const seed = Math.floor(this.#chance() * 2 ** 16);
    let again: ExecutionResult;
    let found: { readonly difference: Difference | undefined; readonly outputs: readonly RecordedOutput[] };
    try {
      const waitMs = LATER_MS - (rooms.clock.nowMs() - run.result.startedAtMs);
      // A clock that was set back must not make a build wait.
      if (waitMs > 0) await rooms.clock.sleep(Math.min(waitMs, LATER_MS), signal);
      await this.#place();
      try {
        const turn = () => this.#context.checkTurn(chore.index, run.request.resources);
        again = await run.executor.execute(run.request, { signal, turn, variation: { seed } });
      } finally {
        this.#leave();
      }
      found = comparison(run.result, again, (digest) => rooms.blobs.read(digest));
    } catch (error) {
      // The build ends: that a chore was not reached any more is no news.
      if (signal.aborted || (error instanceof ExecutorError && error.code === "EXECUTOR_CANCELLED")) return;
      if (!(error instanceof BegatError)) throw error;
      listener({ type: "chore-checked", chore, verdict: "unchecked", difference: undefined, because: explain(error) });
      return;
    }
    if (INFRASTRUCTURE.has(again.verdict)) {
      listener({ type: "chore-checked", chore, verdict: "unchecked", difference: undefined, because: again.detail });
      return;
    }
    this.checked++;
    const { difference, outputs } = found;
    const verdict = difference === undefined ? "match" : "differ";
    if (difference !== undefined) this.differing.push(chore.index);
    listener({ type: "chore-checked", chore, verdict, difference, because: undefined });
    await recorder.challenged({
      of: (await run.recorded).seq,
      action: run.described.request.actionDigest.hash,
      chore: chore.label,
      verdict,
      seed,
      out: outputs.filter(({ path }) => path !== UP_PATH).map(toExecOutput),
      ...(difference === undefined ? {} : { diff: recordedDifference(difference) }),
      level: again.isolation.level,
      t0: again.startedAtMs,
      t1: again.finishedAtMs,
      ms: again.durationMs,
      ver: options.version,
    });
  }

  /** As many at once as the build has jobs, so that checking does not hold up what is checked. */
  async #place(): Promise<void> {
    if (this.#atOnce >= this.#context.options.jobs) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#atOnce++;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#atOnce--;
  }
}

/** These say something about the machine, not about the chore. */
const INFRASTRUCTURE: ReadonlySet<string> = new Set(["executor-error", "resource", "timeout"]);

function comparison(first: ExecutionResult, again: ExecutionResult, read: Parameters<typeof firstDifference>[2]) {
  if (again.verdict !== "ok") {
    const failed: Difference = { kind: "failed", path: "", detail: again.detail };
    return { difference: failed, outputs: [] };
  }
  return {
    difference: firstDifference(first.outputs, again.outputs, read),
    outputs: differingOutputs(first.outputs, again.outputs),
  };
}
