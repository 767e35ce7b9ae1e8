import { BegatError, invariant } from "../base/index.ts";
import type { Executor } from "../executor/index.ts";
import { ChangedPaths } from "./changed-paths.ts";
import { Checker } from "./checker.ts";
import { CheckoutOutputs } from "./checkout-outputs.ts";
import { ChoreActions } from "./chore-action.ts";
import { applyResult } from "./chore-results.ts";
import { adoptOwnOutput, type RunContext, type RunOutcome, reportOf, runChore } from "./chore-run.ts";
import { ChoreStatuses, STATUS } from "./chore-status.ts";
import { decide, type Executable } from "./decide.ts";
import type { Decision, EventListener, FailureReport } from "./events.ts";
import { MOST_EXPLAINED } from "./explain-failure.ts";
import { FarmDesk } from "./farm-desk.ts";
import { type Levels, levelTest, requiredLevel } from "./levels.ts";
import { LostOutputError, lostInput } from "./lost-inputs.ts";
import { digestAgain, unsettleUsers } from "./moved-inputs.ts";
import type { Place } from "./place.ts";
import { Placement } from "./placement.ts";
import { FLAG, type Plan } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import { Progress } from "./progress.ts";
import { ReadyQueue, upwardRanks } from "./ready-queue.ts";
import type { Recorder } from "./recorder.ts";
import type { BuildOptions, BuildRooms, ChosenExecutor } from "./rooms.ts";
import { type Decided, StartLine } from "./start-line.ts";
import type { CheckoutState } from "./state.ts";
import type { Selection } from "./targets.ts";
import { Turns } from "./turns.ts";

/** How often a chore is looked at again because one and the same input moved, or one file went missing. */
const TRIES = 3;

/** Everything between a plan whose sources are digested and the last chore's end. */
export class BuildRun {
  readonly checker: Checker;
  readonly statuses: ChoreStatuses;
  readonly failures: FailureReport[] = [];
  readonly actions: ChoreActions;
  /** Failures that never came to a verdict about the recipe, so that the ledger has no record of them. */
  unrecorded = 0;
  cancelled = false;
  readonly #plan: Plan;
  readonly #state: CheckoutState;
  readonly #context: RunContext;
  readonly #placement: Placement;
  readonly #changed: ChangedPaths;
  /** Outputs that a second run made otherwise: who has used the first ones rests on nothing now. */
  readonly #remade = new Set<number>();
  readonly #dirty = new Set<number>();
  readonly #mustRun = new Map<number, Decision>();
  /** Chores that run again for the sake of these, outside the order of the graph. */
  readonly #waitFor = new Map<number, number[]>();
  /** 1 where those after a chore in the graph wait for it no more: it has come to its end, or there was nothing to do. */
  readonly #released: Uint8Array;
  readonly #tries = new Map<string, number>();
  readonly #line: StartLine;
  readonly #progress: Progress;
  readonly #desk: FarmDesk;
  /** Of those executed elsewhere, by rnode. */
  readonly elsewhere = new Map<string, number>();
  readonly #records: Promise<unknown>[] = [];
  #ready: ReadyQueue | undefined;
  #executor: Executor | undefined;
  #wake: () => void = () => {};
  #stopping = false;
  #fatal: unknown;

  constructor(
    prepared: Prepared,
    selection: Selection,
    rooms: BuildRooms,
    options: BuildOptions,
    recorder: Recorder,
    levels: Levels,
    chosen: () => Promise<ChosenExecutor>,
    listener: EventListener,
    signal: AbortSignal,
  ) {
    const { plan } = prepared.loaded;
    this.#plan = plan;
    this.#state = prepared.state;
    this.statuses = new ChoreStatuses(plan, selection);
    this.#changed = new ChangedPaths(plan);
    this.#released = new Uint8Array(plan.choreCount).fill(1);
    const read: ConstructorParameters<typeof ChoreActions>[4] = (digest) =>
      rooms.blobs.has(digest) ? rooms.blobs.read(digest) : recorder.opened?.ledger.manifest(digest.hash);
    const { state, hosts } = prepared;
    const jobs = Math.max(1, options.jobs);
    const isStopping = () => this.#stopping;
    this.#progress = new Progress(selection.neededCount, jobs, state.durationsMs, listener);
    const turns = new Turns(plan, { cpu: jobs, ...options.resources }, this.#progress, signal, isStopping);
    const { imageSpecs } = prepared.loaded.facts;
    this.actions = new ChoreActions(plan, state, rooms.checkout, hosts, read, options.timeoutMs, imageSpecs);
    this.#context = {
      plan,
      state: prepared.state,
      rooms,
      options,
      actions: this.actions,
      recorder,
      listener,
      levels,
      specs: prepared.loaded.facts.imageSpecs,
      signal,
      explanations: { left: MOST_EXPLAINED, isSkipTold: false },
      rankMs: (chore) => this.#ready?.rankMs(chore),
      chosen,
      turn: (chore, resources, place) => turns.take(chore, resources, place),
      checkTurn: (chore, resources) => turns.takeHere(chore, resources),
    };
    this.checker = new Checker(this.#context);
    this.#context = { ...this.#context, checker: this.checker };
    const outputs = new CheckoutOutputs(rooms.checkout, plan, prepared.state, rooms, this.actions, (path, movedTo) =>
      this.#notice("OUTPUT_REPLACED", `${path}/ was not made by begat; it was moved to ${movedTo}`),
    );
    this.#desk = new FarmDesk(plan, rooms, options.jobs, state.durationsMs, listener);
    this.#line = new StartLine(this.#desk, {
      run: (decided, place) => this.#run(decided, place),
      refuse: ({ chore, verdict }, because) =>
        this.#refuse(chore, verdict.decision, because, "with -j 1 or more it runs here"),
      ended: () => this.#wake(),
      isStopping,
    });
    const placed = options.places === false ? { ...selection, wanted: selection.wanted.slice(0, 0) } : selection;
    this.#placement = new Placement(plan, prepared.state, outputs, placed, listener);
  }

  /** Takes note of sources that are not what they were. */
  noteChanged(sources: ReadonlySet<number>): void {
    for (const path of sources) this.#changed.add(path);
  }

  /** Nothing that rests on what this build made anew is settled outside of it, nor what within it had used it before. */
  unsettleBeyond(): void {
    const hasRemade = new Set<number>();
    for (const path of this.#remade) this.#plan.consumers.each(path, (chore) => void hasRemade.add(chore));
    for (const chore of this.#changed.touched())
      if (!this.statuses.isNeeded(chore) || hasRemade.has(chore)) this.#state.unsettle(chore);
  }

  /** Marks what must be looked at: chores with changed sources, without a settled result, or asked for. */
  async begin(): Promise<readonly number[]> {
    const { options, levels } = this.#context;
    const { flags } = this.#plan.columns;
    const { settled } = this.#state;
    const isStrong = levelTest(this.#plan, this.#state, levels);
    for (let chore = 0; chore < settled.length; chore++) {
      const isVolatile = ((flags[chore] as number) & FLAG.volatile) !== 0;
      if ((settled[chore] && !isVolatile && !options.force && isStrong(chore)) || !this.statuses.isNeeded(chore))
        continue;
      this.#dirty.add(chore);
      if (options.force) this.#mustRun.set(chore, { reason: "forced" });
      else if (isVolatile) this.#mustRun.set(chore, { reason: "volatile" });
      if (!isStrong(chore)) this.#state.setSeq(chore, 0);
    }
    for (const chore of this.#changed.touched()) if (this.statuses.isNeeded(chore)) this.#dirty.add(chore);
    for (const chore of this.#placement.makers(this.#context.rooms.warm)) {
      if (chore >= 0 && !this.#dirty.has(chore) && (await this.#wantsRun(chore))) this.#dirty.add(chore);
    }
    const { waiting, ready } = this.statuses.await(this.#dirty);
    for (const chore of waiting) {
      this.#released[chore] = 0;
      // Until it comes to a good end: this build may be cut short after the changed sources' digests were noted.
      this.#state.unsettle(chore);
    }
    const ranks = upwardRanks(
      this.#plan.inOrder(waiting),
      (chore) => this.#plan.dependenciesOf(chore),
      this.#state.durationsMs,
      (chore) => this.#released[chore] === 0,
      this.#progress.typicalMs(waiting),
    );
    this.#progress.expect(waiting);
    this.#ready = new ReadyQueue(ranks);
    for (const chore of ready) this.#makeReady(chore);
    return ready;
  }

  /** Artifacts written to the checkout. */
  get materialised(): number {
    return this.#placement.written;
  }

  /** Queues the outputs that are not in place; answers whether the store has lost one, so that its maker must run. */
  async #wantsRun(chore: number): Promise<boolean> {
    const output = await this.#placement.queueWhatIsMissing(chore);
    if (output !== undefined) this.#mustRun.set(chore, { reason: "evicted", output });
    return output !== undefined;
  }

  #makeReady(chore: number): void {
    this.statuses.set(chore, STATUS.ready);
    this.#ready?.push(chore);
  }

  /** Works until nothing is left to do, or nothing more may be started. */
  async work(): Promise<void> {
    const ready = this.#ready;
    invariant(ready !== undefined, "work before begin");
    const { signal } = this.#context;
    const onAbort = (): void => this.#wake();
    signal.addEventListener("abort", onAbort);
    try {
      for (;;) {
        if (signal.aborted) this.cancelled = this.#stopping = true;
        this.#fatal ??= this.#context.recorder.failure;
        if (this.#fatal !== undefined) this.#stopping = true;
        while (!this.#stopping && ready.size > 0 && this.#line.hasRoom) {
          const chore = ready.pop();
          if (chore !== undefined) await this.#consider(chore);
          this.#line.start();
        }
        this.#line.start();
        await this.#place();
        if (this.#line.running > 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        if (this.#stopping || (ready.size === 0 && this.#line.isEmpty)) break;
      }
      this.#context.recorder.flush();
      await Promise.allSettled(this.#records);
      await this.#place();
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    this.#fatal ??= this.#context.recorder.failure;
    if (this.#fatal !== undefined) throw this.#fatal;
    if (ready.size > 0 && !this.#stopping) await this.work();
  }

  async #consider(chore: number): Promise<void> {
    const broken = this.statuses.brokenDependency(chore);
    if (broken !== undefined) return this.#skip(chore, broken);
    if (this.#plan.columns.fixpoint[chore]) await adoptOwnOutput(this.#context, chore);
    const isDirty = this.#dirty.has(chore) || this.#changed.touch(chore);
    const { recorder, levels } = this.#context;
    const question = { chore, isDirty, mustRun: this.#mustRun.get(chore) };
    const minimum = requiredLevel(this.#plan, chore, levels);
    const verdict = await decide(question, this.#plan, this.#state, this.actions, minimum, () => recorder.records());
    switch (verdict.act) {
      case "settle":
        return this.#resolve(chore, STATUS.settled, []);
      case "refuse":
        return this.#refuse(chore, { reason: "new" }, verdict.because, undefined);
      case "use": {
        const { execution, described } = verdict;
        const changed = applyResult(
          this.#plan,
          this.#state,
          chore,
          execution.outputs,
          execution.properties,
          this.actions,
        );
        if (changed === undefined) {
          this.#mustRun.set(chore, { reason: "untrusted", because: "the recorded result lacks a declared output" });
          return this.#consider(chore);
        }
        this.#state.setAction(chore, described.request.actionDigest.hash);
        this.#state.setSeq(chore, execution.seq + 1);
        this.#state.setDuration(chore, execution.durationMs);
        this.#state.setLevel(chore, execution.level);
        return this.#resolve(chore, STATUS.hit, changed, () => {
          recorder.hit(described, execution.seq, execution.action);
          const cached = { chore: this.#name(chore), seq: execution.seq, decision: verdict.decision };
          this.#context.listener({ type: "chore-cached", ...cached });
        });
      }
      case "execute":
        if (this.#reviveProducers(chore, verdict)) return;
        await this.#desk.open();
        this.#line.push({ chore, verdict });
    }
  }

  #name(chore: number) {
    return { index: chore, label: this.#plan.label(chore), outputs: this.#plan.outputNames(chore) };
  }

  /** A chore came to a good end without running: unless an output of it is gone, then it must run after all. */
  async #resolve(
    chore: number,
    status: typeof STATUS.settled | typeof STATUS.hit,
    changed: readonly number[],
    accept?: () => void,
  ): Promise<void> {
    if (await this.#wantsRun(chore)) return this.#consider(chore);
    accept?.();
    this.#state.settle(chore);
    this.#finish(chore, status, changed);
  }

  #finish(chore: number, status: (typeof STATUS)["settled" | "hit" | "executed"], changed: readonly number[]): void {
    this.statuses.set(chore, status);
    for (const path of changed) this.#changed.add(path);
    this.#progress.done(chore);
    this.#release(this.#waitFor.get(chore) ?? []);
    this.#waitFor.delete(chore);
    this.#releaseDependants(chore);
  }

  #release(chores: Iterable<number>): void {
    for (const chore of chores) if (this.statuses.release(chore)) this.#makeReady(chore);
  }

  /** Once, however often the chore runs again for others' sake: nobody waits for it twice. */
  #releaseDependants(chore: number): void {
    if (this.#released[chore]) return;
    this.#released[chore] = 1;
    this.#release(this.#plan.dependantsOf(chore));
  }

  #fail(chore: number, failure: FailureReport): void {
    this.failures.push(failure);
    this.#context.listener({ type: "chore-failed", failure });
    this.statuses.set(chore, STATUS.failed);
    this.#state.unsettle(chore);
    this.#progress.done(chore);
    if (!this.#context.options.keepGoing) this.#stopping = true;
    this.#releaseBroken(chore);
  }

  /** A failure before there was anything to record: an input that cannot be had. */
  #refuse(chore: number, decision: Decision, detail: string, hint: string | undefined): void {
    this.unrecorded++;
    this.#fail(chore, reportOf(this.#context, chore, decision, "executor-error", detail, hint));
  }

  #skip(chore: number, because: number): void {
    this.statuses.set(chore, STATUS.skipped);
    this.#progress.done(chore);
    this.#context.listener({ type: "chore-skipped", chore: this.#name(chore), because: this.#plan.label(because) });
    this.#releaseBroken(chore);
  }

  #releaseBroken(chore: number): void {
    const again = this.#waitFor.get(chore) ?? [];
    this.#waitFor.delete(chore);
    for (const dependant of again) if (this.statuses.of(dependant) === STATUS.waiting) this.#skip(dependant, chore);
    this.#releaseDependants(chore);
  }

  /** Puts `chore` behind makers of inputs that the store has lost; answers whether there are any. */
  #reviveProducers(chore: number, verdict: Executable): boolean {
    const found = lostInput(this.#context, chore, verdict.described.request.inputs);
    if (found === undefined) return false;
    const { lost, makers } = found;
    if (makers.size === 0 || this.#tired(chore, `lost ${lost}`)) {
      const why = makers.size === 0 ? "and nothing brings it back" : `after it was made again ${TRIES} times`;
      this.#refuse(chore, verdict.decision, `input ${lost} is not in the store, ${why}`, undefined);
      return true;
    }
    for (const maker of makers) {
      this.statuses.waitForAnother(chore);
      const waiting = this.#waitFor.get(maker);
      if (waiting) {
        waiting.push(chore);
        continue;
      }
      this.#waitFor.set(maker, [chore]);
      this.#mustRun.set(maker, { reason: "evicted", output: lost });
      this.#makeReady(maker);
    }
    // It is decided again when they are done; a reason it had before still stands.
    if (verdict.decision.reason !== "new") this.#mustRun.set(chore, verdict.decision);
    this.#dirty.add(chore);
    return true;
  }

  /** Each file by itself: of a chore with many rotten inputs one after another is found, and each is mended. */
  #tired(chore: number, of: string): boolean {
    const tries = (this.#tries.get(`${chore} ${of}`) ?? 0) + 1;
    this.#tries.set(`${chore} ${of}`, tries);
    return tries > TRIES;
  }

  async #run({ chore, verdict }: Decided, place: Place): Promise<void> {
    this.statuses.set(chore, STATUS.running);
    try {
      const executor = place.on === "farm" ? this.#desk.executor : await this.#ownExecutor();
      invariant(executor !== undefined, "a chore is placed on a farm that there is not");
      const { described, decision } = verdict;
      await this.#afterRun(chore, verdict, await runChore(this.#context, executor, chore, described, decision, place));
    } catch (error) {
      this.#fatal ??= error;
    }
  }

  async #ownExecutor(): Promise<Executor> {
    this.#executor ??= (await this.#context.chosen()).executor;
    return this.#executor;
  }

  async #afterRun(chore: number, verdict: Executable, outcome: RunOutcome): Promise<void> {
    switch (outcome.kind) {
      case "cancelled":
        this.statuses.set(chore, STATUS.skipped);
        return;
      case "spoilt":
        this.#desk.spoilt(chore, outcome.code, outcome.because);
        this.#line.putBack({ chore, verdict });
        return;
      case "inputs-moved":
        return this.#inputsMoved(chore, verdict, outcome.inputs);
      case "failed":
        if (outcome.recorded) this.#records.push(outcome.recorded);
        else this.unrecorded++;
        return this.#fail(chore, outcome.failure);
      case "ok": {
        if (this.#waitFor.has(chore) && outcome.changed.length > 0) {
          this.#notice("NOT_REPRODUCIBLE", `${this.#plan.label(chore)} ran again and made other bytes than before`);
          for (const path of outcome.changed) this.#remade.add(path);
        }
        this.#state.settle(chore);
        const { elsewhere, described, cpuMs } = outcome;
        const isHit = elsewhere?.cached === true;
        this.#desk.took(chore, this.#state.durationsMs[chore] as number, cpuMs, elsewhere !== undefined);
        if (elsewhere !== undefined && !isHit)
          this.elsewhere.set(elsewhere.rnode, (this.elsewhere.get(elsewhere.rnode) ?? 0) + 1);
        this.#finish(chore, isHit ? STATUS.hit : STATUS.executed, outcome.changed);
        const placed = outcome.recorded.then(({ seq }) => {
          if (isHit) {
            this.#context.recorder.hit(described, seq);
            const decision = { reason: "cached" as const, seq, rnode: elsewhere.rnode };
            this.#context.listener({ type: "chore-cached", chore: this.#name(chore), seq, decision });
          }
          this.#state.setSeq(chore, seq + 1);
          this.#placement.queue(chore);
          this.#wake();
        });
        this.#records.push(placed);
      }
    }
  }

  #notice(code: string, message: string, hint?: string): void {
    this.#context.listener({ type: "notice", severity: "warning", code, message, hint });
  }

  /** Sources changed between digesting and staging: they are digested again, and whoever used the old bytes is not settled. */
  async #inputsMoved(chore: number, verdict: Executable, names: readonly string[]): Promise<void> {
    const refreshed = await digestAgain(this.#context, chore);
    const [problem] = refreshed.problems;
    const which = names.slice(0, 3).join(", ");
    if (problem !== undefined || this.#tired(chore, `moved ${names[0]}`)) {
      const detail = problem?.message ?? `${which} changed ${TRIES + 1} times while the chore was about to run`;
      return this.#refuse(chore, verdict.decision, detail, "build again when nothing writes to it");
    }
    const news = `${which} changed during the build; ${this.#plan.label(chore)} uses the newer bytes`;
    if (refreshed.changed.size > 0) this.#notice("INPUT_CHANGED", news);
    for (const path of refreshed.changed) this.#changed.add(path);
    unsettleUsers(this.#context, refreshed.changed, (other) => other !== chore && this.statuses.isDone(other));
    this.#dirty.add(chore);
    this.#makeReady(chore);
  }

  /** Writes what is to be written; outputs whose blobs turn out to be lost send their makers back. */
  async #place(): Promise<void> {
    try {
      for (const entry of await this.#placement.place()) this.#remake(entry);
    } catch (error) {
      if (!(error instanceof BegatError)) throw error;
      this.#fatal ??= error;
    }
  }

  #remake(entry: number): void {
    const path = this.#plan.path(entry >>> 1);
    const chore = this.#plan.columns.producer[entry >>> 1] as number;
    // It is on its way already, and its outputs are put in place when it is done.
    if (!this.statuses.isDone(chore)) return;
    if (this.#tired(chore, `made ${path}`))
      throw new LostOutputError("OUTPUT_LOST", `${path} was made and lost from the store ${TRIES} times`);
    this.#mustRun.set(chore, { reason: "evicted", output: path });
    if (!this.#waitFor.has(chore)) this.#waitFor.set(chore, []);
    this.#dirty.add(chore);
    this.#makeReady(chore);
  }
}
