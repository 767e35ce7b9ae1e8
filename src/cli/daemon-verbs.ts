import { OPTIONS } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const NONE = { least: 0, most: 0, what: "" };

/** The warm engine: a process that remembers where there is nothing to do. */
export const DAEMON_VERBS = {
  "daemon start": {
    summary: "start the warm engine, for builds with nothing to do",
    usage: "",
    text: [
      "Builds start it by themselves, unless they are told --no-daemon, BEGAT_DAEMON is 0, or CI is set. It remembers, hears of changes from the kernel, writes nothing, and ends when nobody has asked it for a while.",
      "It may be killed at any time: builds then do their own work, with the same results.",
    ],
    options: [
      { name: "idle", kind: "duration", value: "TIME", text: "end when nobody has asked for TIME (default: 30m)" },
      { name: "foreground", kind: "flag", text: "serve in this process, until Ctrl-C" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: NONE,
    overrides: false,
    examples: [
      ["begat daemon start", ""],
      ["begat daemon start --foreground --idle 8h", "as a service"],
    ],
    verifies: false,
  },
  "daemon stop": {
    summary: "stop the warm engine",
    usage: "",
    text: ["Exit 0 whether or not there was one."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat daemon stop", ""]],
    verifies: false,
  },
  "daemon status": {
    summary: "say whether a warm engine runs, and what it remembers",
    usage: "",
    text: ["Exit 1 if there is none."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat daemon status --json | jq .status.pid", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
