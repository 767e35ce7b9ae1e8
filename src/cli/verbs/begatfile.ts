import { type Diagnostic, renderDiagnostic } from "../../dictum-parser/index.ts";
import { answer, type Context, directoryOf, workspaceOptions } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import { counted } from "../quantity.ts";
import type { Palette } from "../render/colour.ts";
import { dotText } from "../render/dot.ts";
import { documentText } from "../render/json.ts";
import { oneLine } from "../render/sanitise.ts";
import type { CheckReport, FormatReport } from "../services.ts";

export async function fmt(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const services = await context.services();
  const report = await services.format({ directory: directoryOf(context), paths: words, check: flags.has("check") });
  answer(context, report, () => formatText(context, report));
  const bad = report.files.some(({ state }) => state === "mistaken" || state === "unformatted");
  return bad ? EXIT.failed : EXIT.ok;
}

function formatText({ paint }: Context, report: FormatReport): string {
  let text = mistakes(report.diagnostics, paint);
  for (const { path, state } of report.files) {
    if (state === "formatted") text += `formatted ${oneLine(path)}\n`;
    if (state === "unformatted") text += `${paint.yellow("not formatted")}: ${oneLine(path)}\n`;
    if (state === "mistaken") text += `${paint.red("left alone")}: ${oneLine(path)} has mistakes\n`;
  }
  const same = report.files.filter(({ state }) => state === "same").length;
  return text === "" ? `${counted(same, "file")} already formatted\n` : text;
}

export async function check(context: Context): Promise<number> {
  const services = await context.services();
  const report = await services.check(workspaceOptions(context));
  answer(context, report, () => checkText(context, report));
  return report.diagnostics.some(({ severity }) => severity === "error") ? EXIT.failed : EXIT.ok;
}

function checkText({ paint }: Context, report: CheckReport): string {
  const text = mistakes(report.diagnostics, paint);
  const errors = report.diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = report.diagnostics.length - errors;
  if (errors > 0) {
    const also = warnings > 0 ? `, ${counted(warnings, "warning")}` : "";
    return `${text}${paint.red(paint.bold(counted(errors, "error")))}${also}\n`;
  }
  const what = [counted(report.begatfiles, "begatfile"), counted(report.chores, "chore")];
  if (report.images > 0) what.push(counted(report.images, "image"));
  if (report.sources > 0) what.push(counted(report.sources, "source"));
  const verdict = warnings > 0 ? paint.yellow(counted(warnings, "warning")) : paint.green("no mistakes");
  return `${text}${verdict} in ${what.join(", ")}\n`;
}

export async function graph(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const services = await context.services();
  const view = await services.graph({ ...workspaceOptions(context), targets: words });
  const asJson = flags.has("json") || flags.text("format") === "json";
  if (view.diagnostics.some(({ severity }) => severity === "error")) {
    // A graph with holes would be taken for the graph.
    if (asJson) context.host.stdout.write(documentText("graph", { diagnostics: view.diagnostics, chores: [] }));
    else context.host.stderr.write(mistakes(view.diagnostics, context.paint));
    return EXIT.failed;
  }
  context.host.stdout.write(asJson ? documentText("graph", view) : dotText(view));
  return EXIT.ok;
}

function mistakes(diagnostics: readonly Diagnostic[], paint: Palette): string {
  return diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, { colour: paint.enabled })).join("");
}
