import { OPTIONS } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

const NONE = { least: 0, most: 0, what: "" };

/** Verbs about what the ledger says of itself, and what others remember of it. */
export const LEDGER_VERBS = {
  "ledger checkpoint": {
    summary: "print a signed checkpoint of the ledger as it is now",
    usage: "",
    text: [
      "Give it to whoever shall be able to tell later whether the ledger was changed or cut: `begat ledger pin --add` keeps one, `begat ledger compare` compares one.",
    ],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat ledger checkpoint > monday.checkpoint", ""]],
    verifies: false,
  },
  "ledger pin": {
    summary: "list what is remembered outside the ledger, or remember more",
    usage: "",
    text: ["Every pin is compared whenever the ledger is opened. A pin that was kept elsewhere counts as a witness."],
    options: [
      { name: "add", kind: "text", value: "FILE", text: "keep this pin or signed checkpoint too" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: NONE,
    overrides: false,
    examples: [["begat ledger pin --add monday.checkpoint", ""]],
    verifies: true,
  },
  "ledger compare": {
    summary: "compare the ledger with a checkpoint from elsewhere",
    usage: "FILE",
    text: [
      "FILE is a signed checkpoint of this ledger, as another machine or person kept it.",
      "Exit 0 if the ledger continues it, 1 if it is of more records than there are here, 4 if it is another history.",
    ],
    options: [
      { name: "proof", kind: "text", value: "FILE", text: "where a proof of a fork is written" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "FILE" },
    overrides: false,
    examples: [["begat ledger compare theirs.checkpoint --proof fork.json", ""]],
    verifies: true,
  },
  "ledger fork-proof": {
    summary: "check a proof that a ledger was forked; needs no ledger",
    usage: "FILE",
    text: ["Exit 4 if it proves a fork, 1 if it proves none."],
    options: [
      {
        name: "key",
        kind: "text",
        value: "VKEY",
        many: true,
        text: "believe this log key too, beside those of genesis",
      },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "FILE" },
    overrides: false,
    examples: [["begat ledger fork-proof fork.json", ""]],
    verifies: true,
  },
  "ledger export": {
    summary: "write the ledger as static tiles that any web server can serve",
    usage: "DIR",
    text: [
      "Signs a checkpoint, then writes C2SP tiles: checkpoint, tile/<level>/... and tile/entries/.... A directory that holds an earlier part of this ledger is brought up to date; anything else in it is refused.",
    ],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: { least: 1, most: 1, what: "DIR" },
    overrides: false,
    examples: [["begat ledger export public/ledger", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
