import type { WorkspacePath } from "../../base/index.ts";
import { type BuildSummary, Checkout, type EventListener, quickCheck } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import type { Machine, Workspace } from "./machine.ts";

/** What of begat decides how begatfiles are read: another build of it evaluates anew. */
export const planVersion = ({ host }: Machine): string => `${host.version.version}+${host.version.build}`;

/** Nothing to do, and known by stats alone; `undefined` where a build must look properly. */
export function quickly(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
): BuildSummary | undefined {
  if (options.dryRun || options.force || options.executor !== undefined || options.check?.earlier) return undefined;
  const started = machine.clock.monotonicMs();
  // Paths from the working directory are half as long, and every stat is the quicker for it.
  process.chdir(workspace.root);
  const answer = quickCheck(new Checkout(machine.fs, "", { ledger: machine.ledgerFile }), {
    version: planVersion(machine),
    entries: workspace.entries,
    overrides: options.overrides,
    targets: options.targets,
    directory: workspace.directory as WorkspacePath,
    everyOutput: options.outputs === "all",
    minIsolation: options.minIsolation,
    env: (name) => machine.host.env[name],
  });
  if (!answer.upToDate) return undefined;
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
    durationMs: machine.clock.monotonicMs() - started,
    level: answer.level,
    ledgerSize: undefined,
    dryRun: false,
  };
  listener({ type: "build-finished", summary });
  return summary;
}
