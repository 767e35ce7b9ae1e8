import type { BuildEvent, ChoreName } from "../../scheduler/index.ts";
import { counted, formatCount, formatDuration, formatSize } from "../quantity.ts";
import type { Palette } from "./colour.ts";
import { differenceText } from "./difference.ts";
import { failureText, printedText, undeclaredText } from "./failure.ts";
import type { DrawDiagnostic } from "./late-diagnostics.ts";
import { placeText, reasonText } from "./reason.ts";
import { oneLine, sanitise } from "./sanitise.ts";
import { failureList, summaryLine } from "./summary.ts";
import { count, newTally, position, type Tally } from "./tally.ts";

export interface NarratorOptions {
  readonly paint: Palette;
  readonly drawDiagnostic: DrawDiagnostic;
  /** Only failures, mistakes and warnings. */
  readonly quiet: boolean;
  /** Also cached and skipped chores, fetched blobs, output as it comes, and outputs whole. */
  readonly verbose: boolean;
  /** What was executed again gets a line where it came out alike, too. */
  readonly checks?: boolean;
  /**
   * Executed chores that get a line of their own; later ones are counted only. A terminal has a live view for them,
   * and a build of 10,000 chores would push every failure out of sight. `Infinity` for logs.
   */
  readonly lineBudget: number;
}

/** Turns events into the lines that stay: what a log holds, and what scrolls by above the live view. */
export interface Narrator {
  readonly tally: Tally;
  /** Whole lines, or nothing. */
  tell(event: BuildEvent): string;
}

export function createNarrator(options: NarratorOptions): Narrator {
  const { paint, quiet, verbose, checks = false } = options;
  const tally = newTally();
  // Output as it comes: what has no line end yet, and who has been shown already.
  const unfinished = new Map<string, string>();
  const streamed = new Set<number>();
  let budget = verbose ? Number.POSITIVE_INFINITY : options.lineBudget;

  const executed = (event: Extract<BuildEvent, { type: "chore-finished" }>): string => {
    const label = event.chore.label;
    const printed = event.stdout !== "" || event.stderr !== "" || event.undeclared.length > 0;
    if (quiet) return "";
    budget--;
    let text = "";
    if (budget >= 0 || printed) {
      const unchanged = event.changed ? "" : paint.dim("  same result");
      const where = event.rnode === undefined ? "" : ` on ${oneLine(event.rnode)}`;
      text = `${paint.dim(position(tally))} ${oneLine(label)}  ${formatDuration(event.durationMs)}${where}  ${paint.dim(reasonText(event.decision))}${unchanged}\n`;
    } else if (budget === -1) {
      text = paint.dim("further chores are only counted; --verbose gives each its line\n");
    }
    if (!streamed.has(event.chore.index)) {
      if (event.stdout !== "") text += printedText(event.stdout, label, paint, verbose);
      if (event.stderr !== "") text += printedText(event.stderr, label, paint, verbose);
    }
    if (event.undeclared.length > 0) {
      text += `${paint.yellow("note")}: ${oneLine(label)} made ${undeclaredText(event.undeclared)}, undeclared: discarded\n`;
    }
    return text;
  };

  /** Whole lines only: half a line would be torn apart by the next chore's, and half an escape sequence let through. */
  const output = ({ chore, stream, text }: Extract<BuildEvent, { type: "chore-output" }>): string => {
    streamed.add(chore.index);
    const key = `${chore.index} ${stream}`;
    const lines = ((unfinished.get(key) ?? "") + text).split("\n");
    unfinished.set(key, lines.pop() ?? "");
    return lines.map((line) => outputLine(chore.label, line)).join("");
  };
  const outputLine = (label: string, line: string) =>
    `${paint.dim(`${oneLine(label)} |`)} ${sanitise(line, paint.enabled).replaceAll("\n", `\n${paint.dim("|")} `)}\n`;
  const outputRest = (chore: ChoreName): string => {
    if (!streamed.has(chore.index)) return "";
    let text = "";
    for (const stream of ["stdout", "stderr"]) {
      const rest = unfinished.get(`${chore.index} ${stream}`);
      unfinished.delete(`${chore.index} ${stream}`);
      if (rest) text += outputLine(chore.label, rest);
    }
    return text;
  };

  const told = (event: BuildEvent): string => {
    switch (event.type) {
      case "diagnostics":
        return event.diagnostics.map((d) => options.drawDiagnostic(d, { colour: paint.enabled })).join("");
      case "notice": {
        if (quiet && event.severity === "note") return "";
        return noticeText(event.severity, event.message, event.hint, paint);
      }
      case "chore-failed":
        return outputRest(event.failure.chore) + failureText(event.failure, paint, { whole: verbose });
      case "chore-checked":
        return checkedText(event, paint, verbose || checks);
      case "chore-finished":
        return outputRest(event.chore) + executed(event);
      case "build-finished": {
        const failed = event.summary.outcome !== "ok";
        if (quiet && !failed) return "";
        return failureList(tally, paint) + summaryLine(event.summary, tally, paint);
      }
    }
    if (quiet) return "";
    switch (event.type) {
      case "watching":
        return paint.dim(`watching ${counted(event.directories, "directory", "directories")}; Ctrl-C ends\n`);
      case "changed":
        return `changed: ${changedText(event.paths)}\n`;
      case "waiting": {
        const holder = event.pid === undefined ? "another build" : `the build of process ${event.pid}`;
        return `waiting for ${holder} in this checkout\n`;
      }
      case "fetching":
        return `fetching ${oneLine(event.name)} (${oneLine(event.what)})\n`;
      case "fetched": {
        const lock = event.lockChanged ? "; pinned in begat.lock, which you should commit" : "";
        return `fetched ${oneLine(event.name)} ${oneLine(event.version)}, ${formatSize(event.sizeBytes)}${lock}\n`;
      }
      case "chore-planned":
        return event.decision.reason === "unused input changed"
          ? `would keep ${oneLine(event.chore.label)}  ${paint.dim(reasonText(event.decision))}\n`
          : `would run ${oneLine(event.chore.label)}  ${paint.dim(reasonText(event.decision))}\n`;
      case "build-started": {
        if (!verbose) return "";
        const how = `${counted(event.jobs, "job")}, ${event.executor}, level ${event.level}`;
        return paint.dim(`${counted(event.planned, "chore")} for ${oneLine(event.targets.join(" "))} (${how})\n`);
      }
      case "chore-started":
        return verbose
          ? `started ${oneLine(event.chore.label)}  ${paint.dim(reasonText(event.decision) + placeText(event.place))}\n`
          : "";
      case "chore-output":
        return output(event);
      case "chore-cached":
        return verbose
          ? `${paint.dim(position(tally))} ${oneLine(event.chore.label)}  ${paint.dim(reasonText(event.decision))}\n`
          : "";
      case "chore-skipped":
        return verbose
          ? `${paint.dim(position(tally))} ${oneLine(event.chore.label)}  ${paint.yellow("skipped")}: ${oneLine(event.because)}\n`
          : "";
      case "materialised":
        return verbose ? paint.dim(`wrote ${oneLine(event.path)} ${event.hash.slice(0, 12)}\n`) : "";
      case "progress":
        return "";
    }
  };

  return {
    tally,
    tell(event) {
      count(tally, event);
      return told(event);
    },
  };
}

/** A chore that came out otherwise the second time is told whoever listens; one that did not, only to those who want all. */
function checkedText(event: Extract<BuildEvent, { type: "chore-checked" }>, paint: Palette, tellsAll: boolean): string {
  const { difference, verdict, because, of, record } = event;
  const label = oneLine(event.chore.label);
  const place = record === undefined ? "" : `record ${record.seq} ${record.leaf.slice(0, 12)}, of record ${of}`;
  const where = place === "" ? "" : `  ${paint.dim(place)}`;
  if (difference !== undefined)
    return `${paint.red(paint.bold("differs"))} ${paint.bold(label)}: ${differenceText(difference)}${where}\n`;
  if (verdict === "unchecked")
    return noticeText("warning", `${label} could not be checked: ${because ?? ""}`, undefined, paint);
  return tellsAll ? `${paint.green("agrees")}  ${label}${where}\n` : "";
}

/** Paths that a line of the watch names. */
const NAMED = 5;

function changedText(paths: readonly string[]): string {
  const more = paths.length - NAMED;
  return `${paths.slice(0, NAMED).map(oneLine).join(", ")}${more > 0 ? ` and ${formatCount(more)} more` : ""}`;
}

/** `warning: ...` and, where there is one, its hint. */
export function noticeText(
  severity: "note" | "warning" | "error",
  message: string,
  hint: string | undefined,
  paint: Palette,
): string {
  const colour = { note: paint.cyan, warning: paint.yellow, error: paint.red }[severity];
  const line = `${colour(severity)}: ${oneLine(message)}\n`;
  return hint === undefined ? line : `${line}${paint.cyan("hint")}: ${oneLine(hint)}\n`;
}
