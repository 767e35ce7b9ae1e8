import type { WorkspacePath } from "../../base/index.ts";
import {
  type BuildSummary,
  Checkout,
  type EventListener,
  type QuickAnswer,
  type QuickRequest,
  quickCheck,
} from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import type { Machine, Workspace } from "./machine.ts";

/** What of begat decides how begatfiles are read: another build of it evaluates anew. */
export const planVersion = ({ host }: Machine): string => `${host.version.version}+${host.version.build}`;

/** What is asked about the checkout; `undefined` where a build must look properly whatever the answer. */
export function quickRequest(machine: Machine, workspace: Workspace, options: BuildOptions): QuickRequest | undefined {
  if (options.dryRun || options.force || options.executor !== undefined || options.check?.earlier) return undefined;
  return {
    version: planVersion(machine),
    entries: workspace.entries,
    overrides: options.overrides,
    targets: options.targets,
    directory: workspace.directory as WorkspacePath,
    everyOutput: options.outputs === "all",
    minIsolation: options.minIsolation,
    env: (name) => machine.host.env[name],
  };
}

/** Tells `listener` of a build that had nothing to do. */
export function quickSummary(
  answer: Extract<QuickAnswer, { upToDate: true }>,
  listener: EventListener,
  durationMs: number,
): BuildSummary {
  if (answer.warnings.length > 0) listener({ type: "diagnostics", diagnostics: answer.warnings });
  const summary: BuildSummary = {
    outcome: "ok",
    planned: answer.chores,
    executed: 0,
    cached: 0,
    failed: 0,
    skipped: 0,
    settled: answer.chores,
    checked: 0,
    differing: 0,
    materialised: 0,
    durationMs,
    level: answer.level,
    ledgerSize: undefined,
    dryRun: false,
  };
  listener({ type: "build-finished", summary });
  return summary;
}

/** Nothing to do, and known by stats alone; `undefined` where a build must look properly. */
export function quickly(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
): BuildSummary | undefined {
  const started = machine.clock.monotonicMs();
  const request = quickRequest(machine, workspace, options);
  if (request === undefined) return undefined;
  // Paths from the working directory are half as long, and every stat is the quicker for it.
  process.chdir(workspace.root);
  const answer = quickCheck(new Checkout(machine.fs, "", { ledger: machine.ledgerFile }), request);
  if (!answer.upToDate) return undefined;
  return quickSummary(answer, listener, machine.clock.monotonicMs() - started);
}
