// A row of the report: what was measured, against which goal, and whether it was met.

import { quantity, ratioOf, spread, summarise } from "./samples.mjs";

/**
 * @typedef {object} Row
 * @property {string} name Stable, for --json and for a test.
 * @property {string} measure What was measured, in words.
 * @property {"ms" | "MB" | "KiB" | "rate" | "chores" | "share"} unit
 * @property {number[] | undefined} begat Samples; `undefined` when it could not be measured.
 * @property {number[] | undefined} peer
 * @property {string} peerName `ninja`, `node -e 0`, `null build`, or empty where nothing is compared.
 * @property {{ ratio: number } | { most: number } | { least: number } | undefined} goal A ratio to the peer, or an amount in `unit`.
 * @property {string | undefined} limit What limits it, said where the goal is missed.
 * @property {string | undefined} skipped Why it was not measured.
 */

/** Everything derived from the samples. `met` is `undefined` where there is no goal or no peer to compare with. */
export function judge(row) {
  const begat = summarise(row.begat);
  const peer = summarise(row.peer);
  const ratio = begat !== undefined && peer !== undefined ? ratioOf(row.begat, row.peer) : undefined;
  let met;
  if (begat !== undefined && row.goal !== undefined) {
    if ("most" in row.goal) met = begat.median <= row.goal.most;
    else if ("least" in row.goal) met = begat.median >= row.goal.least;
    else if (ratio !== undefined) met = ratio <= row.goal.ratio;
  }
  return { ...row, begat, peer, ratio, met };
}

function goalText({ goal, unit, peerName }) {
  if (goal === undefined) return "";
  if ("ratio" in goal) return `<= ${goal.ratio} x ${peerName}`;
  if ("least" in goal) return `>= ${quantity(goal.least, unit)}`;
  return goal.most === 0 ? "none" : `<= ${quantity(goal.most, unit)}`;
}

function ratioText(row) {
  if (row.ratio !== undefined) return `${row.ratio.toFixed(2)} x`;
  if (row.peerName === "ninja" && row.skipped === undefined && row.peer === undefined) return "no ninja";
  return "";
}

function verdictText(row) {
  if (row.skipped !== undefined) return "not measured";
  if (row.goal === undefined) return "";
  if (row.met === undefined) return "not compared";
  return row.met ? "met" : "MISSED";
}

const HEADINGS = ["measure", "begat: median [min..max]", "peer: median [min..max]", "ratio", "goal", ""];

/**
 * The table as Markdown, readable as it stands; below it what was not measured, and what limits the missed ones.
 *
 * @param {{ withLimits: boolean }} options `false` for sizes the limits do not speak of.
 */
export function table(judged, { withLimits }) {
  const lines = judged.map((row) => [
    row.measure,
    row.begat === undefined ? "-" : spread(row.begat, row.unit),
    row.peer === undefined
      ? "-"
      : `${spread(row.peer, row.unit)}${row.peerName === "ninja" ? "" : ` (${row.peerName})`}`,
    ratioText(row),
    goalText(row),
    verdictText(row),
  ]);
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...lines.map((cells) => cells[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const notes = judged.flatMap((row) => {
    if (row.skipped !== undefined) return [`${row.measure}: not measured: ${row.skipped}`];
    if (withLimits && row.met === false) return [`${row.measure}: MISSED; limit: ${row.limit ?? "not looked into"}`];
    return [];
  });
  return [line(HEADINGS), rule, ...lines.map(line), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}
