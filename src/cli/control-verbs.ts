import { OPTIONS, type OptionSpec } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const ROOT_KEY: OptionSpec = {
  name: "root-key",
  kind: "text",
  value: "FILE",
  text: "the key that decides, where it is kept elsewhere than in the state home",
};
const REASON: OptionSpec = { name: "reason", kind: "text", value: "TEXT", text: "why; stays in the ledger" };
const OPTIONS_OF_DECISIONS = [ROOT_KEY, ...OPTIONS.json, ...OPTIONS.every];
const NONE = { least: 0, most: 0, what: "" };

/** Verbs that decide which keys and which results count. */
export const CONTROL_VERBS = {
  "ledger keys": {
    summary: "list the ledger's keys, and what is quarantined",
    usage: "",
    text: ["A key counts in records after the one that endorsed it, and not from the one it is revoked from."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat ledger keys --json", ""]],
    verifies: false,
  },
  "ledger rotate": {
    summary: "make a new log or rnode key that takes over from the present one",
    usage: "log|rnode",
    text: ["Both keys count for a while. Needs the root key."],
    options: [
      { name: "overlap", kind: "count", value: "N", text: "records for which the old key still counts (1000)" },
      ...OPTIONS_OF_DECISIONS,
    ],
    words: { least: 1, most: 1, what: "log or rnode" },
    overrides: false,
    examples: [["begat ledger rotate rnode", ""]],
    verifies: false,
  },
  "ledger endorse": {
    summary: "make a key on this machine and have it count",
    usage: "--new log|rnode|admin",
    text: ["For a key that was lost: what it signed goes on counting. Needs the root key."],
    options: [
      { name: "new", kind: { oneOf: ["rnode", "log", "admin"] }, value: "ROLE", text: "what the key is for" },
      ...OPTIONS_OF_DECISIONS,
    ],
    words: NONE,
    overrides: false,
    examples: [["begat ledger endorse --new rnode", "when keys/rnode.key is gone"]],
    verifies: false,
  },
  "ledger revoke": {
    summary: "end a key: what it signed from a record on does not count",
    usage: "KEY --reason TEXT",
    text: [
      "KEY is the first 8 or more digits of its id, see `begat ledger keys`. Without --from: from now on.",
      "What was made from what it signed after that is not used again either. It cannot be undone. Needs the root key.",
    ],
    options: [
      { name: "from", kind: "count", value: "SEQ", text: "the first record in which it does not count" },
      REASON,
      ...OPTIONS_OF_DECISIONS,
    ],
    words: { least: 1, most: 1, what: "KEY" },
    overrides: false,
    examples: [["begat ledger revoke 47dea58e --from 1200 --reason 'laptop stolen'", ""]],
    verifies: false,
  },
  "ledger restore": {
    summary: "say that a backup of the ledger was put back on purpose",
    usage: "--reason TEXT",
    text: [
      "begat refuses a ledger that is shorter than what is remembered of it, or another one. This records, signed with the root key, which remembered states are given up, and makes a new log key: the old one has signed them, and no key signs two histories.",
      "What was decided and built after the backup was made is gone, revoked keys and quarantines too.",
    ],
    options: [REASON, ...OPTIONS_OF_DECISIONS],
    words: NONE,
    overrides: false,
    examples: [["begat ledger restore --reason 'disk died; backup of Sunday'", ""]],
    verifies: false,
  },
  quarantine: {
    summary: "use no result that a digest, image, rnode, key, action or range of records made or reached",
    usage: "TARGET --reason TEXT",
    text: [
      "TARGET is digest:SHA256, image:IDENTITY, rnode:NAME, key:ID, action:SHA256, or `records` with --from and --to.",
      "Reaches whatever was made from it. Needs the root key.",
    ],
    options: [
      { name: "from", kind: "count", value: "SEQ", text: "the first record concerned (0)" },
      { name: "to", kind: "count", value: "SEQ", text: "the last record concerned (all that come)" },
      REASON,
      ...OPTIONS_OF_DECISIONS,
    ],
    words: { least: 1, most: 1, what: "TARGET" },
    overrides: false,
    examples: [
      ["begat quarantine rnode:frodo --from 1200 --reason 'bad memory'", ""],
      ["begat quarantine records --from 40 --to 40 --reason 'wrong result'", ""],
    ],
    verifies: false,
  },
  release: {
    summary: "end a quarantine",
    usage: "TARGET --reason TEXT",
    text: ["TARGET is as it was quarantined, or the number of the record that did. Needs the root key."],
    options: [REASON, ...OPTIONS_OF_DECISIONS],
    words: { least: 1, most: 1, what: "TARGET" },
    overrides: false,
    examples: [["begat release rnode:frodo --reason 'memory replaced'", ""]],
    verifies: false,
  },
  "prov property": {
    summary: "record a fact about something that no build made",
    usage: "SUBJECT NAME=VALUE",
    text: ["Needs the root key."],
    options: OPTIONS_OF_DECISIONS,
    words: { least: 1, most: 2, what: "SUBJECT and NAME=VALUE" },
    overrides: false,
    examples: [["begat prov property rnode:frodo memory=tested", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
