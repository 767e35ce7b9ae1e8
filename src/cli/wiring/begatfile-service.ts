import { resolve } from "node:path/posix";
import type { WorkspacePath } from "../../base/index.ts";
import { type Diagnostic, formatBegatfile } from "../../dictum-parser/index.ts";
import { describeGraph, selectTargets } from "../../scheduler/index.ts";
import type {
  CheckReport,
  FormatReport,
  FormatRequest,
  GraphRequest,
  GraphView,
  WorkspaceOptions,
} from "../services.ts";
import { declared } from "./declared-images.ts";
import type { Machine } from "./machine.ts";

export async function format(machine: Machine, request: FormatRequest): Promise<FormatReport> {
  const files: { path: string; state: FormatReport["files"][number]["state"] }[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const path of request.paths.length === 0 ? ["begatfile"] : request.paths) {
    const full = resolve(request.directory, path);
    const text = machine.fs.readFile(full).toString();
    const result = formatBegatfile(text, path);
    if (!result.ok) {
      diagnostics.push(...result.diagnostics);
      files.push({ path, state: "mistaken" });
    } else if (result.text === text) files.push({ path, state: "same" });
    else {
      if (!request.check) machine.fs.replaceFile(full, result.text, { mode: machine.fs.stat(full)?.mode ?? 0o644 });
      files.push({ path, state: request.check ? "unformatted" : "formatted" });
    }
  }
  return { files, diagnostics };
}

export async function check(machine: Machine, options: WorkspaceOptions): Promise<CheckReport> {
  const { workspace, prepared } = await declared(machine, options);
  const begatfiles = workspace.entries.length;
  if (!prepared.ok) return { diagnostics: prepared.diagnostics, begatfiles, chores: 0, images: 0, sources: 0 };
  const { plan, facts } = prepared.loaded;
  return {
    diagnostics: facts.warnings,
    begatfiles,
    chores: plan.choreCount,
    images: facts.images.length,
    sources: facts.sources.length,
  };
}

export async function graph(machine: Machine, request: GraphRequest): Promise<GraphView> {
  const { workspace, prepared } = await declared(machine, request);
  if (!prepared.ok) return { diagnostics: prepared.diagnostics, chores: [] };
  const { plan, facts } = prepared.loaded;
  const selection = selectTargets(plan, facts.groups, request.targets, workspace.directory as WorkspacePath, false);
  // Without targets the whole plan is shown, even what no target needs.
  if (request.targets.length === 0) selection.needed.fill(1);
  return { diagnostics: facts.warnings, chores: describeGraph(plan, selection) };
}
