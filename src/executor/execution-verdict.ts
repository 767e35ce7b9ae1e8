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
  context: { readonly timedOutAfterMs: number | undefined; readonly needsBegun: boolean; readonly processes: number },
): Judgement | undefined {
  const { exitCode, signal } = splitStatus(run.status ?? 137);
  if (context.timedOutAfterMs !== undefined) {
    const detail = `still running after ${context.timedOutAfterMs} ms`;
    return { verdict: "timeout", detail, exitCode: undefined, signal: "SIGKILL" };
  }
  if (context.needsBegun && !run.begun) {
    const reason = run.stderr.text().toString().trim().split("\n").pop() ?? "";
    return { verdict: "executor-error", detail: `sandbox was not set up: ${reason}`, exitCode, signal };
  }
  const of = (verdict: Verdict, detail: string): Judgement => ({ verdict, detail, exitCode, signal });
  if (run.lost) return of("executor-error", "launcher was killed while the recipe ran");
  // A fork bomb leaves its processes behind, close to as many as it may have.
  if (run.leftCount > context.processes / 2) {
    return of("resource", `${run.leftCount} processes at its end, ${context.processes} allowed`);
  }
  if (signal !== undefined) {
    const limit = LIMIT_SIGNALS[signal];
    return limit === undefined
      ? of("signal", `ended by ${signal}`)
      : of("resource", `limit ${limit} reached: ${signal}`);
  }
  if (exitCode !== 0) return of("exit", `exit ${exitCode}`);
  if (run.leftCount > 0) {
    const names = [...new Set(run.leftNames)].slice(0, 5).join(", ");
    const count = run.leftCount === 1 ? "1 process was" : `${run.leftCount} processes were`;
    return of("leftover-processes", `${count} still running at its end and killed: ${names}`);
  }
  return undefined;
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
