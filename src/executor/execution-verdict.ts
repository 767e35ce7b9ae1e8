import { constants } from "node:os";
import type { ExecutionResult, LimitEvent, Verdict } from "./executor.ts";
import type { LaunchedCommand } from "./launcher/launcher.ts";
import type { CollectedOutputs } from "./outputs/output-collector.ts";

export type Judgement = Pick<ExecutionResult, "verdict" | "detail" | "exitCode" | "signal">;

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** A shell's status is 128 and the signal's number where a signal ended the command: 129 to 159 count as that. */
export function splitStatus(status: number): Pick<Judgement, "exitCode" | "signal"> {
  const signal = status > 128 ? SIGNAL_NAMES.get(status - 128) : undefined;
  return signal === undefined ? { exitCode: status, signal: undefined } : { exitCode: undefined, signal };
}

/** Signals the kernel sends for a limit it was told to keep. */
const LIMIT_SIGNALS: Readonly<Record<string, string>> = { SIGXFSZ: "file-bytes", SIGXCPU: "cpu-time" };

/** What came of the recipe itself; `undefined` when it ended well and its outputs decide. */
export function judgeRecipe(
  run: LaunchedCommand,
  context: {
    readonly timedOutAfterMs: number | undefined;
    readonly needsBegun: boolean;
    readonly limitEvents: readonly LimitEvent[];
  },
): Judgement | undefined {
  const { exitCode, signal } = splitStatus(run.status ?? 137);
  if (context.timedOutAfterMs !== undefined) {
    const detail = `still running after ${context.timedOutAfterMs} ms`;
    return { verdict: "timeout", detail, exitCode: undefined, signal: "SIGKILL" };
  }
  if (context.needsBegun && !run.begun) {
    const reason = run.problem || (run.stderr.text().toString().trim().split("\n").pop() ?? "");
    return { verdict: "executor-error", detail: `sandbox was not set up: ${reason}`, exitCode, signal };
  }
  const of = (verdict: Verdict, detail: string): Judgement => ({ verdict, detail, exitCode, signal });
  if (run.lost) return of("executor-error", "launcher was killed while the recipe ran");
  if (signal !== undefined) {
    const limit = LIMIT_SIGNALS[signal];
    return limit === undefined
      ? of("signal", `ended by ${signal}`)
      : of("resource", `limit ${limit} reached: ${signal}`);
  }
  const event = context.limitEvents[0];
  if (event !== undefined) return of("resource", limitDetail(event));
  if (exitCode !== 0) return of("exit", `exit ${exitCode}`);
  if (run.leftCount > 0) {
    const names = [...new Set(run.leftNames)].slice(0, 5).join(", ");
    const count = run.leftCount === 1 ? "1 process was" : `${run.leftCount} processes were`;
    return of("leftover-processes", `${count} still running at its end and killed: ${names}`);
  }
  return undefined;
}

/** What shells, make and compilers say when the kernel lets them start no more processes or threads. */
const NO_MORE_PROCESSES =
  /cannot fork|can't fork|\bfork\b.{0,40}resource temporarily unavailable|pthread_create.{0,40}resource temporarily unavailable/i;

/**
 * Whether the limit on processes was touched. The kernel tells nobody but the process it refused, so this goes by what
 * was left behind (a fork bomb leaves nearly as many as it may have) and by what was said on standard error.
 */
export function processLimitEvents(run: LaunchedCommand, processes: number): LimitEvent[] {
  const isNear = run.leftCount > processes / 2;
  if (!isNear && (run.stderr.totalBytes === 0 || !NO_MORE_PROCESSES.test(run.stderr.text().toString("latin1"))))
    return [];
  return [{ limit: "processes", allowed: processes, seen: isNear ? run.leftCount : processes }];
}

/** What the outputs say about a recipe that ended well. */
export function judgeOutputs(collected: CollectedOutputs): Judgement {
  const of = (verdict: Verdict, detail: string): Judgement => ({ verdict, detail, exitCode: 0, signal: undefined });
  const event = collected.limitEvents[0];
  if (event !== undefined) return of("resource", limitDetail(event));
  const { missing, rejected } = collected;
  if (missing.length > 0) {
    const what = missing.length === 1 ? `output ${missing[0]} was` : `outputs ${missing.join(", ")} were`;
    return of("output-missing", `${what} not made`);
  }
  if (rejected.length > 0) return of("output-rejected", rejected.join("; "));
  return of("ok", "");
}

function limitDetail({ limit, allowed, seen }: LimitEvent): string {
  return `${limit}: ${seen}, ${allowed} allowed`;
}
