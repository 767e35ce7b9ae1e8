import { answer, type Context } from "../context.ts";
import type { DecisionRequest, DecisionView, KeysView, KeyView } from "../control-services.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";

/** Records for which both keys count after a rotation. */
const OVERLAP = 1_000;
const SHORT = 12;

export async function ledgerKeys(context: Context): Promise<number> {
  const view = await (await context.services()).ledgerKeys();
  answer(context, view, () => keysText(context, view));
  return view.problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function keysText({ paint }: Context, { keys, quarantines, problems }: KeysView): string {
  const rows = keys.map((key) => [key.id.slice(0, SHORT), roleText(key), lifeText(key), key.held ? "here" : ""]);
  let text = tableText(rows, {
    paint: (cell, column) => (column === 2 && cell.startsWith("revoked") ? paint.red(cell) : cell),
  });
  for (const { seq, target, fromSeq, toSeq, reason } of quarantines) {
    const range = toSeq === undefined ? `from record ${fromSeq} on` : `records ${fromSeq} to ${toSeq}`;
    text += `${paint.red("quarantined")} ${oneLine(target)}, ${range}: ${oneLine(reason)} ${paint.dim(`(record ${seq})`)}\n`;
  }
  for (const { seq, because } of problems) text += `${paint.red("not valid")} record ${seq}: ${oneLine(because)}\n`;
  return text;
}

const roleText = ({ role, rnode }: KeyView): string => (rnode === undefined ? role : `${role} ${oneLine(rnode)}`);

function lifeText({ since, until, revokedFrom, revokedFor, counts }: KeyView): string {
  if (revokedFrom !== undefined) return `revoked from record ${revokedFrom}: ${oneLine(revokedFor ?? "")}`;
  const from = since === 0 ? "since genesis" : `since record ${since}`;
  if (until === undefined) return from;
  return counts ? `${from}, until record ${until}` : `${from}, gave way at record ${until}`;
}

export async function ledgerRotate(context: Context): Promise<number> {
  const role = context.args.words[0];
  if (role !== "log" && role !== "rnode") {
    throw new UsageError(`"${role}" is no key to rotate: log or rnode`, { verb: "ledger rotate" });
  }
  return decide(context, {
    ...common(context),
    what: "rotate",
    role,
    overlap: context.args.flags.number("overlap") ?? OVERLAP,
  });
}

export async function ledgerEndorse(context: Context): Promise<number> {
  const role = context.args.flags.text("new");
  if (role !== "admin" && role !== "log" && role !== "rnode") {
    throw new UsageError("--new ROLE is missing: what the key is for", { verb: "ledger endorse" });
  }
  return decide(context, { ...common(context), what: "endorse", role });
}

export async function ledgerRevoke(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const reason = reasonOf(context);
  return decide(context, {
    ...common(context),
    what: "revoke",
    key: words[0] ?? "",
    fromSeq: flags.number("from"),
    reason,
  });
}

export async function ledgerRestore(context: Context): Promise<number> {
  return decide(context, { ...common(context), what: "restore", reason: reasonOf(context) });
}

export async function quarantine(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const [fromSeq, toSeq] = [flags.number("from"), flags.number("to")];
  const target = words[0] ?? "";
  if (target === "records" && (fromSeq === undefined || toSeq === undefined)) {
    throw new UsageError("records are quarantined with --from SEQ and --to SEQ", { verb: "quarantine" });
  }
  const reason = reasonOf(context);
  return decide(context, { ...common(context), what: "quarantine", target, fromSeq: fromSeq ?? 0, toSeq, reason });
}

export async function release(context: Context): Promise<number> {
  const reason = reasonOf(context);
  return decide(context, { ...common(context), what: "release", target: context.args.words[0] ?? "", reason });
}

export async function provProperty(context: Context): Promise<number> {
  const [subject = "", fact = ""] = context.args.words;
  const at = fact.indexOf("=");
  if (at < 1) throw new UsageError("a property is written NAME=VALUE, after its subject", { verb: "prov property" });
  const [name, value] = [fact.slice(0, at), fact.slice(at + 1)];
  return decide(context, { ...common(context), what: "property", subject, name, value });
}

const common = ({ args }: Context) => ({ rootKey: args.flags.text("root-key") });

function reasonOf({ args }: Context): string {
  const reason = args.flags.text("reason");
  if (reason === undefined || reason.trim() === "") {
    throw new UsageError("--reason TEXT is missing: it stays in the ledger, for whoever asks later", {
      verb: args.verb,
    });
  }
  return reason;
}

async function decide(context: Context, request: DecisionRequest): Promise<number> {
  const decisions = await (await context.services()).decide(request);
  answer(context, { decisions }, () => decisions.map((decision) => decisionText(context, decision)).join(""));
  return EXIT.ok;
}

function decisionText({ paint }: Context, { seq, subject, detail, keyFile }: DecisionView): string {
  let text = `${paint.bold(oneLine(subject))}: ${oneLine(detail)} ${paint.dim(`(record ${seq})`)}\n`;
  if (keyFile !== undefined) text += `its private key is ${oneLine(keyFile)}\n`;
  return text;
}
