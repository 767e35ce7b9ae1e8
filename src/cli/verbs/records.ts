import { answer, type Context, directoryOf, workspaceOptions } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import { counted, formatCount } from "../quantity.ts";
import { changesText, executionText, provText, sourcesText, treeText } from "../render/execution.ts";
import { printedText } from "../render/failure.ts";
import { documentText } from "../render/json.ts";
import { noticeText } from "../render/narrator.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";
import type { ExecutionView, LogView, Proven, Services, UnusedView, WhyView } from "../services.ts";

const DEFAULT_LIMIT = 20;

export async function why(context: Context): Promise<number> {
  const services = await context.services();
  if (context.args.flags.has("unused")) return unused(context, services);
  const proven = await services.why(workspaceOptions(context), context.args.words[0] ?? "");
  return answerProven(context, proven, (view) => whyText(context, view));
}

async function unused(context: Context, services: Services): Promise<number> {
  const { args, host } = context;
  const cancellation = new AbortController();
  const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    host.onSignal(signal, () => cancellation.abort()),
  );
  try {
    const proven = await services.unused(workspaceOptions(context), args.words[0] ?? "", cancellation.signal);
    return answerProven(context, proven, (view) => unusedText(context, view), "");
  } finally {
    for (const undo of unwatch) undo();
  }
}

function unusedText({ paint }: Context, { chores }: UnusedView): string {
  let text = "";
  for (const { chore, at, declared, unused } of chores) {
    const label = paint.bold(oneLine(chore));
    const inputs = counted(declared, "declared input");
    if (declared === 0) text += `${label} declares no inputs`;
    else if (unused.length === 0) text += `${label} read all of its ${inputs}`;
    else text += `${label} did not read ${formatCount(unused.length)} of its ${inputs}`;
    text += `  ${paint.dim(oneLine(at))}\n`;
    for (const path of unused) text += `  ${oneLine(path)}\n`;
  }
  return text;
}

function whyText({ paint }: Context, view: WhyView): string {
  const { execution, previous } = view;
  const outcome = execution.kind === "fail" ? paint.red(`failed (${oneLine(execution.detail ?? "")})`) : "executed";
  let text = `${paint.bold(oneLine(execution.chore))} was ${outcome}, ${execution.startedAt}, record ${execution.seq}\n`;
  text += `${paint.dim("because")}   ${oneLine(view.reason)}\n`;
  if (execution.on !== undefined) {
    text += `${paint.dim("ran on")}    ${oneLine(execution.rnode)}, ${execution.level}: ${oneLine(execution.on)}\n`;
  }
  if (previous !== undefined) {
    text += `${paint.dim("compared")}  with record ${previous.seq}, ${previous.startedAt}\n`;
    text += view.changes.length === 0 ? "  nothing that counts differs\n" : changesText(view.changes, paint);
  }
  if (view.kept !== undefined) {
    const { record, at, changes } = view.kept;
    text += `${paint.dim("kept")}      ${at}, record ${record}: unused inputs changed\n${changesText(changes, paint)}`;
  }
  if (view.now !== undefined) text += `${paint.dim("now")}       ${oneLine(view.now)}\n`;
  return text;
}

export async function log(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const about = words[0];
  const services = await context.services();
  const view = await services.log({
    directory: directoryOf(context),
    about,
    limit: flags.number("limit") ?? DEFAULT_LIMIT,
    kinds: flags.texts("kind"),
  });
  const nothing = about !== undefined && view.lines.length === 0 && view.execution === undefined;
  answer(context, view, () => (nothing ? "" : logText(context, view)));
  if (!nothing) return EXIT.ok;
  const message = `no record is about "${about}"`;
  if (!flags.has("json")) context.host.stderr.write(noticeText("error", message, undefined, context.paint));
  return EXIT.failed;
}

function logText({ paint }: Context, view: LogView): string {
  if (view.execution !== undefined) {
    let text = executionText(view.execution, paint);
    for (const stream of ["stdout", "stderr"] as const) {
      const printed = view.printed?.[stream] ?? "";
      if (printed === "") continue;
      text += `${paint.dim(`-- ${stream} --`)}\n${printedText(printed, view.execution.chore, paint, true)}`;
    }
    return text;
  }
  if (view.lines.length === 0) return `${view.ledgerSize === 0 ? "the ledger is empty" : "no such records"}\n`;
  const rows = view.lines.map(({ seq, time, kind, subject, detail }) => [
    String(seq),
    time,
    kind,
    [oneLine(subject), oneLine(detail)].filter((part) => part !== "").join(": "),
  ]);
  const colour = (cell: string, column: number, row: number) => {
    if (column === 1) return paint.dim(cell);
    return column === 2 && rows[row]?.[2] === "fail" ? paint.red(cell) : cell;
  };
  const more = view.ledgerSize - view.lines.length;
  const rest = more > 0 ? paint.dim(`${counted(view.ledgerSize, "record")} in all\n`) : "";
  return tableText(rows, { right: new Set([0]), paint: colour }) + rest;
}

export async function provShow(context: Context): Promise<number> {
  const services = await context.services();
  const proven = await services.provShow({
    directory: directoryOf(context),
    artifact: context.args.words[0] ?? "",
    ...(context.at === undefined ? {} : { at: context.at }),
  });
  const code = answerProven(context, proven, (view) => provText(view, context.paint));
  if (!proven.found || code !== EXIT.ok) return code;
  const signed = exitCodeOf(proven.answer.execution);
  // Other bytes in the checkout: whatever the record proves, it is not about them.
  return signed === EXIT.ok && proven.answer.checkout === "different" ? EXIT.failed : signed;
}

export async function provTree(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const services = await context.services();
  const sourcesOnly = flags.has("sources");
  const proven = await services.provTree({
    directory: directoryOf(context),
    artifact: words[0] ?? "",
    depth: flags.number("depth"),
    sourcesOnly,
    ...(context.at === undefined ? {} : { at: context.at }),
  });
  return answerProven(context, proven, (root) =>
    sourcesOnly ? sourcesText(root, context.paint) : treeText(root, context.paint),
  );
}

function exitCodeOf(execution: ExecutionView): number {
  if (execution.signature === "broken") return EXIT.tampered;
  return execution.signature === "holds" ? EXIT.ok : EXIT.failed;
}

function answerProven<T extends object>(
  context: Context,
  proven: Proven<T>,
  text: (answer: T) => string,
  otherwise = "not proven: ",
): number {
  const { args, host, paint } = context;
  if (proven.found) {
    answer(context, { found: true, answer: proven.answer }, () => text(proven.answer));
    return EXIT.ok;
  }
  if (args.flags.has("json")) host.stdout.write(documentText(args.verb, proven));
  else {
    const asOf = context.at === undefined ? "" : ` (as of ${context.at})`;
    host.stderr.write(noticeText("error", `${otherwise}${proven.because}${asOf}`, proven.hint, paint));
  }
  return EXIT.failed;
}
