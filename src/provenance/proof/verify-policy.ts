import { NoteError } from "../note/note.ts";
import { parseTlogPolicy, quorumMet, type TlogPolicy } from "../note/tlog-policy.ts";
import { assertCheckable, parseVkey, type Vkey } from "../note/vkey.ts";
import type { ProvenKey } from "./verify-keys.ts";

/** What somebody asks of a proof: whom to believe, and how much must have been shown. docs/formats.md, "Policies". */
export interface ProofPolicy {
  /** Accepted ledgers, by their identity. */
  readonly ledgers: readonly string[];
  /** Accepted ledgers, by the key that signs their checkpoints. */
  readonly logs: readonly Vkey[];
  /** Accepted pairs of builder and signer; a signer is the rnode's key, or one that endorsed it. `*` is any. */
  readonly builders: readonly { readonly builder: string; readonly key: string }[];
  readonly level: string;
  readonly complete: boolean;
  /** Executions that gave the same result, this one counted. */
  readonly agree: number;
  readonly witnesses: TlogPolicy | undefined;
}

export type PolicyRead =
  | { readonly ok: true; readonly policy: ProofPolicy }
  | { readonly ok: false; readonly line: number | undefined; readonly because: string };

export const POLICY_HEADER = "begat-policy@v1";

/** From the weakest on. */
const LEVELS = ["none", "contained", "hermetic"];

/** Words of C2SP tlog-policy, which mean here what they mean there. */
const WITNESS_WORDS = new Set(["witness", "group", "quorum"]);

/** Reads a policy. What is not understood is refused: a rule overlooked would be one not kept. */
export function readPolicy(text: string): PolicyRead {
  const ledgers: string[] = [];
  const logs: Vkey[] = [];
  const builders: { builder: string; key: string }[] = [];
  const witnessLines: string[] = [];
  let level: string | undefined;
  let complete = false;
  let agree: number | undefined;
  const lines = text.split("\n");
  const refuse = (line: number | undefined, because: string): PolicyRead => ({ ok: false, line, because });
  if (lines[0]?.trimEnd() !== POLICY_HEADER) return refuse(1, `the first line is not ${POLICY_HEADER}`);
  for (const [i, line] of lines.entries()) {
    const [word = "", first = "", second = "", ...rest] = line.trim().split(/[ \t]+/);
    const words = line.trim().split(/[ \t]+/).length;
    if (i === 0 || word === "" || word.startsWith("#")) continue;
    const at = i + 1;
    if (word === "ledger" && words === 2 && /^[0-9a-f]{64}$/.test(first)) ledgers.push(first);
    else if (word === "log" && words === 2) {
      try {
        const key = parseVkey(first);
        assertCheckable(key);
        logs.push(key);
      } catch (error) {
        if (!(error instanceof NoteError)) throw error;
        return refuse(at, error.message);
      }
    } else if (word === "builder" && words === 3 && /^(\*|[0-9a-f]{64})$/.test(second)) {
      builders.push({ builder: first, key: second });
    } else if (word === "level" && words === 2 && level === undefined && LEVELS.includes(first)) level = first;
    else if (word === "complete" && words === 1 && !complete) complete = true;
    else if (word === "agree" && words === 2 && agree === undefined && /^[1-9]\d{0,2}$/.test(first)) agree = +first;
    else if (WITNESS_WORDS.has(word) && rest.length < 100) witnessLines.push(line);
    else return refuse(at, `${JSON.stringify(line.slice(0, 80))} is not understood`);
  }
  if (ledgers.length + logs.length === 0) return refuse(undefined, "it accepts no ledger: no `ledger` or `log` line");
  if (builders.length === 0) return refuse(undefined, "it accepts no builder: no `builder` line");
  let witnesses: TlogPolicy | undefined;
  if (witnessLines.length > 0) {
    const logLines = lines.filter((line) => /^\s*log\s/.test(line));
    if (logLines.length === 0) return refuse(undefined, "witnesses need the ledger's key: no `log` line");
    try {
      witnesses = parseTlogPolicy([...logLines, ...witnessLines].join("\n"));
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      return refuse(undefined, error.message);
    }
  }
  return {
    ok: true,
    policy: { ledgers, logs, builders, level: level ?? "none", complete, agree: agree ?? 1, witnesses },
  };
}

/** What was shown, as far as a policy cares. */
export interface Shown {
  readonly ledger: string;
  /** Keys that signed the checkpoint and count. */
  readonly logKeys: readonly Vkey[];
  readonly signer: ProvenKey;
  readonly builder: string;
  readonly level: string;
  readonly complete: boolean;
  readonly agreeing: number;
  /** Names of witnesses, as the policy calls them, whose cosignatures are good. */
  readonly witnesses: ReadonlySet<string>;
}

/** The rules that are not kept; none where all are. */
export function breaches(policy: ProofPolicy, shown: Shown): string[] {
  const found: string[] = [];
  const sameKey = (a: Vkey, b: Vkey) => a.name === b.name && a.publicKey.every((byte, i) => byte === b.publicKey[i]);
  const known =
    policy.ledgers.includes(shown.ledger) || policy.logs.some((log) => shown.logKeys.some((key) => sameKey(log, key)));
  if (!known) found.push(`ledger ${shown.ledger.slice(0, 12)} is not accepted`);
  const signers = [shown.signer.id, ...shown.signer.by];
  const accepted = policy.builders.some(
    ({ builder, key }) => (builder === "*" || builder === shown.builder) && (key === "*" || signers.includes(key)),
  );
  if (!accepted) found.push(`builder ${shown.builder} with key ${shown.signer.id.slice(0, 12)} is not accepted`);
  if (LEVELS.indexOf(shown.level) < LEVELS.indexOf(policy.level)) {
    found.push(`it was made at level ${shown.level}, and ${policy.level} is asked for`);
  }
  if (policy.complete && !shown.complete) found.push("its inputs are not complete: the sandbox did not enforce it");
  if (shown.agreeing < policy.agree) {
    found.push(`${shown.agreeing} execution(s) gave this result, and ${policy.agree} are asked for`);
  }
  if (policy.witnesses !== undefined && !quorumMet(policy.witnesses, shown.witnesses)) {
    found.push(`its checkpoint has cosignatures of ${shown.witnesses.size} accepted witnesses, which is no quorum`);
  }
  return found;
}
