import { resolve } from "node:path/posix";
import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import type { CompareView, ForkView, PinsView } from "../ledger-services.ts";
import { counted } from "../quantity.ts";
import { oneLine } from "../render/sanitise.ts";

const fileOf = (context: Context, file: string): string => resolve(directoryOf(context), file);

export async function ledgerCheckpoint(context: Context): Promise<number> {
  const services = await context.services();
  const view = await services.ledgerCheckpoint();
  // The note itself, so that redirecting it makes a file that every reader of signed notes takes.
  answer(context, view, () => view.note);
  return EXIT.ok;
}

export async function ledgerPin(context: Context): Promise<number> {
  const file = context.args.flags.text("add");
  const services = await context.services();
  const view = await services.ledgerPin({ add: file === undefined ? undefined : fileOf(context, file) });
  answer(context, view, () => pinsText(context, view));
  return view.pins.some(({ size }) => size === undefined) ? EXIT.couldNotCheck : EXIT.ok;
}

function pinsText({ paint }: Context, view: PinsView): string {
  let text = `${paint.dim("ledger")}  ${view.ledger}  ${counted(view.size, "record")}\n`;
  for (const { path, size, signed, imported } of view.pins) {
    const what = size === undefined ? paint.red("cannot be read") : `agrees at ${counted(size, "record")}`;
    const how = [...(signed ? ["signed"] : []), ...(imported ? ["from elsewhere"] : [])].join(", ");
    text += `${paint.dim("pin")}     ${oneLine(path)}  ${what}${how === "" ? "" : paint.dim(` (${how})`)}\n`;
  }
  if (view.added !== undefined) text += `${paint.green("kept")}    ${oneLine(view.added)}\n`;
  if (!view.pins.some(({ imported }) => imported)) {
    text += `${paint.cyan("note")}: unwitnessed: every pin is of this machine; give a checkpoint to somebody else\n`;
  }
  return text;
}

const EXIT_OF_RELATION = { agrees: EXIT.ok, ahead: EXIT.failed, forked: EXIT.rolledBack } as const;

export async function ledgerCompare(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const proof = flags.text("proof");
  const services = await context.services();
  const view = await services.ledgerCompare({
    file: fileOf(context, words[0] ?? ""),
    proof: proof === undefined ? undefined : fileOf(context, proof),
  });
  answer(context, view, () => compareText(context, view));
  return EXIT_OF_RELATION[view.relation];
}

function compareText({ paint }: Context, view: CompareView): string {
  const { relation, here, size, root, own, proof } = view;
  if (relation === "agrees") {
    return `${paint.green("agrees")}: the ledger has ${counted(here, "record")}, and its first ${size} are those of the checkpoint\n`;
  }
  if (relation === "ahead") {
    return `${paint.yellow("ahead")}: the checkpoint is of ${counted(size, "record")}, the ledger has ${here}; if it is this machine's own, records were lost here\n`;
  }
  let text = `${paint.red(paint.bold("forked"))}: the log key signed two histories of ${counted(size, "record")}\n`;
  text += `${paint.dim("theirs")}  ${root}\n${paint.dim("here")}    ${own ?? ""}\n`;
  if (proof !== undefined)
    text += `${paint.dim("proof")}   ${oneLine(proof)}; check it with: begat ledger fork-proof\n`;
  else text += `${paint.cyan("note")}: --proof FILE writes down what others need to see it\n`;
  return text;
}

export async function ledgerForkProof(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const services = await context.services();
  const view = await services.ledgerForkProof({ file: fileOf(context, words[0] ?? ""), keys: flags.texts("key") });
  answer(context, view, () => forkText(context, view));
  return view.forked ? EXIT.rolledBack : EXIT.failed;
}

function forkText({ paint }: Context, view: ForkView): string {
  if (!view.forked) return `${paint.yellow("no fork is proven")}: ${oneLine(view.because)}\n`;
  const { log, ledger, sizes, roots } = view;
  let text = `${paint.red(paint.bold("forked"))}: ${oneLine(log)} signed two histories of ${counted(sizes[0], "record")}\n`;
  text += `${paint.dim("ledger")}  ${ledger}\n`;
  text += `${paint.dim("one")}     ${roots[0]}, signed at ${counted(sizes[0], "record")}\n`;
  text += `${paint.dim("other")}   ${roots[1]}, signed at ${counted(sizes[1], "record")}\n`;
  return text;
}

export async function ledgerExport(context: Context): Promise<number> {
  const services = await context.services();
  const view = await services.ledgerExport({ directory: fileOf(context, context.args.words[0] ?? "") });
  const { size, had, files, root, directory } = view;
  answer(context, view, () => {
    const what = had === 0 ? counted(size, "record") : `${size - had} more of ${counted(size, "record")}`;
    return `exported ${what} in ${counted(files, "file")} to ${oneLine(directory)}\n${context.paint.dim("root")}  ${root}\n`;
  });
  return EXIT.ok;
}
