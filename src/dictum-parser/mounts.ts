import { parseWorkspacePath, type WorkspacePath } from "../base/index.ts";
import type { ChoreMount } from "./chore.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import type { Frame } from "./scope.ts";
import type { MountStatement, Value } from "./syntax.ts";
import { valuesOf } from "./value-evaluation.ts";

/** `mount("where" "ro" "source")`: adds a tree to the frame, for all that is run after it in the same block. */
export function addMount(context: EvaluationContext, frame: Frame, statement: MountStatement): void {
  const values: string[] = [];
  const errors = context.report.errorCount;
  for (const arg of statement.args) {
    const list = valuesOf(context, frame, arg);
    if (list.length !== 1 && context.report.errorCount === errors) {
      context.fail(frame, "EVAL_NOT_ONE", arg, `expected one string for mount, found a list of ${list.length}`);
    }
    values.push(list[0] ?? "");
  }
  if (context.report.errorCount !== errors) return;
  const [where, mode, source] = values;
  if (where === undefined || mode === undefined || source === undefined || values.length > 3) {
    const message = `expected 3 arguments for mount, found ${values.length}`;
    context.fail(frame, "EVAL_ARITY", statement, message, { hint: 'mount("where" "ro" "source")' });
    return;
  }
  if (mode !== "ro") {
    const message = `expected the mode "ro", found ${JSON.stringify(mode)}`;
    context.fail(frame, "EVAL_BAD_MOUNT", statement.args[1] as Value, message, {
      hint: "a mounted tree is part of what a chore is made from, so no chore may write to it",
    });
    return;
  }
  const place = mountPath(context, frame, statement.args[0] as Value, where);
  const tree = mountPath(context, frame, statement.args[2] as Value, source);
  if (place === undefined || tree === undefined) return;
  const mount: ChoreMount = { where: place, mode: "ro", source: tree };
  if (frame.mounts.some((other) => other.where === place)) {
    const message = `expected a place of its own, found a second mount at ${place}`;
    context.fail(frame, "EVAL_BAD_MOUNT", statement.args[0] as Value, message);
    return;
  }
  frame.mounts = [...frame.mounts, mount];
}

function mountPath(context: EvaluationContext, frame: Frame, where: Value, text: string): WorkspacePath | undefined {
  const parsed = parseWorkspacePath(text, frame.directory);
  if (parsed.ok && parsed.path !== "") return parsed.path;
  const message = parsed.ok ? "expected a directory in the workspace, found the workspace itself" : parsed.problem;
  context.fail(frame, "EVAL_PATH", where, message);
  return undefined;
}
