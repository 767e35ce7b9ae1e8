import { BegatError, explain } from "../base/index.ts";
import type { IndexedExecution, RecordedOutput } from "../cache/index.ts";
import {
  type DescribedAction,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  UP_PATH,
} from "../executor/index.ts";
import { type Appended, toExecOutput } from "../provenance/index.ts";
import { propertiesOf } from "./chore-results.ts";
import type { RunContext } from "./chore-run.ts";
import { differingOutputs, firstDifference } from "./compare-results.ts";
import { differenceFrom, recordedDifference, standingResult } from "./earlier-result.ts";
import type { ChoreName, Difference } from "./events.ts";
import { imageRootOf } from "./image-run.ts";
import type { Plan } from "./plan.ts";
import type { Records } from "./rooms.ts";

/** The second run begins in another second than the first: whatever writes the time into its output shows. */
const LATER_MS = 1_100;

/** A chore that came to a good end, and may be executed once more. */
export interface CheckedRun {
  readonly chore: ChoreName;
  readonly executor: Executor;
  readonly described: DescribedAction;
  readonly request: DescribedAction["request"];
  readonly result: Pick<ExecutionResult, "outputs" | "startedAtMs">;
  readonly recorded: Promise<Pick<Appended, "seq">>;
  /** Where the result is one of before, as its record has it. */
  readonly earlier?: IndexedExecution;
}

/** A volatile chore is not meant to come out alike, an image is put together by begat itself. */
export function isRepeatable(plan: Plan, chore: number): boolean {
  return !(["image", "interactive", "volatile"] as const).some((attribute) => plan.has(chore, attribute));
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
    for (let times = this.#context.options.check?.times ?? 1; times > 0; times--) {
      const checking = this.#check(run);
      // Whoever ends the build awaits it.
      checking.catch(() => {});
      this.#runs.push(checking);
    }
  }

  /** As `enlist`, of chores whose results are of before. */
  async enlistEarlier(chores: readonly number[]): Promise<void> {
    if (chores.length === 0) return;
    const { executor } = await this.#context.chosen();
    const records = await this.#context.recorder.records();
    for (const chore of chores) {
      try {
        this.#enlistEarlier(chore, executor, records);
      } catch (error) {
        if (!(error instanceof BegatError)) throw error;
        this.#leaveOut(chore, explain(error));
      }
    }
  }

  #enlistEarlier(chore: number, executor: Executor, records: Records): void {
    const described = this.#context.actions.describe(chore);
    const earlier = standingResult(described.request.actionDigest.hash, records);
    if (earlier === undefined) {
      this.#leaveOut(chore, "no execution of exactly these inputs stands in the ledger and counts");
      return;
    }
    this.enlist({
      chore: this.#nameOf(chore),
      executor,
      described,
      request: { ...described.request, imageRoot: imageRootOf(this.#context, chore) },
      // It began longer ago than it matters.
      result: { outputs: earlier.outputs, startedAtMs: 0 },
      recorded: Promise.resolve({ seq: earlier.seq }),
      earlier,
    });
  }

  #leaveOut(chore: number, because: string): void {
    const name = this.#nameOf(chore);
    this.#context.listener({ type: "chore-checked", chore: name, verdict: "unchecked", because, ...NOT_RECORDED });
  }

  #nameOf(chore: number): ChoreName {
    const { plan } = this.#context;
    return { index: chore, label: plan.label(chore), outputs: plan.outputNames(chore) };
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
      state.unsettle(chore);
      state.setSeq(chore, 0);
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
    let found: Compared;
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
      found = this.#compared(run, again);
    } catch (error) {
      // The build ends: that a chore was not reached any more is no news.
      if (signal.aborted || (error instanceof ExecutorError && error.code === "EXECUTOR_CANCELLED")) return;
      if (!(error instanceof BegatError)) throw error;
      listener({ type: "chore-checked", chore, verdict: "unchecked", because: explain(error), ...NOT_RECORDED });
      return;
    }
    if (INFRASTRUCTURE.has(again.verdict)) {
      listener({ type: "chore-checked", chore, verdict: "unchecked", because: again.detail, ...NOT_RECORDED });
      return;
    }
    this.checked++;
    const { difference, outputs } = found;
    const verdict = difference === undefined ? "match" : "differ";
    if (difference !== undefined) this.differing.push(chore.index);
    const of = (await run.recorded).seq;
    const record = await recorder.challenged({
      of,
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
    listener({ type: "chore-checked", chore, verdict, difference, because: undefined, of, record });
  }

  #compared({ chore, described, result, earlier }: CheckedRun, again: ExecutionResult): Compared {
    const { plan, rooms } = this.#context;
    if (again.verdict !== "ok") {
      return { difference: { kind: "failed", path: "", detail: again.detail }, outputs: [] };
    }
    if (earlier === undefined) {
      return {
        difference: firstDifference(result.outputs, again.outputs, (digest) => rooms.blobs.read(digest)),
        outputs: differingOutputs(result.outputs, again.outputs),
      };
    }
    // What begat asks for to read it itself stands in no record as an output; properties do by their values.
    const after = again.outputs.filter(({ path }) => !described.begatsOwn.includes(path));
    const parsed = propertiesOf(again.outputs, plan.chore(chore.index).up, rooms.blobs);
    if (!parsed.ok) return { difference: { kind: "failed", path: "", detail: parsed.problem }, outputs: [] };
    return {
      difference: differenceFrom(earlier, after, parsed.properties, rooms.blobs),
      outputs: differingOutputs(earlier.outputs, after),
    };
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

/** Of a check that came to nothing. */
const NOT_RECORDED = { difference: undefined, of: undefined, record: undefined } as const;

interface Compared {
  readonly difference: Difference | undefined;
  readonly outputs: readonly RecordedOutput[];
}
