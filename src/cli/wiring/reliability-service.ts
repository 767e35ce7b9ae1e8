import { resolve } from "node:path/posix";
import { type Digest, digestOf, type Sha256 } from "../../base/index.ts";
import {
  type ActionReproducibility,
  type ArtifactQuery,
  completeArtifact,
  completeBuild,
  type History,
  type ProvNode,
  provTree,
  reproOfArtifact,
  reproOfDictum,
  reproWords,
  type WhatIfStep,
  whatIf,
} from "../../provenance/index.ts";
import type { QuestionLine, QuestionRequest } from "../services.ts";
import { artifactQuery, namedArtifact } from "./history-service.ts";
import type { Machine } from "./machine.ts";
import { type Asked, line, madeLine, QuestionError } from "./question-service.ts";
import { rewriteAction } from "./rewrite-action.ts";

export function complete(machine: Machine, history: History, request: QuestionRequest): Asked {
  const [word = ""] = request.words;
  if (history.index.build(word) !== undefined) return completeBooks(history, word);
  const answer = completeArtifact(history, namedArtifact(machine, history, request, word));
  if (!answer.found) return { ...answer, because: `${answer.because}, and no build of that name is recorded` };
  const { root, executions, sources, ingests, holes } = answer.answer;
  const what = `${executions.length} executions, ${sources} sources, ${ingests} outside inputs`;
  const top = root.origin.kind === "execution" ? root.origin.making.evidence : undefined;
  const head = holes.length === 0 ? "COMPLETE" : "NOT COMPLETE";
  const lines: QuestionLine[] = [
    {
      ...line("complete", `${head}  ${root.path}: ${what}`, top, { complete: holes.length === 0, sources, ingests }),
      mood: holes.length === 0 ? "good" : "bad",
    },
  ];
  for (const { evidence, problem } of holes) {
    lines.push({ ...madeLine("hole", evidence, `${evidence.record.chore}: ${problem}`, { problem }), below: true });
  }
  return { found: true, holds: holes.length === 0, lines };
}

function completeBooks(history: History, build: string): Asked {
  const answer = completeBuild(history, build);
  if (!answer.found) return answer;
  const { begin, end, planned, records, holes } = answer.answer;
  const good = holes.length === 0;
  const text = `${good ? "COMPLETE" : "NOT COMPLETE"}  build ${build}: ${planned} chores planned, ${records} records`;
  const lines: QuestionLine[] = [
    {
      ...line("complete", text, end ?? begin, { complete: good, build, planned, records }),
      mood: good ? "good" : "bad",
    },
  ];
  for (const { seq, problem } of holes) {
    lines.push({ ...line("hole", problem, { seq, leaf: "" }, { problem }), leaf: undefined, below: true });
  }
  return { found: true, holds: good, lines };
}

export function repro(machine: Machine, history: History, request: QuestionRequest): Asked {
  const [word = ""] = request.words;
  const isChore = word.includes("(") || history.index.choresOf(word, 1).length > 0;
  const answer = isChore
    ? reproOfDictum(history, word)
    : reproOfArtifact(history, namedArtifact(machine, history, request, word));
  if (!answer.found) return answer;
  const bad = answer.answer.filter((action) => !isReproducible(action));
  return { found: true, holds: bad.length === 0, lines: answer.answer.flatMap(reproLines) };
}

const isReproducible = ({ results, challenges }: ActionReproducibility): boolean =>
  results <= 1 && challenges.every(({ verdict }) => verdict === "match");

function reproLines(found: ActionReproducibility): QuestionLine[] {
  const { action, chore, executions, results, challenges } = found;
  const newest = executions[executions.length - 1];
  const facts = { action, chore, executions: executions.map(({ seq }) => seq), results };
  const good = isReproducible(found);
  const mood = !good ? { mood: "bad" as const } : challenges.length > 0 ? { mood: "good" as const } : {};
  const lines: QuestionLine[] = [
    { ...line("action", `${chore}  action ${action.slice(0, 12)}: ${reproWords(found)}`, newest, facts), ...mood },
  ];
  if (results > 1) {
    for (const evidence of executions) {
      const outputs = evidence.record.out.map(({ p, d }) => `${p} ${d.slice(0, 12)}`).join(", ");
      const made = evidence.record.out.map(({ p, d }) => ({ path: p, hash: d }));
      lines.push({ ...madeLine("result", evidence, outputs, { outputs: made }), below: true });
    }
  }
  for (const challenge of challenges) {
    const { of, verdict, rnode } = challenge;
    const text = `record ${of} challenged on ${rnode}: ${verdict === "match" ? "the same came out" : "came out otherwise"}`;
    lines.push({ ...line("challenge", text, challenge, { of, verdict, rnode }), below: true });
  }
  return lines;
}

export function whatIfAnswer(machine: Machine, history: History, request: QuestionRequest): Asked {
  const query = namedArtifact(machine, history, request, request.words[0] ?? "");
  const swap = swapOf(machine, history, query, request);
  const answer = whatIf(history, query, swap, rewriteAction);
  if (!answer.found) return answer;
  const { steps, result } = answer.answer;
  const changed = steps.filter(({ state }) => state !== "unchanged");
  const lines: QuestionLine[] = steps.map(stepLine);
  const count = `${changed.length} of ${steps.length} executions`;
  const outcome =
    result === undefined ? "would have to be executed to know the result" : `the result would be ${result}`;
  const last = steps[steps.length - 1]?.evidence;
  const text =
    changed.length === 0 ? "nothing would change: it was not made from that" : `${count} would change; ${outcome}`;
  lines.push(line("result", text, last, { changed: changed.length, executions: steps.length, result }));
  return { found: true, holds: true, lines };
}

const STATE_WORDS = {
  unchanged: "unchanged",
  known: "known",
  execute: "to execute",
  open: "depends",
} as const satisfies Record<WhatIfStep["state"], string>;

function stepLine({ evidence, state, inputs, action, by, cutOff }: WhatIfStep): QuestionLine {
  let text = `${STATE_WORDS[state].padEnd(10)}  ${evidence.record.chore}`;
  if (state === "execute") text += `  action ${action?.slice(0, 12)} instead of ${evidence.record.action.slice(0, 12)}`;
  if (state === "known") text += `  as record ${by?.seq}${cutOff ? ", the same bytes came out" : ""}`;
  if (state === "open") text += `  on ${inputs.join(" ")}`;
  const facts = { state, inputs, newAction: action, by: by && { seq: by.seq, leaf: by.leaf }, cutOff };
  const mood = state === "unchanged" ? {} : { mood: state === "known" ? ("good" as const) : ("weak" as const) };
  return { ...madeLine("whatif", evidence, text, facts), ...mood };
}

/** The bytes at `path` that an artifact was made from, whatever is there now. */
function madeFrom(history: History, query: ArtifactQuery, path: string): Sha256 | undefined {
  const tree = provTree(history, query);
  const waiting: ProvNode[] = tree.found ? [tree.answer] : [];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.path === path) return node.digest;
    waiting.push(...node.inputs);
  }
  return undefined;
}

/** OLD: a digest, or a file it was made from; NEW: a file. */
function swapOf(
  machine: Machine,
  history: History,
  query: ArtifactQuery,
  request: QuestionRequest,
): { readonly from: Sha256; readonly to: Digest } {
  const [, old = "", fresh = ""] = /^([^=]+)=(.+)$/s.exec(request.swap ?? "") ?? [];
  const asked = artifactQuery(machine, { directory: request.directory, artifact: old }, history);
  const used = asked.path === undefined ? undefined : madeFrom(history, query, asked.path);
  const from = used ?? asked.inCheckout ?? asked.digest;
  if (from === undefined) {
    throw new QuestionError("QUESTION_SWAP_UNREADABLE", `${old} is neither a file it was made from nor a SHA-256`);
  }
  const path = resolve(request.directory, fresh);
  if (machine.fs.stat(path)?.kind !== "file") {
    throw new QuestionError("QUESTION_SWAP_UNREADABLE", `${fresh} is no file`, {
      hint: "what is put instead must be at hand: its size is part of an action",
    });
  }
  return { from, to: digestOf(machine.fs.readFile(path)) };
}
