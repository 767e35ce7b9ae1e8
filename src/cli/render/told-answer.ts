import type { BuildSummary } from "../../scheduler/index.ts";
import type { Context } from "../context.ts";
import { formatDuration } from "../quantity.ts";
import type { ToldAnswer } from "../services.ts";
import { eventLine } from "./json.ts";
import { summaryLine } from "./summary.ts";
import { newTally } from "./tally.ts";

/** The command line, but for what changes nothing of the answer. */
export function glanceWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return argv.filter((word, i) => word !== "--no-daemon" || (end >= 0 && i > end));
}

/** A time that stands for any other: nothing else that is printed looks like it. */
const STAND_IN_MS = 123_456.789;

/**
 * How `summary` of a build with nothing to do is told, with a hole for the time; `undefined` where it is told otherwise
 * than by one line, or its workspace is not the one that is found from the working directory.
 */
export function toldAnswer(context: Context, summary: BuildSummary): ToldAnswer | undefined {
  const { args, argv, host, paint } = context;
  // `image build` builds too, and has more to say.
  if (args.verb !== "build") return undefined;
  if (["quiet", "directory", "file"].some((name) => args.flags.has(name))) return undefined;
  const isJson = args.flags.has("json");
  const told = { ...summary, durationMs: STAND_IN_MS };
  const text = isJson ? eventLine({ type: "build-finished", summary: told }) : summaryLine(told, newTally(), paint);
  const [before, after, ...more] = text.split(isJson ? String(STAND_IN_MS) : formatDuration(STAND_IN_MS));
  if (before === undefined || after === undefined || more.length > 0) return undefined;
  const words = glanceWords(argv);
  return { words, isTerminal: host.stdout.isTerminal, before, after, time: isJson ? "milliseconds" : "people" };
}
