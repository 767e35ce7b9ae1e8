import { OPTIONS, type OptionSpec } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const ROLES = ["rnode", "client", "auditor", "operator"] as const;
const CLUSTER: OptionSpec = {
  name: "cluster",
  kind: "text",
  value: "ID",
  text: "the farm, by the first digits of its id; needed where there are several",
};
const HOST: OptionSpec = {
  name: "host",
  kind: "text",
  value: "HOST",
  many: true,
  text: "another host name or IP address it is reached by; may be repeated",
};
const NAME = (text: string): OptionSpec => ({ name: "name", kind: "text", value: "NAME", text });
const NONE = { least: 0, most: 0, what: "" };
const rest = [...OPTIONS.json, ...OPTIONS.every];

/** Verbs about who belongs to a farm. */
export const FARM_VERBS = {
  "farm init": {
    summary: "found a farm: this machine is its leader",
    usage: "",
    text: [
      "Makes the farm's authority and the leader's own certificate, in the state home. Whoever has the authority's key says who belongs to the farm, so it stays here.",
      "HOST:PORT is what members will call. The certificate also names this machine, localhost, 127.0.0.1 and ::1.",
    ],
    options: [
      {
        name: "address",
        kind: "text",
        value: "HOST:PORT",
        text: "where the leader is reached (default: this machine's name, port 7300)",
      },
      NAME("the leader's name (default: this machine's)"),
      HOST,
      ...rest,
    ],
    words: NONE,
    overrides: false,
    examples: [["begat farm init --address build.example:7300", ""]],
    verifies: false,
  },
  "farm token": {
    summary: "make a token that lets one machine join",
    usage: "",
    text: [
      "Prints the token and keeps only a hash of it. It is good once, or --uses times, for one role; it also pins the authority, so a joiner shows it to this farm only.",
      "rnodes execute, clients have things executed, auditors read, operators look after the farm.",
    ],
    options: [
      { name: "role", kind: { oneOf: ROLES }, value: "ROLE", text: "what the joiner will be (default client)" },
      { name: "ttl", kind: "duration", value: "TIME", text: "how long it is good (default 1h)" },
      {
        name: "uses",
        kind: "count",
        value: "N",
        text: "how many members it lets join (default 1): for machines that are set up all alike",
      },
      CLUSTER,
      ...rest,
    ],
    words: NONE,
    overrides: false,
    examples: [
      ["begat farm token --role rnode", ""],
      ["begat farm token --role rnode --uses 12", "for a dozen machines set up alike"],
      ["begat farm token --ttl 10m --json | jq -r .token", "for a script"],
    ],
    verifies: false,
  },
  "farm join": {
    summary: "join a farm with a token",
    usage: "HOST:PORT",
    text: [
      "HOST:PORT is the leader. Key and certificate are kept in the state home, under farm/; nothing else is needed to use the farm.",
      "Without --token, the token is taken from BEGAT_FARM_TOKEN, which other users of the machine cannot see.",
    ],
    options: [
      { name: "token", kind: "text", value: "TOKEN", text: "what `begat farm token` printed" },
      { name: "role", kind: { oneOf: ROLES }, value: "ROLE", text: "refuse a token for another role" },
      NAME("what the farm calls this member (default: this machine's name, of clients USER-MACHINE)"),
      HOST,
      ...rest,
    ],
    words: { least: 1, most: 1, what: "HOST:PORT" },
    overrides: false,
    examples: [["begat farm join build.example:7300 --token radix-1-...", ""]],
    verifies: false,
  },
  "farm nodes": {
    summary: "list who belongs to the farm",
    usage: "",
    text: ["Where the authority is; it lists what that has issued, not who is running."],
    options: [CLUSTER, ...rest],
    words: NONE,
    overrides: false,
    examples: [["begat farm nodes", ""]],
    verifies: false,
  },
  "farm status": {
    summary: "show what a farm's rnodes do, and what waits why",
    usage: "",
    text: [
      "Asks the leader, as any member may: each rnode with its state and slots, each execution with where it runs, or why it does not run yet. The names are those that farm describe and farm kill take.",
    ],
    options: [CLUSTER, ...rest],
    words: NONE,
    overrides: false,
    examples: [
      ["begat farm status", ""],
      ["begat farm status --json | jq '.queued'", "for a script"],
    ],
    verifies: false,
  },
  "farm describe": {
    summary: "show what was decided about an execution, and why",
    usage: "NAME",
    text: ["For clients, auditors and operators. Executions that ended are known for five minutes."],
    options: [CLUSTER, ...rest],
    words: { least: 1, most: 1, what: "NAME" },
    overrides: false,
    examples: [["begat farm describe executions/9f2c41d05e6b7a8c9d0e000000000000000000a1", ""]],
    verifies: false,
  },
  "farm kill": {
    summary: "end an execution of somebody's",
    usage: "NAME",
    text: ["For operators. The rnode stops it, and whoever waits for it hears the reason."],
    options: [{ name: "reason", kind: "text", value: "TEXT", text: "what its client is told" }, CLUSTER, ...rest],
    words: { least: 1, most: 1, what: "NAME" },
    overrides: false,
    examples: [["begat farm kill executions/9f2c41d05e6b7a8c9d0e000000000000000000a1 --reason 'it never ends'", ""]],
    verifies: false,
  },
  "farm revoke": {
    summary: "end a membership",
    usage: "ROLE/NAME",
    text: [
      "Where the authority is. From its next call on the member is refused, on connections that are open too; its certificate is not renewed. It may join again with a new token.",
    ],
    options: [
      { name: "reason", kind: "text", value: "TEXT", text: "kept with it, and shown by farm nodes" },
      CLUSTER,
      ...rest,
    ],
    words: { least: 1, most: 1, what: "ROLE/NAME" },
    overrides: false,
    examples: [["begat farm revoke client/eve-laptop --reason stolen", ""]],
    verifies: false,
  },
  "farm renew": {
    summary: "renew this machine's certificates now",
    usage: "",
    text: [
      "Certificates are good for 24 h, and a running fulcrum renews its own after 12 h; this is for machines without one.",
    ],
    options: [CLUSTER, ...rest],
    words: NONE,
    overrides: false,
    examples: [["begat farm renew", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
