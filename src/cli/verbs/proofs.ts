import { resolve } from "node:path/posix";
import { factLines } from "../../provenance/index.ts";
import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import type { ProveView, VerifyView } from "../proof-services.ts";
import { counted, formatSize } from "../quantity.ts";
import { oneLine } from "../render/sanitise.ts";

export async function prove(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const output = flags.text("output");
  if (output === undefined) throw new UsageError("begat prov prove needs -o DIR", { verb: "prov prove" });
  const directory = directoryOf(context);
  const services = await context.services();
  const view = await services.prove({ directory, artifact: words[0] ?? "", output: resolve(directory, output) });
  answer(context, view, () => proveText(context, view));
  return EXIT.ok;
}

function proveText({ paint }: Context, view: ProveView): string {
  const { path, hash, seq, size, directory, files, proof, proofBytes, witnessed } = view;
  let text = `${paint.bold(oneLine(path))}  ${hash}\n`;
  text += `${paint.dim("record")}     ${seq} of ${size}, ledger ${view.ledger.slice(0, 12)}${witnessed ? "" : ", unwitnessed"}\n`;
  text += `${paint.dim("proof")}      ${oneLine(`${directory}/${proof}`)}, ${formatSize(proofBytes)}\n`;
  text += `${paint.dim("with it")}    ${counted(files.length - 1, "file")} for other tools; ${oneLine(`${directory}/README.md`)} says how\n`;
  return text;
}

const CODES = {
  holds: EXIT.ok,
  "not proven": EXIT.failed,
  tampered: EXIT.tampered,
  "rolled back": EXIT.rolledBack,
  "could not check": EXIT.couldNotCheck,
} as const;

export async function verify(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const directory = directoryOf(context);
  const page = flags.text("page");
  if (page !== undefined) return verifyPage(context, resolve(directory, page));
  if (words.length < 2) throw new UsageError("begat verify needs PROOF and ARTIFACT", { verb: "verify" });
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(directory, path));
  if (flags.has("trust-bundle-keys") && flags.has("policy")) {
    throw new UsageError("--policy says whom to believe; --trust-bundle-keys believes anybody", { verb: "verify" });
  }
  const services = await context.services();
  const view = await services.verify({
    bundle: resolve(directory, words[0] ?? ""),
    artifact: resolve(directory, words[1] ?? ""),
    policy: at(flags.text("policy")),
    vsa: at(flags.text("vsa")),
    trustBundleKeys: flags.has("trust-bundle-keys"),
  });
  answer(context, view, () => verifyText(context, view));
  return CODES[view.verdict];
}

async function verifyPage(context: Context, output: string): Promise<number> {
  if (context.args.words.length > 0) {
    throw new UsageError("--page writes the page and checks nothing itself", { verb: "verify" });
  }
  const services = await context.services();
  const view = await services.verifyPage(output);
  answer(context, view, () => {
    const { paint } = context;
    const what = `${formatSize(view.bytes)}, the same bytes from every begat ${view.version}`;
    return `${paint.dim("page")}     ${oneLine(view.path)}, ${what}\n${paint.dim("sha256")}   ${view.sha256}\n`;
  });
  return EXIT.ok;
}

function verifyText({ paint }: Context, view: VerifyView): string {
  const { verdict, problems, shown, vouchedBy, vsa } = view;
  const colour = verdict === "holds" ? paint.green : verdict === "not proven" ? paint.yellow : paint.red;
  let text = `${colour(paint.bold(verdict.toUpperCase()))}\n`;
  for (const problem of problems) text += `  ${oneLine(problem)}\n`;
  if (shown !== undefined) {
    const facts = [...factLines(shown), ["believed", BELIEVED[vouchedBy ?? "nobody"]]] as const;
    for (const [name, value] of facts) text += `${paint.dim(name.padEnd(9))}  ${oneLine(value)}\n`;
  }
  if (vsa !== undefined) {
    const by = vsa.signedBy === undefined ? "not signed: there is no key here" : `signed by key ${vsa.signedBy}`;
    text += `${paint.dim("summary  ")}  ${oneLine(vsa.path)}, ${by}\n`;
  }
  return text;
}

const BELIEVED = {
  policy: "because the policy accepts it",
  "own ledger": "because it is this user's own ledger",
  "bundle keys": "because you asked to trust the keys in the proof",
  nobody: "by nobody yet: name the ledger in a policy, or compare its keys and use --trust-bundle-keys",
} as const;
