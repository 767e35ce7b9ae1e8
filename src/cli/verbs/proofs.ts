import { resolve } from "node:path/posix";
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

function verifyText({ paint }: Context, view: VerifyView): string {
  const { verdict, problems, shown, vouchedBy, vsa } = view;
  const colour = verdict === "holds" ? paint.green : verdict === "not proven" ? paint.yellow : paint.red;
  let text = `${colour(paint.bold(verdict.toUpperCase()))}\n`;
  for (const problem of problems) text += `  ${oneLine(problem)}\n`;
  if (shown !== undefined) {
    const complete = shown.complete ? "complete: the sandbox enforced it" : "not known to be complete";
    const facts: [string, string][] = [
      ["artifact", `${shown.path}  ${shown.sha256}`],
      ["chore", shown.chore],
      ["command", shown.command.join(" ")],
      ["when", `${shown.startedOn} to ${shown.finishedOn}, by its rnode's clock`],
      ["builder", `${shown.builder}, rnode ${shown.rnode}`],
      ["image", shown.image],
      ["inputs", `${counted(shown.inputs, "file")}, ${complete}`],
      ["signed by", `rnode key ${shown.signer[0]}`],
      ["endorsed", shown.signer.length > 1 ? `by key ${shown.signer[1]}` : "by the ledger's first record"],
      ["ledger", `${shown.ledger}, record ${shown.seq} of ${shown.size}`],
      ["log key", shown.log.join(", ")],
      [
        "witnesses",
        shown.witnesses.length === 0 ? "unwitnessed: none that a policy names" : shown.witnesses.join(", "),
      ],
      ["results", agreementText(shown.agreeing)],
      ["believed", BELIEVED[vouchedBy ?? "nobody"]],
    ];
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

const agreementText = (agreeing: number): string =>
  agreeing === 0
    ? "executed again with another result"
    : agreeing === 1
      ? "executed once; never challenged"
      : `${agreeing} executions gave these bytes`;
