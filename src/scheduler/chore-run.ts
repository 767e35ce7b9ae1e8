import { digestOf, explain, hintOf, type Sha256 } from "../base/index.ts";
import type { EvaluatedChore } from "../dictum-parser/index.ts";
import {
  type DescribedAction,
  type ExecutionPurpose,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type ExecutorErrorCode,
  isCacheable,
  UP_PATH,
  type Verdict,
} from "../executor/index.ts";
import { type Appended, toExecOutput } from "../provenance/index.ts";
import { type Checker, isRepeatable } from "./checker.ts";
import type { ChoreActions } from "./chore-action.ts";
import { applyResult, propertiesOf } from "./chore-results.ts";
import { type Judged, judgeUse, undeclaredHint } from "./depfile/judge-use.ts";
import { type Contradiction, contradicted, recordedDifference } from "./earlier-result.ts";
import type { ChoreName, Decision, EventListener, FailureReport } from "./events.ts";
import { explainFailure } from "./explain-failure.ts";
import type { FarmDesk } from "./farm-desk.ts";
import { buildImage, imageRootOf } from "./image-run.ts";
import type { Levels } from "./levels.ts";
import type { Place } from "./place.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import type { BuildOptions, BuildRooms, BuiltImage, ChosenExecutor, ImageSpec } from "./rooms.ts";
import { offering, purposeOf, SHARED, sharedResult, tooWeak } from "./shared-result.ts";
import type { CheckoutState } from "./state.ts";

/** How running one chore ended. */
export type RunOutcome =
  | {
      readonly kind: "ok";
      readonly changed: readonly number[];
      readonly recorded: Promise<Appended>;
      /** Elsewhere: on which rnode, and whether it had been executed before. */
      readonly elsewhere: { readonly rnode: string; readonly cached: boolean } | undefined;
      readonly described: DescribedAction;
      /** Processor time of the recipe, milliseconds, where the executor tells it. */
      readonly cpuMs: number | undefined;
    }
  /** What executes elsewhere gave no result that counts; nothing was recorded. */
  | { readonly kind: "spoilt"; readonly code: Spoilt; readonly because: string }
  | { readonly kind: "failed"; readonly failure: FailureReport; readonly recorded: Promise<Appended> | undefined }
  /** Inputs were not what they were when they were digested, or are gone from the store; nothing was recorded. */
  | { readonly kind: "inputs-moved"; readonly inputs: readonly string[] }
  | { readonly kind: "cancelled" };

export type Spoilt = Parameters<FarmDesk["spoilt"]>[1];

/** What a chore run needs of its build. */
export interface RunContext {
  readonly plan: Plan;
  readonly state: CheckoutState;
  readonly rooms: BuildRooms;
  readonly options: BuildOptions;
  readonly actions: ChoreActions;
  readonly recorder: Recorder;
  readonly listener: EventListener;
  /** What a result must have had, by what its recipe runs with. */
  readonly levels: Levels;
  readonly specs: readonly ImageSpec[];
  readonly signal: AbortSignal;
  /** Failures that may still be explained, and whether it was said that they cannot be. */
  readonly explanations: { left: number; isSkipTold: boolean };
  /** Set where executed chores are checked. */
  readonly checker?: Pick<Checker, "enlist"> | undefined;
  /** `turn` for a run that is no part of the build's progress. */
  checkTurn(chore: number, resources: Readonly<Record<string, number>>): Promise<() => void>;
  /** The longest way from a chore's start to the build's end; `undefined` for those that do not run. */
  rankMs(chore: number): number | undefined;
  /** What executes; measured at the first call. */
  chosen(): Promise<ChosenExecutor>;
  /** Waits until the chore's recipe may run; rejects with `EXECUTOR_CANCELLED` when the build is to start nothing more. */
  turn(chore: number, resources: Readonly<Record<string, number>>, place?: Place): Promise<() => void>;
}

/** How much of a chore's output an event carries; the rest is in the store, under the digest in the record. */
const SHOWN_BYTES = 256 * 1024;

export function shown(bytes: Buffer): string {
  if (bytes.length <= SHOWN_BYTES) return bytes.toString();
  const half = SHOWN_BYTES / 2;
  const cut = bytes.length - SHOWN_BYTES;
  return `${bytes.subarray(0, half).toString()}\n... ${cut} bytes left out ...\n${bytes.subarray(bytes.length - half).toString()}`;
}

/** Executes a chore once, or, with `fixpoint`, until its outputs stay the same; records each travail. */
export async function runChore(
  context: RunContext,
  executor: Executor,
  chore: number,
  described: DescribedAction,
  decision: Decision,
  place?: Place,
): Promise<RunOutcome> {
  const { plan, state, rooms, listener } = context;
  const facts = plan.chore(chore);
  const name: ChoreName = { index: chore, label: facts.label, outputs: plan.outputNames(chore) };
  const expectedMs = (state.durationsMs[chore] as number) || undefined;
  const { interactive } = facts.attributes;
  let isFirst = true;
  const told = place?.because ? { place } : {};
  const turn = async (): Promise<() => void> => {
    const end = await context.turn(chore, described.request.resources, place);
    const atMs = rooms.clock.nowMs();
    if (isFirst) listener({ type: "chore-started", chore: name, decision, expectedMs, interactive, atMs, ...told });
    isFirst = false;
    return end;
  };
  /** For runs that only this machine can do. */
  const own = async (): Promise<Executor> => (place?.on === "farm" ? (await context.chosen()).executor : executor);
  const isAsked = place?.on === "farm" || rooms.sharedResults !== undefined;
  let shared: ExecutionResult | undefined;
  const turnHere = place?.on === "farm" ? () => context.checkTurn(chore, described.request.resources) : turn;
  const changed = new Set<number>();
  const rounds = Math.max(1, facts.attributes.fixpoint);
  let action = described;
  const isImage = plan.has(chore, "image");
  for (let round = 1; ; round++) {
    let judged: Judged & { readonly built?: BuiltImage | undefined };
    try {
      if (isImage) {
        const endTurn = await turn();
        judged = await buildImage(context, chore, action).finally(endTurn);
      } else {
        const imageRoot = imageRootOf(context, chore);
        const purpose = isAsked ? await purposeOf(context, chore, facts, decision, round, expectedMs) : undefined;
        shared = await sharedResult(context, chore, facts, action.request, purpose);
        const result =
          shared ??
          (await execute(
            context,
            executor,
            { ...action, request: { ...action.request, imageRoot } },
            facts,
            name,
            turn,
            purpose,
          ));
        const weak = tooWeak(context, chore, result);
        if (weak !== undefined) return { kind: "spoilt", code: "too-weak", because: weak };
        judged = judgeUse(judge(result, facts.up, rooms), facts, action.request, rooms);
      }
    } catch (error) {
      const outcome = infrastructureOutcome(context, error, chore, decision);
      if (outcome) return outcome;
      throw error;
    }
    const report = {
      dictum: facts.dictum,
      label: facts.label,
      described: action,
      decision,
      attempt: round,
      ...(shared === undefined ? told : SHARED),
    };
    if (judged.result.verdict !== "ok") {
      const recorded = context.recorder.executed({
        ...report,
        result: judged.result,
        properties: {},
        cacheable: false,
      });
      recorded.catch(() => {});
      const failure = failureReport(context, chore, decision, judged.result);
      if (isImage) return { kind: "failed", failure, recorded };
      const request = { ...action.request, imageRoot: imageRootOf(context, chore) };
      const explanation = await explainFailure(context, await own(), chore, request, judged.result, turnHere);
      return { kind: "failed", failure: { ...failure, explanation }, recorded };
    }
    const cacheable = !facts.attributes.nocache && isCacheable(judged.result);
    const { properties, result } = judged;
    const used = rounds > 1 ? undefined : judged.used;
    const offer =
      shared === undefined && cacheable && isAsked ? await offering(context, action.request, result) : undefined;
    const appended = context.recorder.executed({ ...report, result, properties, cacheable, used, offer });
    appended.catch(() => {});
    const mayRepeat = isRepeatable(plan, chore);
    const hash = action.request.actionDigest.hash;
    const earlier =
      mayRepeat && cacheable
        ? contradicted(hash, result, properties, await context.recorder.records(), rooms.blobs)
        : undefined;
    const recorded =
      earlier === undefined ? appended : challengeEarlier(context, chore, earlier, result, appended, hash);
    // Whoever waits for it awaits it; a rejection meanwhile must not bring the process down.
    recorded.catch(() => {});
    for (const path of applyResult(plan, state, chore, judged.result.outputs, judged.properties, context.actions) ?? [])
      changed.add(path);
    state.setAction(chore, action.request.actionDigest.hash);
    state.setDuration(chore, Math.max(1, judged.result.durationMs));
    state.setLevel(chore, judged.result.isolation.level);
    if (rounds > 1) {
      const next = context.actions.describe(chore);
      if (next.request.actionDigest.hash !== action.request.actionDigest.hash) {
        if (round < rounds) {
          action = next;
          await recorded;
          continue;
        }
        const unstable = {
          ...judged.result,
          verdict: "output-rejected" as const,
          detail: `outputs still changed after ${rounds} rounds`,
        };
        return { kind: "failed", failure: failureReport(context, chore, decision, unstable), recorded };
      }
    }
    const { elsewhere } = result;
    // What had been executed before is a hit, and told as one.
    if (elsewhere?.cached !== true)
      listener({
        type: "chore-finished",
        chore: name,
        decision,
        ...(elsewhere === undefined ? {} : { rnode: elsewhere.rnode }),
        durationMs: judged.result.durationMs,
        changed: changed.size > 0,
        stdout: judged.built?.summary ?? shown(judged.result.stdout),
        stderr: shown(judged.result.stderr),
        undeclared: judged.result.undeclared,
      });
    if (mayRepeat && context.checker !== undefined) {
      const request = { ...action.request, imageRoot: imageRootOf(context, chore) };
      const repeated = {
        chore: name,
        executor: await own(),
        described: action,
        request,
        result: judged.result,
        recorded,
      };
      context.checker.enlist(repeated);
    }
    return { kind: "ok", changed: [...changed], recorded, elsewhere, described: action, cpuMs: result.usage?.cpuMs };
  }
}

async function execute(
  context: RunContext,
  executor: Executor,
  action: DescribedAction,
  { attributes, depfile }: Pick<EvaluatedChore, "attributes" | "depfile">,
  chore: ChoreName,
  turn: () => Promise<() => void>,
  purpose: ExecutionPurpose | undefined,
): Promise<ExecutionResult> {
  const { listener, options, signal } = context;
  const streams = attributes.interactive || options.verbose;
  return executor.execute(action.request, {
    signal,
    turn,
    ...(purpose === undefined ? {} : { purpose }),
    ...(attributes.traced ? { trace: true } : {}),
    ...(depfile === undefined ? {} : { reads: true }),
    ...(streams
      ? {
          onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) =>
            listener({ type: "chore-output", chore, stream, text: Buffer.from(bytes).toString() }),
        }
      : {}),
  });
}

/** A success whose properties are not as declared is none. */
function judge(result: ExecutionResult, up: readonly string[], rooms: BuildRooms): Judged {
  if (result.verdict !== "ok") return { result: inRecipesWords(result, up), properties: {} };
  const parsed = propertiesOf(result.outputs, up, rooms.blobs);
  if (parsed.ok) return { result, properties: parsed.properties };
  return { result: { ...result, verdict: "output-rejected", detail: parsed.problem }, properties: {} };
}

/** The file of properties has a name that only begat knows: who wrote the recipe knows it as BEGAT_UP. */
function inRecipesWords(result: ExecutionResult, up: readonly string[]): ExecutionResult {
  if (result.verdict !== "output-missing" || up.length === 0 || !result.detail.includes(UP_PATH)) return result;
  const alone = result.detail === `output ${UP_PATH} was not made`;
  const detail = alone
    ? `BEGAT_UP was not written; up[] declares ${up.join(", ")}`
    : result.detail.replace(UP_PATH, "BEGAT_UP");
  return { ...result, detail };
}

/** What only executors elsewhere throw. */
const SPOILT: Readonly<Partial<Record<ExecutorErrorCode, Spoilt>>> = {
  EXECUTOR_GONE: "gone",
  EXECUTOR_REFUSED: "refused",
  EXECUTOR_UNTRUSTED: "untrusted",
};

function infrastructureOutcome(
  context: RunContext,
  error: unknown,
  chore: number,
  decision: Decision,
): RunOutcome | undefined {
  if (context.signal.aborted) return { kind: "cancelled" };
  if (!(error instanceof ExecutorError)) return undefined;
  if (error.code === "EXECUTOR_INPUT_CHANGED" || error.code === "EXECUTOR_INPUT_MISSING")
    return { kind: "inputs-moved", inputs: error.inputs };
  if (error.code === "EXECUTOR_CANCELLED") return { kind: "cancelled" };
  const spoilt = SPOILT[error.code];
  if (spoilt !== undefined) return { kind: "spoilt", code: spoilt, because: explain(error) };
  const failure = reportOf(context, chore, decision, "executor-error", explain(error), hintOf(error));
  return { kind: "failed", failure, recorded: undefined };
}

function failureReport(context: RunContext, chore: number, decision: Decision, result: ExecutionResult): FailureReport {
  return {
    ...reportOf(context, chore, decision, result.verdict, result.detail, verdictHint(context.plan, chore, result)),
    stdout: shown(result.stdout),
    stderr: shown(result.stderr),
    durationMs: result.durationMs,
    undeclared: result.undeclared,
  };
}

/** A failure without a run: of the infrastructure, or of what the chore declares. */
export function reportOf(
  context: Pick<RunContext, "plan">,
  chore: number,
  decision: Decision,
  verdict: Verdict,
  detail: string,
  hint: string | undefined,
): FailureReport {
  const { plan } = context;
  const at = plan.place(chore);
  const [output] = plan.outputNames(chore, 1);
  const label = plan.label(chore);
  const target = output ?? label;
  return {
    chore: { index: chore, label, outputs: plan.outputNames(chore) },
    verdict,
    detail,
    hint,
    decision,
    at: `${at.file}:${at.line}:${at.column}`,
    repeat: `begat build ${/^[A-Za-z0-9_./+@%-]+$/.test(target) ? target : `'${target.replaceAll("'", "'\\''")}'`}`,
    stdout: "",
    stderr: "",
    durationMs: 0,
    undeclared: [],
    explanation: undefined,
  };
}

function verdictHint(plan: Plan, chore: number, result: ExecutionResult): string | undefined {
  if (result.verdict === "input-undeclared") return undeclaredHint(plan, chore, result.detail);
  if (result.verdict === "output-missing" && result.undeclared.length > 0) {
    return `the recipe made ${result.undeclared.slice(0, 3).join(", ")}, which out[] does not declare`;
  }
  if (result.verdict === "leftover-processes") return "the recipe must wait for what it starts in the background";
  const text = result.stderr.subarray(Math.max(0, result.stderr.length - 65_536)).toString();
  if (result.verdict === "exit" && /No such file or directory|cannot open|not found/i.test(text)) {
    return "the recipe sees only what in[] declares, and the host's tools";
  }
  return undefined;
}

/** Of an output made by hand before the first round of a fixpoint chore: it is the first round's input. */
export async function adoptOwnOutput(
  context: Pick<RunContext, "plan" | "state" | "rooms">,
  chore: number,
): Promise<void> {
  const { plan, state, rooms } = context;
  for (const entry of plan.inputsOf(chore)) {
    const path = entry >>> 1;
    if (plan.columns.producer[path] !== chore || state.knows(path)) continue;
    const full = rooms.checkout.absolute(plan.path(path));
    const found = rooms.checkout.fs.stat(full);
    if (found?.kind !== "file") continue;
    const bytes = rooms.checkout.fs.readFile(full);
    state.setDigest(path, rooms.blobs.write(bytes, digestOf(bytes)), (found.mode & 0o100) !== 0 ? 2 : 0);
  }
}

/**
 * Says that an earlier execution of the same action came out otherwise, and has that recorded beside this one. Hits go on
 * being made of the earlier one.
 *
 * @returns What `recorded` resolves to, once both stand in the ledger.
 */
function challengeEarlier(
  { recorder, plan, options, listener }: RunContext,
  chore: number,
  { of, difference, outputs }: Contradiction,
  result: ExecutionResult,
  recorded: Promise<Appended>,
  action: Sha256,
): Promise<Appended> {
  const label = plan.label(chore);
  const where = difference.member === undefined ? difference.path : `${difference.path}/${difference.member}`;
  listener({
    type: "notice",
    severity: "warning",
    code: "RESULT_CONTRADICTED",
    message: `${label} made another ${where} than record ${of} says; both are kept, and what record ${of} made goes on being used`,
    hint: `if that is the wrong one, run: begat quarantine records --from ${of} --to ${of} --reason TEXT`,
  });
  return recorded.then(async (appended) => {
    await recorder.challenged({
      of,
      again: appended.seq,
      action,
      chore: label,
      verdict: "differ",
      seed: 0,
      out: outputs.map(toExecOutput),
      diff: recordedDifference(difference),
      level: result.isolation.level,
      t0: result.startedAtMs,
      t1: result.finishedAtMs,
      ms: result.durationMs,
      ver: options.version,
    });
    return appended;
  });
}
