import { OPTIONS } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const NONE = { least: 0, most: 0, what: "" };

/** The warm engine: a process that remembers where there is nothing to do. Builders: what builds where there is. */
export const DAEMON_VERBS = {
  "daemon start": {
    summary: "start the warm engine, which answers where there is nothing to do, or a builder",
    usage: "",
    text: [
      "Builds start it by themselves, unless they are told --no-daemon, BEGAT_DAEMON is 0, or CI is set. It remembers, hears of changes from the kernel, writes nothing, and ends when nobody has asked it for a while.",
      "A builder builds in one checkout for whoever asks there: it knows the plan, and from the kernel what changed. The second build in a row that has something to do starts it. It works only for processes with its own user, limits, namespaces, control group and environment; others do their own work.",
      "Both may be killed at any time: builds then do their own work, with the same results.",
    ],
    options: [
      {
        name: "idle",
        kind: "duration",
        value: "TIME",
        text: "end when nobody has asked for TIME (default: 30m, a builder 15m)",
      },
      { name: "builds", kind: "text", value: "DIR", text: "a builder of the checkout around DIR" },
      { name: "foreground", kind: "flag", text: "serve in this process, until Ctrl-C" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: NONE,
    overrides: false,
    examples: [
      ["begat daemon start", ""],
      ["begat daemon start --foreground --idle 8h", "as a service"],
      ["begat daemon start --builds .", "so that the next build finds one"],
    ],
    verifies: false,
  },
  "daemon stop": {
    summary: "stop the warm engine, and all builders",
    usage: "",
    text: ["Exit 0 whether or not there was one."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat daemon stop", ""]],
    verifies: false,
  },
  "daemon status": {
    summary: "say whether a warm engine runs, what it remembers, and who builds",
    usage: "",
    text: ["Exit 1 if there is none."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat daemon status --json | jq .status.pid", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
