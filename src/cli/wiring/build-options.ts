import { totalmem } from "node:os";
import type { WorkspacePath } from "../../base/index.ts";
import type { BuildOptions as EngineOptions } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import type { Machine, Workspace } from "./machine.ts";
import { planVersion } from "./quick-service.ts";

/** What was asked for on the command line, in the engine's terms. */
export function schedulerOptions(machine: Machine, workspace: Workspace, options: BuildOptions): EngineOptions {
  return {
    version: planVersion(machine),
    entries: workspace.entries as readonly WorkspacePath[],
    targets: options.targets,
    directory: workspace.directory as WorkspacePath,
    overrides: options.overrides,
    jobs: options.jobs ?? machine.jobs,
    keepGoing: options.keepGoing,
    dryRun: options.dryRun,
    force: options.force,
    everyOutput: options.outputs === "all",
    minIsolation: options.minIsolation,
    // Levels as they are measured for others' results are no levels to remember.
    choseExecutor:
      options.executor !== undefined ||
      options.minIsolation !== undefined ||
      options.farm !== undefined ||
      options.cache !== undefined,
    timeoutMs: options.timeoutMs ?? 0,
    resources: { memory: totalmem() },
    verbose: options.verbose,
    ...(options.farm?.download === "none" ? { places: false } : {}),
    explain: options.explain,
    check: options.check,
    who: machine.who,
    env: (name) => machine.host.env[name],
  };
}
