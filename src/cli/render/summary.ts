import type { BuildSummary } from "../../scheduler/index.ts";
import { counted, formatCount, formatDuration } from "../quantity.ts";
import type { Palette } from "./colour.ts";
import { oneLine } from "./sanitise.ts";
import type { Tally } from "./tally.ts";

/** Failures named again at the end, so that nobody has to scroll for them. */
const NAMED_FAILURES = 10;
const NAMED_RNODES = 3;

/** The last line of a build: what happened, in how long, at which level, and how long the ledger is. */
export function summaryLine(summary: BuildSummary, tally: Tally, paint: Palette): string {
  const [head, details] = headAndDetails(summary, tally);
  const colour = summary.outcome === "ok" ? paint.green : summary.outcome === "cancelled" ? paint.yellow : paint.red;
  const facts = [formatDuration(summary.durationMs)];
  if (summary.executed + summary.failed > 0) facts.push(`level ${summary.level}`);
  if (summary.ledgerSize !== undefined) facts.push(`ledger ${counted(summary.ledgerSize, "record")}`);
  return `${colour(paint.bold(head))}${details === "" ? "" : `: ${details}`}${paint.dim(`  (${facts.join(", ")})`)}\n`;
}

function headAndDetails(summary: BuildSummary, tally: Tally): [head: string, details: string] {
  switch (summary.outcome) {
    case "refused": {
      const mistakes = [counted(tally.errors, "error")];
      if (tally.warnings > 0) mistakes.push(counted(tally.warnings, "warning"));
      return ["nothing was built", tally.errors > 0 ? mistakes.join(", ") : ""];
    }
    case "cancelled": {
      const left = summary.planned - accounted(summary);
      return ["cancelled", [...parts(summary), ...(left > 0 ? [`${formatCount(left)} not reached`] : [])].join(", ")];
    }
    case "failed":
      if (summary.failed === 0) return ["failed", parts(summary).join(", ")];
      return ["failed", [`${formatCount(summary.failed)} failed`, ...parts({ ...summary, failed: 0 })].join(", ")];
    case "ok":
      if (summary.dryRun) return dryRun(summary, tally);
      if (summary.executed > 0) return ["built", parts(summary).join(", ")];
      if (summary.checked > 0) return ["checked", `${counted(summary.checked, "execution")}, all alike`];
      if (summary.materialised > 0) {
        return ["restored", `${counted(summary.materialised, "artifact")} from the cache, nothing had to be executed`];
      }
      if (summary.planned === 0) return ["nothing to do", "no chores"];
      return ["nothing to do", `${counted(summary.planned, "chore")} up to date`];
  }
}

function dryRun(summary: BuildSummary, tally: Tally): [head: string, details: string] {
  if (tally.wouldRun === 0) return ["dry run", `nothing to do, ${counted(summary.planned, "chore")} up to date`];
  const perhaps = tally.perhaps === 0 ? "" : `, ${formatCount(tally.perhaps)} of them perhaps`;
  return ["dry run", `${formatCount(tally.wouldRun)} of ${counted(summary.planned, "chore")} would run${perhaps}`];
}

function accounted(summary: BuildSummary): number {
  return summary.executed + summary.cached + summary.failed + summary.skipped + summary.settled;
}

function parts(summary: BuildSummary): string[] {
  const parts = [`${formatCount(summary.executed)} executed${elsewhere(summary)}`];
  if (summary.cached > 0) parts.push(`${formatCount(summary.cached)} cached`);
  if (summary.settled > 0) parts.push(`${formatCount(summary.settled)} up to date`);
  if (summary.failed > 0) parts.push(`${formatCount(summary.failed)} failed`);
  if (summary.checked > 0) {
    const differ = summary.differing === 1 ? "1 differs" : `${formatCount(summary.differing)} differ`;
    parts.push(`checked ${formatCount(summary.checked)}, ${summary.differing === 0 ? "all alike" : differ}`);
  }
  if (summary.skipped > 0) parts.push(`${formatCount(summary.skipped)} skipped`);
  return parts;
}

/** ` (3 on rnode-1, 2 on rnode-2)` of those executed; the busiest few by name. */
function elsewhere({ elsewhere = {} }: BuildSummary): string {
  const rnodes = Object.entries(elsewhere).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  if (rnodes.length === 0) return "";
  const named = rnodes.slice(0, NAMED_RNODES).map(([name, count]) => `${formatCount(count)} on ${oneLine(name)}`);
  const rest = rnodes.slice(NAMED_RNODES).reduce((sum, [, count]) => sum + count, 0);
  const more = rest === 0 ? [] : [`${formatCount(rest)} on ${rnodes.length - NAMED_RNODES} others`];
  return ` (${[...named, ...more].join(", ")})`;
}

/** The failures by name, above the last line; empty unless other lines may have pushed them out of sight. */
export function failureList(tally: Tally, paint: Palette): string {
  if (tally.failures.length < 2) return "";
  const named = tally.failures.slice(0, NAMED_FAILURES);
  let text = "";
  for (const { chore, detail, at } of named) {
    text += `${paint.red("failed")} ${oneLine(chore.label)}: ${oneLine(detail)}  ${paint.dim(oneLine(at))}\n`;
  }
  const more = tally.failures.length - named.length;
  return more === 0 ? text : `${text}${paint.red("failed")} and ${formatCount(more)} more, above\n`;
}
