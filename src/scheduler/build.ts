import { BegatError, counted, explain, type IsolationLevel, isAtLeast, type Sha256 } from "../base/index.ts";
import type { ReadySource } from "../hermetic/index.ts";
import { type ArtifactColumns, planRoot } from "../provenance/index.ts";
import { BuildRun } from "./build-run.ts";
import { isRepeatable } from "./checker.ts";
import { CheckoutLock } from "./checkout-lock.ts";
import { STATUS } from "./chore-status.ts";
import { planDryRun } from "./dry-run.ts";
import type { BuildSummary, EventListener } from "./events.ts";
import { checkReads } from "./freshness.ts";
import { type Levels, wishedLevels } from "./levels.ts";
import { MeasuredExecutor } from "./measured-executor.ts";
import { NeededSources } from "./needed-sources.ts";
import { type Prepared, prepare, sourcesAmong } from "./prepare.ts";
import { Recorder } from "./recorder.ts";
import type { BuildOptions, BuildRooms } from "./rooms.ts";
import { type Refreshed, SourceDigests } from "./source-digests.ts";
import { type Selection, selectTargets } from "./targets.ts";

/** Refused before anything ran: the mistakes were reported as events. */
class Refusal extends BegatError<"BUILD_REFUSED"> {}

/**
 * One build, from request to recorded result. Everything a person or program may want to know is an event; the summary
 * is the last of them.
 *
 * @param signal Cancels: running chores are killed, what is done stays recorded, and the outcome is `cancelled`.
 * @throws {TargetError} nothing makes what was asked for.
 * @throws {BegatError} where begat cannot do its work at all: ledger refused, store unusable, disk full.
 */
export async function build(
  options: BuildOptions,
  rooms: BuildRooms,
  listener: EventListener,
  signal: AbortSignal,
): Promise<BuildSummary> {
  const startedMs = rooms.clock.monotonicMs();
  const finish = (summary: Omit<BuildSummary, "durationMs" | "dryRun">): BuildSummary => {
    const whole = { ...summary, durationMs: rooms.clock.monotonicMs() - startedMs, dryRun: options.dryRun };
    listener({ type: "build-finished", summary: whole });
    return whole;
  };
  let lock: CheckoutLock | undefined;
  try {
    if (!options.dryRun)
      lock = await CheckoutLock.acquire(rooms.checkout, rooms, (pid) => listener({ type: "waiting", pid }), signal);
    return finish(await buildLocked(options, rooms, listener, signal));
  } catch (error) {
    if (error instanceof Refusal) return finish({ ...NOTHING, outcome: "refused" });
    if (signal.aborted) return finish({ ...NOTHING, outcome: "cancelled" });
    throw error;
  } finally {
    lock?.release();
  }
}

const NOTHING = {
  planned: 0,
  executed: 0,
  cached: 0,
  failed: 0,
  skipped: 0,
  settled: 0,
  checked: 0,
  differing: 0,
  materialised: 0,
  level: "none" as IsolationLevel,
  ledgerSize: undefined,
};

const weakest = ({ host, image }: Levels): IsolationLevel => (isAtLeast(image, host) ? host : image);

type Ended = Omit<BuildSummary, "durationMs" | "dryRun">;

async function buildLocked(
  options: BuildOptions,
  rooms: BuildRooms,
  listener: EventListener,
  signal: AbortSignal,
): Promise<Ended> {
  const prepared = await prepare(rooms, options, listener, signal);
  if (!prepared.ok) {
    listener({ type: "diagnostics", diagnostics: prepared.diagnostics });
    throw new Refusal("BUILD_REFUSED", "the begatfiles have mistakes");
  }
  const { facts, plan } = prepared.loaded;
  const known = rooms.warm?.selectionOf(plan);
  const selection = known ?? selectTargets(plan, facts.groups, options.targets, options.directory, options.everyOutput);
  if (known === undefined) rooms.onPlan?.(plan, selection);
  if (facts.warnings.length > 0) listener({ type: "diagnostics", diagnostics: facts.warnings });
  const refreshed = await refreshSources(prepared, selection, rooms, listener, signal);
  if (options.dryRun) return dryRun(prepared, selection, refreshed, options, rooms, listener);

  const measured = new MeasuredExecutor(prepared, options, rooms);
  const given = await measured.levels();
  const levels = wishedLevels(prepared.loaded.plan, selection.needed, given, options.minIsolation);
  const id = Buffer.from(rooms.random.bytes(8)).toString("hex");
  const recorder = new Recorder(id, rooms, options, () => ({
    goal: goalOf(options),
    n: selection.neededCount,
    root: planRootOf(prepared, selection, options),
  }));
  const run = new BuildRun(
    prepared,
    selection,
    rooms,
    options,
    recorder,
    levels,
    () => measured.chosen(),
    listener,
    signal,
  );
  run.noteChanged(refreshed.changed);
  try {
    await recordIngested(recorder, prepared.ingested);
    const started = {
      build: id,
      targets: goalOf(options),
      planned: selection.neededCount,
      jobs: options.jobs,
      executor: given.by,
      level: weakest(levels),
    };
    listener({ type: "build-started", ...started });
    await run.begin();
    await run.work();
    if (options.check?.earlier && !run.cancelled) await run.checker.enlistEarlier(repeatable(run, prepared));
    await run.checker.finish();
  } catch (error) {
    await endQuietly(recorder, run, prepared, rooms);
    throw error;
  }
  return conclude(run, recorder, prepared, selection, rooms, levels);
}

/** Chores whose results are of before, and may be executed again. */
function repeatable({ statuses }: BuildRun, { loaded: { plan } }: Prepared): number[] {
  return Array.from({ length: plan.choreCount }, (_, chore) => chore).filter((chore) => {
    return statuses.isDone(chore) && statuses.of(chore) !== STATUS.executed && isRepeatable(plan, chore);
  });
}

/** Records the end, saves what is remembered, and counts. */
async function conclude(
  run: BuildRun,
  recorder: Recorder,
  prepared: Prepared,
  selection: Selection,
  rooms: BuildRooms,
  levels: Levels,
): Promise<Ended> {
  const n = run.statuses.dispositions();
  const { checked } = run.checker;
  const differing = run.checker.differing.length;
  const outcome = run.cancelled ? "cancelled" : n.fail > 0 || n.skip > 0 || differing > 0 ? "failed" : "ok";
  if (recorder.hasNews || run.materialised > 0) {
    const artifacts = outcome === "ok" ? artifactsOf(prepared, selection) : undefined;
    // The ledger counts as failed what it has a failure of; the rest never came to run.
    const recorded = { ...n, fail: n.fail - run.unrecorded, skip: n.skip + run.unrecorded };
    await recorder.end(recorded, outcome, artifacts);
  }
  recorder.opened?.catchUp();
  rooms.blobs.flush();
  saveState(prepared, run, rooms);
  rooms.warm?.keep(prepared, selection, rooms.checkout, outcome === "ok");
  for (const { digest, movedTo } of rooms.blobs.quarantined)
    rooms.log.warn("blob quarantined", { hash: digest.hash, movedTo });
  return {
    outcome,
    planned: selection.neededCount,
    executed: n.exec,
    cached: n.hit,
    failed: n.fail,
    skipped: n.skip,
    settled: n.settled,
    ...(run.elsewhere.size === 0 ? {} : { elsewhere: Object.fromEntries([...run.elsewhere].sort()) }),
    checked,
    differing,
    materialised: run.materialised,
    level: prepared.state.weakestLevel(selection.needed, prepared.loaded.plan) ?? levels.host,
    ledgerSize: recorder.opened?.ledger.size(),
  };
}

function artifactsOf({ loaded: { plan }, state }: Prepared, { wanted }: Selection): ArtifactColumns {
  const ids = new Uint32Array(wanted.length);
  let count = 0;
  for (const entry of wanted) if (state.knows(entry >>> 1)) ids[count++] = entry >>> 1;
  return { ids: ids.subarray(0, count), paths: plan.paths, hashes: state.hashes };
}

/** begat itself failed: what did happen is still recorded and remembered, where that is possible. */
async function endQuietly(recorder: Recorder, run: BuildRun, prepared: Prepared, rooms: BuildRooms): Promise<void> {
  try {
    await run.checker.abandon();
    if (recorder.hasNews && recorder.failure === undefined)
      await recorder.end(run.statuses.dispositions(), "failed", undefined);
    recorder.opened?.catchUp();
    rooms.blobs.flush();
    saveState(prepared, run, rooms);
  } catch (error) {
    rooms.log.warn("the end of a broken build could not be recorded", { error: explain(error) });
  }
}

function saveState(prepared: Prepared, run: BuildRun, rooms: BuildRooms): void {
  run.unsettleBeyond();
  // Outputs written beside globbed sources change a directory's signature, not its meaning.
  const reads = checkReads(rooms.checkout, prepared.state.reads);
  if (reads.fresh && reads.refreshed) prepared.state.reads = reads.refreshed;
  rooms.checkout.saveState(prepared.state);
}

async function recordIngested(recorder: Recorder, ingested: readonly ReadySource[]): Promise<void> {
  if (ingested.length > 0) await recorder.ingested(ingested);
}

const goalOf = (options: BuildOptions): readonly string[] => (options.targets.length === 0 ? ["all"] : options.targets);

/** Sorting and hashing the labels of a large plan takes longer than what there is to do, as a rule, so it is done once. */
function planRootOf({ loaded: { plan }, state }: Prepared, selection: Selection, options: BuildOptions): Sha256 {
  const { targets, directory, everyOutput } = options;
  return state.planRoot(JSON.stringify([targets, directory, everyOutput]), () => {
    const labels: string[] = [];
    for (let chore = 0; chore < plan.choreCount; chore++) if (selection.needed[chore]) labels.push(plan.label(chore));
    return planRoot(labels);
  });
}

/** Digests every source the targets need; what is wrong with them is reported all at once. */
async function refreshSources(
  prepared: Prepared,
  selection: Selection,
  rooms: BuildRooms,
  listener: EventListener,
  signal: AbortSignal,
): Promise<Refreshed> {
  const { plan } = prepared.loaded;
  const sources: { path: number; name: ReturnType<typeof plan.path>; tree: boolean; neededBy: number }[] = [];
  const needed = rooms.warm?.sourcesOf(plan, selection) ?? new NeededSources(plan, selection);
  for (const i of rooms.warm?.doubtfulOf(plan, selection) ?? needed.entries.keys()) {
    const entry = needed.entries[i] as number;
    const path = entry >>> 1;
    sources.push({ path, name: plan.path(path), tree: (entry & 1) === 1, neededBy: needed.neededBy[i] as number });
  }
  const digests = new SourceDigests(rooms.checkout, prepared.state, rooms.bulk, plan);
  let refreshed = await unsettling(prepared, digests.refresh(sources));
  // A fetched source is pinned: what differs from the lock is put back, not built from.
  const suspicious = [
    ...refreshed.problems.map(({ path }) => path),
    ...Array.from(refreshed.changed, (path) => plan.path(path) as string),
  ];
  const tampered = prepared.ingested.length > 0 ? [] : sourcesAmong(rooms, prepared.loaded, suspicious);
  for (const name of tampered) {
    const { restored } = await rooms.sources.verifySource(name, signal);
    if (restored.length === 0) continue;
    listener({
      type: "notice",
      severity: "warning",
      code: "SOURCE_RESTORED",
      message: `source ${name}: ${counted(restored.length, "file")} put back as begat.lock says: ${restored.slice(0, 3).join(", ")}`,
      hint: undefined,
    });
  }
  if (tampered.length > 0) {
    const again = await unsettling(prepared, digests.refresh(sources));
    refreshed = { ...again, changed: new Set([...refreshed.changed, ...again.changed]) };
  }
  if (refreshed.problems.length === 0) return refreshed;
  for (const problem of refreshed.problems) {
    const user = sources.find(({ name }) => name === problem.path)?.neededBy;
    const at = user === undefined ? undefined : plan.place(user);
    const where =
      user === undefined || at === undefined ? "" : `${at.file}:${at.line}:${at.column}: ${plan.label(user)}: `;
    listener({
      type: "notice",
      severity: "error",
      code: problem.code,
      message: `${where}${problem.message}`,
      hint: undefined,
    });
  }
  throw new Refusal("BUILD_REFUSED", `${counted(refreshed.problems.length, "input")} cannot be used`);
}

/**
 * The state has the new digests from here on, so nothing that rests on them is settled any more: not what this build
 * needs, in case it does not come to it, and not the rest of the plan, which would otherwise never hear of the change.
 */
async function unsettling({ loaded: { plan }, state }: Prepared, refreshing: Promise<Refreshed>): Promise<Refreshed> {
  const refreshed = await refreshing;
  for (const path of refreshed.changed)
    plan.consumers.each(path, (chore) => {
      state.unsettle(chore);
    });
  return refreshed;
}

async function dryRun(
  prepared: Prepared,
  selection: Selection,
  refreshed: Refreshed,
  options: BuildOptions,
  rooms: BuildRooms,
  listener: EventListener,
): Promise<Ended> {
  const chosen = await rooms.executor(prepared.loaded.plan.hasImages);
  const given = { host: chosen.hostLevel, image: chosen.imageLevel };
  const levels = wishedLevels(prepared.loaded.plan, selection.needed, given, options.minIsolation);
  const n = await planDryRun(prepared, selection, refreshed.changed, options, rooms, levels, listener);
  return { ...NOTHING, ...n, outcome: "ok", planned: selection.neededCount, level: weakest(levels) };
}
