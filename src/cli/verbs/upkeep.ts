import { resolve } from "node:path/posix";
import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import { counted, formatDuration, formatSize } from "../quantity.ts";
import { doctorText } from "../render/doctor.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";
import type { LedgerVerdict } from "../services.ts";

/** Problems shown; `--json` has them all. */
const SHOWN = 20;

const EXIT_OF_VERDICT = {
  holds: EXIT.ok,
  "not proven": EXIT.failed,
  tampered: EXIT.tampered,
  "rolled back": EXIT.rolledBack,
  "could not check": EXIT.couldNotCheck,
} as const satisfies Record<LedgerVerdict["verdict"], number>;

export async function ledgerVerify(context: Context): Promise<number> {
  const services = await context.services();
  const { flags } = context.args;
  const tiles = flags.text("tiles");
  const verdict = await services.ledgerVerify({
    signatures: !flags.has("no-signatures"),
    tiles: tiles === undefined ? undefined : resolve(directoryOf(context), tiles),
  });
  answer(context, verdict, () => verdictText(context, verdict));
  return EXIT_OF_VERDICT[verdict.verdict];
}

const HEADS = {
  holds: "the ledger holds",
  "not proven": "the ledger is not proven",
  tampered: "the ledger was tampered with",
  "rolled back": "the ledger was rolled back",
  "could not check": "the ledger could not be checked",
} as const satisfies Record<LedgerVerdict["verdict"], string>;

function verdictText({ paint }: Context, verdict: LedgerVerdict): string {
  const holds = verdict.verdict === "holds";
  const head = (holds ? paint.green : paint.red)(paint.bold(HEADS[verdict.verdict]));
  const what = [counted(verdict.size, "record"), counted(verdict.executions, "execution")];
  what.push(
    verdict.signatures === 0 ? "signatures not checked" : `${counted(verdict.signatures, "signature")} checked`,
  );
  let text = `${head}  ${paint.dim(`(${what.join(", ")}, ${formatDuration(verdict.durationMs)})`)}\n`;
  text += `${paint.dim("file    ")}  ${oneLine(verdict.path)}\n`;
  if (verdict.identity !== undefined) text += `${paint.dim("identity")}  ${verdict.identity}\n`;
  if (verdict.root !== undefined) {
    const signed = `${counted(verdict.checkpoints, "checkpoint")}${verdict.witnessed ? "" : ", unwitnessed"}`;
    text += `${paint.dim("root    ")}  ${verdict.root}  ${paint.dim(`(${signed})`)}\n`;
  }
  for (const { seq, message } of verdict.problems.slice(0, SHOWN)) {
    text += `${paint.red("error")}: ${seq === undefined ? "" : `record ${seq}: `}${oneLine(message)}\n`;
  }
  const more = verdict.problems.length - SHOWN;
  if (more > 0) text += `${paint.red("error")}: ${counted(more, "more problem")}; --json lists them\n`;
  for (const note of verdict.notes) text += `${paint.cyan("note")}: ${oneLine(note)}\n`;
  return text;
}

export async function cacheStats(context: Context): Promise<number> {
  const services = await context.services();
  const stats = await services.cacheStats();
  answer(context, stats, () =>
    facts(context, [
      ["directory", oneLine(stats.directory)],
      ["blobs", `${counted(stats.blobs, "blob")}, ${formatSize(stats.sizeBytes)}`],
      ["index", `${counted(stats.executions, "execution")}, ${formatSize(stats.indexSizeBytes)}`],
      ["leases", stats.leases === 0 ? "none" : counted(stats.leases, "running build")],
      ["set aside", stats.quarantined === 0 ? "none" : `${counted(stats.quarantined, "corrupt blob")}`],
    ]),
  );
  return EXIT.ok;
}

export async function cacheVerify(context: Context): Promise<number> {
  const services = await context.services();
  const verdict = await services.cacheVerify();
  const { paint } = context;
  answer(context, verdict, () => {
    let text = "";
    for (const { hash, found, movedTo } of verdict.bad) {
      text += `${paint.red("error")}: blob ${hash} has digest ${found}; moved to ${oneLine(movedTo)}\n`;
    }
    const good = verdict.bad.length === 0;
    const head = good
      ? paint.green("every blob is what it should be")
      : paint.red(`${counted(verdict.bad.length, "corrupt blob")} set aside`);
    const what = `${counted(verdict.blobs, "blob")}, ${formatSize(verdict.sizeBytes)}, ${formatDuration(verdict.durationMs)}`;
    return `${text}${head}  ${paint.dim(`(${what})`)}\n`;
  });
  return verdict.bad.length === 0 ? EXIT.ok : EXIT.tampered;
}

export async function cacheGc(context: Context, maxSizeBytes: number): Promise<number> {
  const services = await context.services();
  const report = await services.cacheGc({ maxSizeBytes, dryRun: context.args.flags.has("dry-run") });
  answer(context, report, () => {
    const verb = report.dryRun ? "would remove" : "removed";
    const leased =
      report.leased === 0 ? "" : `, ${counted(report.leased, "blob")} of them only because they are in use`;
    const kept = `kept ${counted(report.kept, "blob")}, ${formatSize(report.keptBytes)}${leased}`;
    return `${verb} ${counted(report.removed, "blob")}, ${formatSize(report.freedBytes)}; ${kept}\n`;
  });
  return EXIT.ok;
}

export async function doctor(context: Context): Promise<number> {
  const services = await context.services();
  const report = await services.doctor({ directory: directoryOf(context) });
  answer(context, report, () => doctorText(report, context.paint));
  return report.findings.some(({ state }) => state === "bad") ? EXIT.failed : EXIT.ok;
}

function facts({ paint }: Context, rows: readonly (readonly [string, string])[]): string {
  return tableText(rows, { paint: (cell, column) => (column === 0 ? paint.dim(cell) : cell) });
}
