import { counted, formatDuration, formatSize } from "../quantity.ts";
import type { ChangeView, ExecutionView, OutputView, ProvNode, ProvView } from "../services.ts";
import type { Palette } from "./colour.ts";
import { shortValue } from "./reason.ts";
import { oneLine } from "./sanitise.ts";
import { tableText } from "./table.ts";

/** Digits of a digest that people are shown. */
const SHORT = 12;

/** One execution as facts, one a line: `chore  compile(src/a.c)`. */
export function executionText(
  execution: ExecutionView,
  paint: Palette,
  more: readonly (readonly [string, string])[] = [],
): string {
  const failed = execution.kind === "fail";
  const went = failed ? (execution.detail ?? `exit ${execution.exit}`) : "ok";
  const facts: (readonly [string, string])[] = [
    ["chore", execution.chore],
    ["result", `${went}, after ${formatDuration(execution.durationMs)}`],
    ["why", execution.why],
    ["started", execution.startedAt],
    ["by", `${execution.rnode}, level ${execution.level}, image ${shortValue(execution.image)}`],
    ...(execution.on === undefined ? [] : [["there", execution.on] satisfies [string, string]]),
    ["action", execution.action],
    ["record", `${execution.seq}, leaf ${execution.leaf}`],
    ["signature", execution.signature],
    ...more,
  ];
  const bad = (name: string) =>
    (name === "result" && failed) || (name === "signature" && execution.signature !== "holds");
  let text = "";
  for (const [name, value] of facts) {
    const shown = oneLine(value);
    text += `${paint.dim(name.padEnd(9))}  ${bad(name) ? paint.red(shown) : shown}\n`;
  }
  return text + listText("outputs", outputRows(execution.outputs), paint);
}

function outputRows(outputs: readonly OutputView[]): string[][] {
  return outputs.map(({ path, hash, sizeBytes, kind }) => [
    oneLine(path),
    hash.slice(0, SHORT),
    kind === "file" ? formatSize(sizeBytes) : `${formatSize(sizeBytes)}, ${kind}`,
  ]);
}

/** What a stranger may make of it: the level as SLSA defines it, whatever isolation there was, and who else would know. */
function trustRows({ slsa, witnesses }: ProvView): readonly (readonly [string, string])[] {
  const level = slsa.replace(/^SLSA_BUILD_LEVEL_/, "Build L");
  const who = witnesses.length === 0 ? "unwitnessed: only this machine remembers the ledger" : witnesses.join(", ");
  return [
    ["slsa", `${level}: the ledger and its keys are one user's own`],
    ["witnesses", who],
  ];
}

/** Everything `begat prov show` says. */
export function provText(view: ProvView, paint: Palette): string {
  const state = { same: "the same bytes", different: "other bytes", absent: "not there" }[view.checkout];
  const shown = view.checkout === "different" ? paint.yellow(state) : state;
  let text = `${paint.bold(oneLine(view.path))}  ${view.hash}\n${paint.dim("checkout ")}  ${shown}\n`;
  text += executionText(view.execution, paint, trustRows(view));
  const inputs = view.inputs.map(({ path, hash, madeBy, used }) => [
    oneLine(path),
    hash.slice(0, SHORT),
    `${madeBy === undefined ? "source" : `record ${madeBy}`}${used === false ? ", not read" : ""}`,
  ]);
  text += listText("inputs", inputs, paint);
  const env = view.env.map(([name, value]) => [`${name}=${shortValue(value)}`]);
  text += listText("environment", env, paint);
  text += `${paint.dim(`recipe (${oneLine(view.argv.join(" "))})`)}\n`;
  for (const line of unindented(view.recipe)) text += `  ${oneLine(line)}`.trimEnd().concat("\n");
  return text;
}

/** A recipe's lines without the margin it has in the begatfile; tabs become four blanks. */
function unindented(recipe: string): readonly string[] {
  const lines = recipe
    .replace(/^(?:[ \t]*\n)+|\s+$/g, "")
    .split("\n")
    .map((line) => line.replaceAll("\t", "    "));
  const margins = lines.filter((line) => line.trim() !== "").map((line) => line.search(/\S/));
  const margin = Math.min(...margins);
  return lines.map((line) => line.slice(margin));
}

function listText(title: string, rows: readonly (readonly string[])[], paint: Palette): string {
  if (rows.length === 0) return "";
  return `${paint.dim(title)}\n${tableText(rows, { indent: "  ", paint: (cell, column) => (column === 0 ? cell : paint.dim(cell)) })}`;
}

/** `input  include/x.h  41d0… -> 9f2c…`, a line for each difference. */
export function changesText(changes: readonly ChangeView[], paint: Palette): string {
  const side = (value: string | undefined) => (value === undefined ? "(absent)" : shortValue(value));
  const rows = changes.map(({ field, name, from, to }) => [field, oneLine(name), `${side(from)} -> ${side(to)}`]);
  return tableText(rows, { indent: "  ", paint: (cell, column) => (column === 0 ? paint.dim(cell) : cell) });
}

/** An artifact's origin as a tree, each line: path, digest, who made it. */
export function treeText(root: ProvNode, paint: Palette): string {
  let text = `${nodeText(root, paint)}\n`;
  const walk = (node: ProvNode, margin: string) => {
    node.inputs.forEach((input, i) => {
      const isLast = i === node.inputs.length - 1;
      text += `${paint.dim(margin + (isLast ? "└─ " : "├─ "))}${nodeText(input, paint)}\n`;
      walk(input, margin + (isLast ? "   " : "│  "));
    });
  };
  walk(root, "");
  return text;
}

function nodeText(node: ProvNode, paint: Palette): string {
  const { origin } = node;
  let from: string;
  switch (origin.kind) {
    case "execution":
      from = `${oneLine(origin.chore)}, record ${origin.seq}, ${origin.level}`;
      break;
    case "ingest":
      from = `source ${oneLine(origin.name)}, record ${origin.seq}`;
      break;
    case "source":
      from = "source";
  }
  const repeated = node.repeated ? " (its inputs are above)" : "";
  return `${oneLine(node.path)}  ${paint.dim(node.hash.slice(0, SHORT))}  ${paint.dim(from + repeated)}`;
}

/** The leaves only, each once, in the order of their paths. */
export function sourcesText(root: ProvNode, paint: Palette): string {
  const rows = new Map<string, string[]>();
  const walk = (node: ProvNode) => {
    if (node.origin.kind === "execution") for (const input of node.inputs) walk(input);
    else rows.set(`${node.path} ${node.hash}`, [oneLine(node.path), node.hash, sourceName(node)]);
  };
  walk(root);
  const sorted = [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  const table = tableText(sorted, { paint: (cell, column) => (column === 0 ? cell : paint.dim(cell)) });
  return `${table}${paint.dim(`${counted(sorted.length, "source")} of ${oneLine(root.path)}`)}\n`;
}

function sourceName({ origin }: ProvNode): string {
  return origin.kind === "ingest" ? `source ${oneLine(origin.name)}, record ${origin.seq}` : "source";
}
