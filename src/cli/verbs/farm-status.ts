import { answer, type Context } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import type { FarmDescribeReport, FarmExecutionView, FarmStatusReport, RnodeView } from "../farm-services.ts";
import { counted } from "../quantity.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";

export async function farmStatus(context: Context): Promise<number> {
  const report = await (await context.services()).farmStatus(context.args.flags.text("cluster"));
  answer(context, report, () => statusText(context, report));
  return EXIT.ok;
}

export async function farmDescribe(context: Context): Promise<number> {
  const { args } = context;
  const request = { cluster: args.flags.text("cluster"), name: args.words[0] ?? "" };
  const report = await (await context.services()).farmDescribe(request);
  answer(context, report, () => describeText(context, report));
  return EXIT.ok;
}

export async function farmKill(context: Context): Promise<number> {
  const { args } = context;
  const request = {
    cluster: args.flags.text("cluster"),
    name: args.words[0] ?? "",
    reason: args.flags.text("reason") ?? "",
  };
  const report = await (await context.services()).farmKill(request);
  answer(context, report, () => (report.killed ? `ended ${report.name}\n` : `${report.name} had ended already\n`));
  return EXIT.ok;
}

export function statusText({ paint }: Pick<Context, "paint">, report: FarmStatusReport): string {
  const { rnodes, executions, queued, leader } = report;
  const colour = (cell: string, column: number, row: number) =>
    column !== 1 ? cell : rnodes[row]?.state === "ready" ? paint.green(cell) : paint.red(cell);
  const there = rnodes.filter(({ state }) => state !== "away");
  const away = rnodes.length - there.length;
  const busy = there.reduce((sum, rnode) => sum + rnode.busy, 0);
  const slots = there.reduce((sum, rnode) => sum + rnode.slots, 0);
  const members = `${counted(there.length, "rnode")}${away === 0 ? "" : ` and ${away} away`}`;
  const head = `leader ${oneLine(leader)}: ${members}, ${busy} of ${counted(slots, "slot")} taken, ${queued} queued`;
  return [
    `${paint.bold(head)}\n`,
    tableText(rnodes.map(rnodeRow), { indent: "  ", paint: colour }),
    executions.length === 0 ? "" : "\n",
    tableText(executions.map(executionRow), { indent: "  " }),
  ].join("");
}

const rnodeRow = ({ name, state, busy, slots, executor, labels, reason }: RnodeView): string[] => [
  oneLine(name),
  oneLine(state),
  `${busy}/${slots}`,
  oneLine(executor),
  oneLine([...Object.entries(labels).map(([label, value]) => `${label}=${value}`), reason].filter(Boolean).join("  ")),
];

/** Where it is, or why it is nowhere yet. */
const place = ({ rnodes, reason, state }: FarmExecutionView): string =>
  rnodes.length > 0 ? `on ${rnodes.join(" and ")}` : reason || state;

const executionRow = (execution: FarmExecutionView): string[] => [
  oneLine(execution.name),
  oneLine(execution.chore),
  oneLine(place(execution)),
];

export function describeText({ paint }: Pick<Context, "paint">, report: FarmDescribeReport): string {
  const facts: [string, string][] = [
    ["chore", oneLine(report.chore)],
    ["action", report.action],
    ["state", oneLine(report.state === "queued" ? report.reason : place(report))],
    ["for", oneLine(report.who || "nobody said")],
    ["attempt", String(report.attempt)],
    ...report.decisions.map(({ at, text }): [string, string] => [at ?? "", oneLine(text)]),
  ];
  const dim = (cell: string, column: number) => (column === 0 ? paint.dim(cell) : cell);
  return `${paint.bold(oneLine(report.name))}\n${tableText(facts, { indent: "  ", paint: dim })}`;
}
