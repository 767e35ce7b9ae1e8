import { type Digest, parseSha256 } from "../../base/index.ts";
import {
  type AffectedAnswer,
  type AffectedTarget,
  affectedBy,
  type History,
  ImageMakings,
  leafAt,
  type SqliteLedger,
} from "../../provenance/index.ts";
import type { QuestionLine, QuestionRequest } from "../services.ts";
import { historyOf, openQuestionIndex } from "./history.ts";
import { artifactQuery, namedArtifact } from "./history-service.ts";
import type { Machine } from "./machine.ts";
import { type Asked, line, madeLine, sizeOf } from "./question-service.ts";

/** Everything a target had a part in: proven lines, and how many executions are clear and how many nobody can speak of. */
export async function affected(machine: Machine, history: History, request: QuestionRequest): Promise<Asked> {
  const target = targetOf(machine, history, request);
  if (target === undefined) {
    return {
      found: false,
      because: `no record knows ${request.words[0] ?? request.about?.value}`,
      hint: hintFor(request),
    };
  }
  const since = request.since === undefined ? 0 : sizeOf(history, request.since);
  const asked = request.prove ? await provenHistory(machine, history) : history;
  let answer = affectedBy(asked, target, since);
  if (answer.disagreements > 0 && !request.prove) {
    // The index said what the ledger does not: it is made anew, since it may lack something too.
    const ledger = history.ledger as SqliteLedger;
    const { index } = await openQuestionIndex(machine, ledger, { anew: true });
    answer = affectedBy(historyOf(history.ledger, index.at(history.ledger.size())), target, since);
  }
  return { found: true, holds: true, lines: linesOf(history, answer, target, request.prove) };
}

/** An index of this question's own, made of every record and manifest; nothing of `prov.db` is used. */
async function provenHistory(machine: Machine, history: History): Promise<History> {
  for (const { seq } of history.ledger.read(0, history.ledger.size())) history.ledger.record(seq);
  const { index } = await openQuestionIndex(machine, history.ledger as SqliteLedger, { inMemory: true });
  return historyOf(history.ledger, index.at(history.ledger.size()));
}

function targetOf(machine: Machine, history: History, request: QuestionRequest): AffectedTarget | undefined {
  const { about, words } = request;
  if (about === undefined) {
    const [word = ""] = words;
    const { inCheckout, digest } = artifactQuery(machine, { directory: request.directory, artifact: word }, history);
    const hash = inCheckout ?? digest ?? newestOf(machine, history, request, word);
    return hash === undefined ? undefined : { by: "digest", digest: hash };
  }
  const { by, value } = about;
  if (by === "rnode") return { by, name: value };
  const digest = parseSha256(value.replace(/^.*sha256:/, ""));
  if (by === "image") {
    const names = imageNames(history, value);
    return names.length === 0 ? undefined : { by, names };
  }
  return digest === undefined ? undefined : { by, digest };
}

function newestOf(
  machine: Machine,
  history: History,
  request: QuestionRequest,
  word: string,
): Digest["hash"] | undefined {
  const { path } = namedArtifact(machine, history, request, word);
  for (const seq of path === undefined ? [] : history.index.producersOfPath(path, 8)) {
    const record = history.ledger.record(seq);
    const output = record?.kind === "exec" ? record.out.find(({ p }) => p === path) : undefined;
    if (output !== undefined) return output.d;
  }
  return undefined;
}

/** As they stand in records: by the name in a begatfile all it ever was, else with what it is a digest of. */
function imageNames(history: History, value: string): readonly string[] {
  const named = new ImageMakings(history).named(value.replace(/^image\((.*)\)$/s, "$1"));
  if (named.length > 0) return named.map(({ digest }) => `sha256:${digest}`);
  const bare = value.replace(/^.*sha256:/, "");
  const forms = [value, `sha256:${bare}`, `begat-host:sha256:${bare}`];
  return forms.filter((form, i) => forms.indexOf(form) === i && history.index.executionsOfImage(form).length > 0);
}

function hintFor({ about }: QuestionRequest): string | undefined {
  if (about?.by !== "key" && about?.by !== "action") return undefined;
  return parseSha256(about.value) === undefined ? "it is written in full: 64 hexadecimal digits" : undefined;
}

const shown = (count: number, what: string): string => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

function linesOf(history: History, answer: AffectedAnswer, target: AffectedTarget, proven: boolean): QuestionLine[] {
  const { size } = answer;
  const head = { seq: size - 1, leaf: leafAt(history.ledger, size - 1) ?? "" };
  const lines: QuestionLine[] = answer.affected.map(({ evidence, way, through }) => {
    const { out, chore } = evidence.record;
    const made = [...out.map(({ p }) => p), ...Object.keys(evidence.record.props ?? {})].join(" ");
    const by = through === undefined ? "itself" : `by ${"path" in through ? through.path : through.property}`;
    const chain =
      way.length > 1 ? `, by way of ${way.length > 2 ? "records" : "record"} ${way.slice(0, -1).join(", ")}` : "";
    return {
      ...madeLine("affected", evidence, `AFFECTED  ${made}  (${chore}, ${by}${chain})`, {
        outputs: out.map(({ p, d }) => ({ path: p, hash: d })),
        way,
        through: through && ("path" in through ? { path: through.path, hash: through.digest } : through),
      }),
      mood: evidence.signature === "holds" ? ("bad" as const) : ("weak" as const),
    };
  });
  for (const { seq, because } of answer.unproven) {
    lines.push({
      ...line("unproven", `UNKNOWN   record ${seq} cannot be proven: ${because}`, { seq, leaf: "" }),
      mood: "weak",
    });
  }
  const how = proven
    ? `absence proven to record ${size - 1}: every record and manifest was read`
    : "by the index, absence not proven; --prove reads every record";
  lines.push({
    ...line("clear", `CLEAR     ${shown(answer.clear, "execution")} (${how})`, head, {
      executions: answer.clear,
      proven,
      size,
    }),
    ...(answer.clear > 0 && proven ? { mood: "good" as const } : {}),
  });
  const open = "they, or what they were made from, could see more than is recorded";
  lines.push({
    ...line(
      "unknown",
      `UNKNOWN   ${shown(answer.unknown, "execution")}${answer.unknown === 0 ? "" : ` (${open})`}`,
      head,
      {
        executions: answer.unknown,
        size,
      },
    ),
    ...(answer.unknown > 0 ? { mood: "weak" as const } : {}),
  });
  if (!answer.seen) {
    const name =
      "digest" in target ? target.digest.slice(0, 12) : "name" in target ? target.name : target.names.join(" ");
    lines.push({
      ...line("unseen", `UNKNOWN   ${name} was never seen: no record up to ${size - 1} names it`, head),
      mood: "weak",
    });
  }
  return lines;
}
