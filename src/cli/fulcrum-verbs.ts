import { OPTIONS } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const address = (name: string, text: string) => ({ name, kind: "text", value: "HOST:PORT", text }) as const;

/** Verbs about this machine's part of a farm. */
export const FULCRUM_VERBS = {
  "fulcrum serve": {
    summary: "serve and work for a farm until SIGTERM",
    usage: "",
    text: [
      "One a machine. With --leader it leads the farm of this state home, and founds one where there is none; with --join it works for the leader at HOST:PORT, and joins with --token where it is no member yet. Without either it goes on being what it was.",
      "It prints a line when it is ready. SIGTERM ends it when what runs has ended; a second one, or SIGINT, ends it at once.",
      "All calls need a certificate of the farm, on this machine too. Other clients of the Remote Execution API, which have none, need --insecure-listen: whoever reaches that address may have anything executed.",
    ],
    options: [
      { name: "name", kind: "text", value: "NAME", text: "what the farm calls this machine (default: its name)" },
      address("listen", "where it is called (default: every interface, port 7300 of a leader and 7301 of others)"),
      { name: "leader", kind: "flag", text: "lead the farm" },
      address("join", "work for the leader at HOST:PORT"),
      {
        name: "token",
        kind: "text",
        value: "TOKEN",
        text: "what `begat farm token --role rnode` printed (or BEGAT_FARM_TOKEN)",
      },
      {
        name: "host",
        kind: "text",
        value: "HOST",
        many: true,
        text: "another host name or IP address it is reached by; may be repeated",
      },
      {
        name: "slots",
        kind: "text",
        value: "N",
        text: "executions at once (default: one for each processor; 0: none)",
      },
      {
        name: "executor",
        kind: { oneOf: ["server", "bubblewrap", "docker", "process"] },
        value: "NAME",
        text: "execute with NAME; default: the one that isolates best",
      },
      {
        name: "label",
        kind: "text",
        value: "NAME=VALUE",
        many: true,
        text: "a platform property it offers; may be repeated",
      },
      address("insecure-listen", "answer in plain text too, to whoever comes"),
      {
        name: "accept-results",
        kind: "flag",
        text: "of a leader: answer with results that clients made themselves too; nobody vouches for them",
      },
      {
        name: "keep-results",
        kind: "duration",
        value: "TIME",
        text: "of a leader: forget results that nobody used for TIME (default 30d)",
      },
      {
        name: "max-size",
        kind: "size",
        value: "SIZE",
        text: "keep this machine's cache to SIZE, such as 50G, by removing what was used least recently (default: no limit)",
      },
      address("status-listen", "show a status page and metrics there; on the loopback interface only"),
      { name: "json", kind: "flag", text: "print every event as a line of JSON: ready, error" },
      ...OPTIONS.every,
    ],
    words: { least: 0, most: 0, what: "" },
    overrides: false,
    examples: [
      ["begat fulcrum serve --leader --listen build.example:7300", "the first machine"],
      ["begat fulcrum serve --join build.example:7300 --token radix-1-...", "every further one"],
      ["begat fulcrum serve --leader --insecure-listen 127.0.0.1:8980", "for Bazel on this machine"],
    ],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
