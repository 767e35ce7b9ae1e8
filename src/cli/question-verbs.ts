import { OPTIONS, type OptionSpec } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const LINES: OptionSpec = { name: "json", kind: "flag", text: "answer with JSON, one statement a line" };
const SINCE: OptionSpec = {
  name: "since",
  kind: "text",
  value: "SEQ|TIME",
  text: "from this record, or this time (2026-11-22T08:00Z), on",
};
const LIMIT: OptionSpec = { name: "limit", short: "n", kind: "count", value: "N", text: "at most N answers" };
const SWAP: OptionSpec = {
  name: "swap",
  kind: "text",
  value: "OLD=NEW",
  text: "OLD: a path or a SHA-256 it was made from; NEW: a file",
};
const AFFECTED: readonly OptionSpec[] = [
  { name: "image", kind: "text", value: "IMAGE", text: "what was executed in this image: a name, or a digest" },
  { name: "rnode", kind: "text", value: "NAME", text: "what this machine executed" },
  { name: "key", kind: "text", value: "ID", text: "what this key signed" },
  { name: "action", kind: "text", value: "DIGEST", text: "what came of this action" },
  SINCE,
  { name: "prove", kind: "flag", text: "read every record and manifest instead of the index" },
];
const ABOUT = "ARTIFACT is a path or a SHA-256, of which eight digits will do.";
const one = (what: string) => ({ least: 1, most: 1, what });
const rest = [LINES, ...OPTIONS.every];

/** Verbs that ask the records. */
export const QUESTION_VERBS = {
  "prov path": {
    summary: "show a shortest way by which one artifact came into another",
    usage: "ARTIFACT INPUT",
    text: ["From ARTIFACT back to INPUT; both are a path or a SHA-256."],
    options: rest,
    words: { least: 2, most: 2, what: "ARTIFACT and INPUT" },
    overrides: false,
    examples: [["begat prov path prog include/x.h", ""]],
    verifies: true,
  },
  "prov why": {
    summary: "say why an artifact was made, and what differed from the time before",
    usage: "ARTIFACT",
    text: ["ARTIFACT is an output's path or a chore's label."],
    options: rest,
    words: one("ARTIFACT"),
    overrides: false,
    examples: [["begat prov why prog", ""]],
    verifies: true,
  },
  "prov why-rebuilt": {
    summary: "say why the chores of a dictum were executed again and again",
    usage: "DICTUM",
    text: ["DICTUM is a dictum's name or a chore's label. The newest first."],
    options: [SINCE, LIMIT, ...rest],
    words: one("DICTUM"),
    overrides: false,
    examples: [["begat prov why-rebuilt compile --since 2026-11-22T00:00Z", ""]],
    verifies: true,
  },
  "prov diff": {
    summary: "find where the origins of two artifacts part",
    usage: "ARTIFACT ARTIFACT",
    text: [ABOUT, "What is the same on both sides is not looked into."],
    options: rest,
    words: { least: 2, most: 2, what: "ARTIFACT and ARTIFACT" },
    overrides: false,
    examples: [["begat prov diff prog 3f2a…", ""]],
    verifies: true,
  },
  "prov affected": {
    summary: "find everything that something had a part in",
    usage: "[ARTIFACT]",
    text: [
      `${ABOUT} Or, with an option, an image, a machine, a key, an action.`,
      "AFFECTED is proven by records; CLEAR saw nothing but what is recorded, and it is not among that; UNKNOWN could have seen more than is recorded.",
    ],
    options: [...AFFECTED, ...rest],
    words: { least: 0, most: 1, what: "ARTIFACT" },
    overrides: false,
    examples: [
      ["begat prov affected vendor/zlib.c", ""],
      ["begat prov affected --rnode frodo --since 1200 --json", ""],
    ],
    verifies: true,
  },
  "prov complete": {
    summary: "say whether a build's books, or an artifact's origins, are complete",
    usage: "BUILD|ARTIFACT",
    text: [
      "Of a build: every chore it planned came to exactly one end. Of an artifact: everything it was made from saw nothing but recorded inputs. Else the hole is shown, and the exit code is 1.",
    ],
    options: rest,
    words: one("BUILD or ARTIFACT"),
    overrides: false,
    examples: [["begat prov complete prog", ""]],
    verifies: true,
  },
  repro: {
    summary: "say whether the same came out whenever it was executed",
    usage: "ARTIFACT|DICTUM",
    text: ["Results by action, with the challenges there were. Exit 1 if an action has two results."],
    options: rest,
    words: one("ARTIFACT or DICTUM"),
    overrides: false,
    examples: [["begat repro prog", ""]],
    verifies: true,
  },
  whatif: {
    summary: "plan what an artifact would need if one file were another",
    usage: "ARTIFACT",
    text: [`${ABOUT} Nothing is executed: results that the ledger has are used, others are named.`],
    options: [SWAP, ...rest],
    words: one("ARTIFACT"),
    overrides: false,
    examples: [["begat whatif prog --swap src/a.c=/tmp/a.c", ""]],
    verifies: true,
  },
  at: {
    summary: "ask a question as of an earlier time",
    usage: "SIZE|TIME QUESTION...",
    text: [
      "QUESTION is prov (show, tree, path, why, why-rebuilt, diff, affected, complete), repro or whatif with its words and options.",
      "SIZE is a number of records; TIME is as the records say.",
    ],
    options: [
      { name: "depth", kind: "count", value: "N", text: "of prov tree" },
      { name: "sources", kind: "flag", text: "of prov tree" },
      ...AFFECTED,
      LIMIT,
      SWAP,
      ...rest,
    ],
    words: { least: 2, most: Number.POSITIVE_INFINITY, what: "SIZE or TIME and a QUESTION" },
    overrides: false,
    examples: [["begat at 2026-11-22T08:00Z prov show prog", ""]],
    verifies: true,
  },
  "ledger reindex": {
    summary: "make the index of questions anew",
    usage: "",
    text: ["Begat does so by itself where the index is missing, damaged or of another ledger."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: { least: 0, most: 0, what: "" },
    overrides: false,
    examples: [["begat ledger reindex", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;

/** Whether `--json` of a verb is JSON Lines and not one document. */
export function answersInLines(verb: string): boolean {
  return Object.hasOwn(QUESTION_VERBS, verb) && verb !== "ledger reindex";
}
