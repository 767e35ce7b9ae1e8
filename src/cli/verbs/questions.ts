import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import { counted, formatDuration, formatSize } from "../quantity.ts";
import { jsonLine } from "../render/json.ts";
import { noticeText } from "../render/narrator.ts";
import { oneLine } from "../render/sanitise.ts";
import type { QuestionAnswer, QuestionLine, QuestionRequest } from "../services.ts";
import { provShow, provTree } from "./records.ts";

const LIMIT = 50;
const ABOUT = ["image", "rnode", "key", "action"] as const;

const QUESTIONS: Readonly<Record<QuestionRequest["question"], readonly [least: number, most: number]>> = {
  "prov path": [2, 2],
  "prov why": [1, 1],
  "prov why-rebuilt": [1, 1],
  "prov diff": [2, 2],
  "prov affected": [0, 1],
  "prov complete": [1, 1],
  repro: [1, 1],
  whatif: [1, 1],
};

export function question(context: Context): Promise<number> {
  return ask(context, context.args.verb as QuestionRequest["question"], context.args.words, undefined);
}

/** `begat at SIZE|TIME QUESTION...` */
export function at(context: Context): Promise<number> {
  const [when = "", ...rest] = context.args.words;
  const two = rest.slice(0, 2).join(" ");
  if (two === "prov show" || two === "prov tree") {
    if (rest.length !== 3) throw new UsageError(`begat at: ${two} needs an ARTIFACT`, { verb: "at" });
    const args = { ...context.args, verb: two, words: rest.slice(2) } as const;
    return (two === "prov show" ? provShow : provTree)({ ...context, args, at: when });
  }
  const name = [two, rest[0] ?? ""].find((candidate) => Object.hasOwn(QUESTIONS, candidate));
  if (name === undefined) {
    const known = ["prov show", "prov tree", ...Object.keys(QUESTIONS)].join(", ");
    throw new UsageError(`begat at answers ${known}; found "${two}"`, { verb: "at" });
  }
  const words = rest.slice(name.split(" ").length);
  const [least, most] = QUESTIONS[name as QuestionRequest["question"]];
  if (words.length < least || words.length > most) {
    throw new UsageError(
      `begat at: ${name} takes ${least === most ? least : `${least} to ${most}`} words, found ${words.length}`,
      {
        verb: "at",
      },
    );
  }
  return ask(context, name as QuestionRequest["question"], words, when);
}

async function ask(
  context: Context,
  name: QuestionRequest["question"],
  words: readonly string[],
  when: string | undefined,
): Promise<number> {
  const { flags } = context.args;
  const about = ABOUT.flatMap((by) => {
    const value = flags.text(by);
    return value === undefined ? [] : [{ by, value }];
  });
  if (name === "prov affected" && about.length + words.length !== 1) {
    const choice = "an ARTIFACT, or one of --image, --rnode, --key, --action";
    throw new UsageError(`begat prov affected needs ${choice}`, { verb: context.args.verb });
  }
  const swap = flags.text("swap");
  if (name === "whatif" && !/^[^=]+=.+$/s.test(swap ?? "")) {
    const found = swap === undefined ? "" : `; found "${swap}"`;
    throw new UsageError(`begat whatif needs --swap OLD=NEW${found}`, { verb: context.args.verb });
  }
  const services = await context.services();
  const found = await services.ask({
    directory: directoryOf(context),
    question: name,
    words,
    at: when,
    since: flags.text("since"),
    about: about[0],
    prove: flags.has("prove"),
    swap,
    limit: flags.number("limit") ?? LIMIT,
  });
  return print(context, found, when);
}

function print(context: Context, found: QuestionAnswer, when: string | undefined): number {
  const { args, host, paint } = context;
  const json = args.flags.has("json");
  if (!found.found) {
    if (json)
      host.stdout.write(jsonLine({ type: "not-found", because: found.because, hint: found.hint } as { type: string }));
    else {
      const asOf = when === undefined ? "" : ` (as of ${when})`;
      host.stderr.write(noticeText("error", `${found.because}${asOf}`, found.hint, paint));
    }
    return EXIT.failed;
  }
  if (json) {
    for (const { type, seq, leaf, text, facts } of found.lines) {
      host.stdout.write(jsonLine({ type, seq, leaf, text, ...facts } as { type: string }));
    }
  } else {
    host.stdout.write(found.lines.map((line) => lineText(context, line)).join(""));
  }
  return found.holds ? EXIT.ok : EXIT.failed;
}

/** `  text                    record 12 3f2a91c04d1e` */
function lineText({ paint }: Context, { text, seq, leaf, below, mood }: QuestionLine): string {
  const shown = oneLine(text);
  const colour = { good: paint.green, bad: paint.red, weak: paint.yellow, none: (plain: string) => plain }[
    mood ?? "none"
  ];
  const record =
    seq === undefined ? "" : paint.dim(`  [record ${seq}${leaf === undefined ? "" : `, ${leaf.slice(0, 12)}`}]`);
  return `${below === true ? "  " : ""}${colour(shown)}${record}\n`;
}

export async function ledgerReindex(context: Context): Promise<number> {
  const services = await context.services();
  const report = await services.ledgerReindex();
  answer(context, report, () => {
    const what = `${counted(report.records, "record")} in ${formatDuration(report.durationMs)}, ${formatSize(report.sizeBytes)}`;
    return `index made anew: ${what}\n${context.paint.dim(oneLine(report.path))}\n`;
  });
  return EXIT.ok;
}
