import { unusedInputs } from "../../scheduler/index.ts";
import type { BuildOptions, Proven, UnusedView, WorkspaceOptions } from "../services.ts";
import { schedulerOptions } from "./build-options.ts";
import { buildRooms } from "./build-service.ts";
import type { Machine } from "./machine.ts";

/** Runs the chores of a target traced; see `unusedInputs`. */
export async function unused(
  machine: Machine,
  options: WorkspaceOptions,
  about: string,
  signal: AbortSignal,
): Promise<Proven<UnusedView>> {
  const workspace = machine.workspace(options.directory, options.begatfiles);
  const asked: BuildOptions = {
    ...options,
    targets: [about],
    jobs: undefined,
    keepGoing: false,
    dryRun: true,
    force: false,
    minIsolation: undefined,
    executor: undefined,
    outputs: "targets",
    offline: false,
    timeoutMs: undefined,
    verbose: false,
    explain: false,
    check: undefined,
  };
  const rooms = buildRooms(machine, workspace, asked, () => {});
  const found = await unusedInputs(schedulerOptions(machine, workspace, asked), rooms, about, signal);
  return found.found ? { found: true, answer: { chores: found.answer } } : found;
}
