import type { FailureReport, MissingPath } from "../../scheduler/index.ts";
import { formatCount, formatDuration, formatSize } from "../quantity.ts";
import type { Palette } from "./colour.ts";
import { reasonInFull } from "./reason.ts";
import { cutMiddle, oneLine, sanitise } from "./sanitise.ts";
import { shellWord } from "./shell-word.ts";

/** Lines of one stream that are shown; the rest is in the ledger's keeping. */
const SHOWN_LINES = 150;
const UNDECLARED_SHOWN = 5;

/** All that a person needs to mend a failed chore: which, why it ran, how to repeat it, what it said. */
export function failureText(failure: FailureReport, paint: Palette, options: { readonly whole: boolean }): string {
  const label = oneLine(failure.chore.label);
  const head = `${paint.red(paint.bold("failed"))} ${paint.bold(label)}: ${oneLine(failure.detail || failure.verdict)}`;
  const facts: [string, string][] = [
    ["at", oneLine(failure.at)],
    ["ran", reasonInFull(failure.decision)],
    ["repeat", oneLine(failure.repeat)],
  ];
  if (failure.undeclared.length > 0)
    facts.push(["made", `${undeclaredText(failure.undeclared)}, undeclared: discarded`]);
  const explanation = failure.explanation ?? [];
  for (const missing of explanation) facts.push(["hint", oneLine(missingPathText(missing))]);
  if (failure.hint !== undefined && explanation.length === 0) facts.push(["hint", oneLine(failure.hint)]);
  let text = `${head}  ${paint.dim(formatDuration(failure.durationMs))}\n`;
  for (const [name, value] of facts) text += `  ${paint.dim(name.padEnd(6))}  ${value}\n`;
  return text + outputText(failure, paint, options.whole);
}

function outputText(failure: FailureReport, paint: Palette, whole: boolean): string {
  const both = failure.stdout !== "" && failure.stderr !== "";
  let text = "";
  for (const stream of ["stdout", "stderr"] as const) {
    if (failure[stream] === "") continue;
    if (both) text += paint.dim(`  -- ${stream} --\n`);
    text += printedText(failure[stream], failure.chore.label, paint, whole);
  }
  return text;
}

/** What a chore printed, made safe, ended with a newline, its middle left out where it is long. */
export function printedText(printed: string, label: string, paint: Palette, whole: boolean): string {
  const safe = sanitise(printed, paint.enabled);
  const cut = whole ? { head: safe, tail: "", omittedLines: 0, omittedBytes: 0 } : cutMiddle(safe, SHOWN_LINES);
  const head = cut.head.endsWith("\n") ? cut.head : `${cut.head}\n`;
  if (cut.omittedLines === 0) return head;
  const left = `${formatCount(cut.omittedLines)} lines, ${formatSize(cut.omittedBytes)}, left out`;
  // The kept part may have switched a colour on that is switched off in the omitted part.
  const note = `${paint.enabled ? "\x1b[0m" : ""}${paint.dim(`  -- ${left}; the whole: begat log ${shellWord(label)} --`)}`;
  return `${head}${note}\n${cut.tail}`;
}

export function undeclaredText(undeclared: readonly string[]): string {
  const shown = undeclared.slice(0, UNDECLARED_SHOWN).map(oneLine).join(" ");
  const more = undeclared.length - UNDECLARED_SHOWN;
  return more > 0 ? `${shown} and ${formatCount(more)} more` : shown;
}

/** What would give a failed chore what it lacked; a hint that is true. */
export function missingPathText(missing: MissingPath): string {
  switch (missing.kind) {
    case "file":
      return `declare ${missing.path} in in[]`;
    case "output":
      return `declare ${missing.path} in in[] (made by ${missing.madeBy})`;
    case "package":
      return missing.image === "host"
        ? `install package ${missing.package} for ${missing.path}`
        : `add package ${missing.package} to image ${missing.image} for ${missing.path}`;
  }
}
