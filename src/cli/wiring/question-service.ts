import { BegatError } from "../../base/index.ts";
import {
  type Evidence,
  type History,
  historyAt,
  newestMaking,
  provDiff,
  provPath,
  sizeAtTime,
  type WhyAnswer,
  why,
  whyRebuilt,
} from "../../provenance/index.ts";
import type { QuestionAnswer, QuestionLine, QuestionRequest, ReindexReport } from "../services.ts";
import { affected } from "./affected-service.ts";
import { openHistory, openQuestionIndex } from "./history.ts";
import { artifactQuery, changeViews, namedArtifact, whyText } from "./history-service.ts";
import type { Machine } from "./machine.ts";
import { openUserLedger } from "./records.ts";
import { complete, repro, whatIfAnswer } from "./reliability-service.ts";

export class QuestionError extends BegatError<
  "QUESTION_SIZE_AHEAD" | "QUESTION_TIME_UNREADABLE" | "QUESTION_SWAP_UNREADABLE"
> {}

type Lines = { readonly holds: boolean; readonly lines: readonly QuestionLine[] };
export type Asked =
  | ({ readonly found: true } & Lines)
  | { readonly found: false; readonly because: string; readonly hint: string | undefined };

/** Answers one question; every line rests on a record that was read and checked for it. */
export async function ask(machine: Machine, request: QuestionRequest): Promise<QuestionAnswer> {
  const now = await openHistory(machine);
  const size = request.at === undefined ? undefined : sizeOf(now, request.at);
  const history = size === undefined ? now : historyAt(now, size);
  const asked = await answerTo(machine, history, request);
  return asked.found ? { ...asked, ledgerSize: history.ledger.size() } : asked;
}

function answerTo(machine: Machine, history: History, request: QuestionRequest): Asked | Promise<Asked> {
  switch (request.question) {
    case "prov path":
      return path(machine, history, request);
    case "prov why":
      return whyOne(machine, history, request);
    case "prov why-rebuilt":
      return whyAll(history, request);
    case "prov diff":
      return diff(machine, history, request);
    case "prov affected":
      return affected(machine, history, request);
    case "prov complete":
      return complete(machine, history, request);
    case "repro":
      return repro(machine, history, request);
    case "whatif":
      return whatIfAnswer(machine, history, request);
  }
}

/** A number of records, or a time. */
export function sizeOf(history: History, text: string): number {
  if (/^\d{1,15}$/.test(text)) {
    const size = history.ledger.size();
    if (Number(text) <= size) return Number(text);
    throw new QuestionError("QUESTION_SIZE_AHEAD", `the ledger has ${size} records, and ${text} were asked about`);
  }
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) {
    throw new QuestionError("QUESTION_TIME_UNREADABLE", `"${text}" is neither a number of records nor a time`, {
      hint: "a time is written as 2026-11-22T08:00Z",
    });
  }
  return sizeAtTime(history.ledger, atMs);
}

export const line = (
  type: string,
  text: string,
  record?: { readonly seq: number; readonly leaf: string },
  facts: QuestionLine["facts"] = {},
): QuestionLine => ({ type, text, seq: record?.seq, leaf: record?.leaf, facts });

export const madeLine = (type: string, evidence: Evidence, text: string, facts: QuestionLine["facts"] = {}) =>
  line(type, text, evidence, {
    chore: evidence.record.chore,
    action: evidence.record.action,
    level: evidence.record.level,
    signature: evidence.signature,
    ...facts,
  });

/** Lines about records whose signatures do not hold make an answer that does not hold. */
const allHold = (evidence: readonly Evidence[]): boolean => evidence.every(({ signature }) => signature === "holds");

function path(machine: Machine, history: History, request: QuestionRequest): Asked {
  const [x = "", y = ""] = request.words;
  const to = namedArtifact(machine, history, request, x);
  const { inCheckout, ...from } = artifactQuery(machine, { directory: request.directory, artifact: y }, history);
  const byBytes = inCheckout && provPath(history, to, { digest: inCheckout });
  const answer = byBytes?.found ? byBytes : provPath(history, to, from);
  if (!answer.found) return answer;
  const lines = answer.answer.map(({ evidence, made, input }) =>
    madeLine("step", evidence, `${made}  was made by ${evidence.record.chore} from  ${input.path}`, {
      made,
      input: input.path,
      hash: input.digest,
    }),
  );
  return { found: true, holds: allHold(answer.answer.map(({ evidence }) => evidence)), lines };
}

function whyLines({ execution, reason, previous, changes }: WhyAnswer): QuestionLine[] {
  const { record } = execution;
  const went = record.kind === "fail" ? `failed (${record.verdict})` : "was executed";
  const lines = [
    madeLine("why", execution, `${record.chore} ${went}, ${new Date(record.t0).toISOString()}: ${whyText(reason)}`, {
      reason: reason.r,
      failed: record.kind === "fail",
    }),
  ];
  if (previous === undefined) return lines;
  for (const { field, name, from, to } of changeViews(changes)) {
    const side = (value: string | undefined) => (value === undefined ? "(absent)" : shortText(value));
    const text = `${field}${name === "" ? "" : ` ${name}`}: ${side(from)} -> ${side(to)}`;
    lines.push({ ...line("change", text, previous, { field, name, from, to, of: execution.seq }), below: true });
  }
  return lines;
}

export const shortText = (value: string): string => {
  if (/^[0-9a-f]{64}$/.test(value)) return value.slice(0, 12);
  return value.length > 60 ? `${value.slice(0, 57)}...` : value;
};

function whyOne(machine: Machine, history: History, request: QuestionRequest): Asked {
  const [word = ""] = request.words;
  const { path: at = word } = artifactQuery(machine, { directory: request.directory, artifact: word }, history);
  const making = newestMaking(history, namedArtifact(machine, history, request, word));
  const asked = word.includes("(") ? { chore: word } : making ? { chore: making.evidence.record.chore } : { path: at };
  const answer = why(history, asked);
  if (!answer.found) return answer;
  return { found: true, holds: allHold([answer.answer.execution]), lines: whyLines(answer.answer) };
}

function whyAll(history: History, request: QuestionRequest): Asked {
  const { since, limit, words } = request;
  const answer = whyRebuilt(history, words[0] ?? "", {
    limit,
    ...(since === undefined ? {} : { since: sizeOf(history, since) }),
  });
  if (!answer.found) return answer;
  const holds = allHold(answer.answer.map(({ execution }) => execution));
  return { found: true, holds, lines: answer.answer.flatMap(whyLines) };
}

function diff(machine: Machine, history: History, request: QuestionRequest): Asked {
  const [left, right] = request.words.map((word) => namedArtifact(machine, history, request, word));
  const answer = provDiff(history, left ?? {}, right ?? {});
  if (!answer.found) return answer;
  const { same, divergences } = answer.answer;
  if (same) {
    const text = "both are the same bytes";
    return { found: true, holds: true, lines: [madeLine("same", answer.answer.left, text)] };
  }
  const lines = divergences.map(({ left: one, right: other, change }) => {
    const facts = { other: { seq: other.seq, leaf: other.leaf }, ...change };
    const where = `${one.record.chore} (records ${one.seq} and ${other.seq})`;
    if (change === undefined) {
      return madeLine("divergence", one, `${where}: the same was executed and came out otherwise`, facts);
    }
    const side = (value: string | undefined) => (value === undefined ? "(absent)" : shortText(value));
    const what = `${change.field}${change.name === "" ? "" : ` ${change.name}`}`;
    return madeLine("divergence", one, `${where}: ${what}: ${side(change.from)} -> ${side(change.to)}`, facts);
  });
  return { found: true, holds: true, lines };
}

export async function ledgerReindex(machine: Machine): Promise<ReindexReport> {
  const started = machine.clock.monotonicMs();
  const ledger = await openUserLedger(machine, false);
  const { added } = await openQuestionIndex(machine, ledger, { anew: true });
  const path = `${machine.directories.cacheHome}/prov.db`;
  return {
    path,
    records: added,
    sizeBytes: machine.fs.stat(path)?.sizeBytes ?? 0,
    durationMs: machine.clock.monotonicMs() - started,
  };
}
