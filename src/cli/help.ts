import { didYouMean } from "./did-you-mean.ts";
import { EXIT_CODE_TABLE, UsageError } from "./exit-code.ts";
import type { OptionSpec } from "./option.ts";
import { subcommandsOf, VERB_NAMES, type Verb, verbSpec } from "./verb-table.ts";

/** Wide enough for the longest option, narrow enough for two columns on 80. */
const LEFT = 24;
const WIDTH = 80;

/** What `begat help` prints: the verbs by what they are for, and the exit codes. */
export function overview(): string {
  const groups: readonly (readonly [title: string, verbs: readonly Verb[]])[] = [
    ["Build", ["build", "init", "fmt", "check", "graph"]],
    ["Ask", ["why", "log", "prov show", "prov tree", "prov path", "prov why", "prov why-rebuilt", "prov diff"]],
    ["Ask further", ["prov affected", "prov complete", "repro", "whatif", "at", "challenge"]],
    ["Prove", ["prov prove", "prov sbom", "verify"]],
    [
      "Ledger",
      [
        "ledger verify",
        "ledger checkpoint",
        "ledger pin",
        "ledger compare",
        "ledger fork-proof",
        "ledger export",
        "ledger reindex",
      ],
    ],
    [
      "Decide",
      [
        "ledger keys",
        "ledger rotate",
        "ledger endorse",
        "ledger revoke",
        "ledger restore",
        "quarantine",
        "release",
        "prov property",
      ],
    ],
    [
      "Farm",
      [
        "fulcrum serve",
        "farm init",
        "farm token",
        "farm join",
        "farm nodes",
        "farm renew",
        "farm revoke",
        "farm status",
        "farm describe",
        "farm kill",
      ],
    ],
    ["Images", ["image lock", "image build", "image ls", "image stand", "image export", "image push"]],
    [
      "Look after",
      [
        "cache stats",
        "cache verify",
        "cache gc",
        "daemon start",
        "daemon stop",
        "daemon status",
        "doctor",
        "completion",
        "version",
        "help",
      ],
    ],
  ];
  let text = "usage: begat [COMMAND] [OPTION...] [ARGUMENT...]\n\n";
  text += wrap("begat builds what a begatfile describes, and can prove how it built it.", 0);
  text += wrap("A first word that is no command is a target: `begat prog` is `begat build prog`.", 0);
  for (const [title, verbs] of groups) {
    text += `\n${title}:\n`;
    for (const verb of verbs) text += entry(verb, verbSpec(verb).summary, 19);
  }
  text += "\nExit codes:\n";
  for (const [code, meaning] of EXIT_CODE_TABLE) text += entry(String(code).padStart(3), meaning, 7);
  text += "\nEnvironment:\n";
  text += entry("BEGAT_STATE_HOME", "ledger and keys (default: $XDG_STATE_HOME/begat)", LEFT);
  text += entry("BEGAT_CACHE_HOME", "blobs and index, disposable (default: $XDG_CACHE_HOME/begat)", LEFT);
  text += entry("BEGAT_DAEMON", "0: neither ask nor start the warm engine; 1: even where CI is set", LEFT);
  text += entry("NO_COLOR, FORCE_COLOR", "never or always colour", LEFT);
  return `${text}\n\`begat help COMMAND\` or \`begat COMMAND --help\` tells more.\n`;
}

/** What `begat VERB --help` prints. */
export function verbHelp(verb: Verb): string {
  const spec = verbSpec(verb);
  const words = ["usage: begat", verb === "help" ? "help" : verb, "[OPTION...]", spec.usage].filter((w) => w !== "");
  let text = `${words.join(" ")}\n\n${sentence(spec.summary)}\n`;
  for (const paragraph of spec.text) text += `\n${wrap(paragraph, 0)}`;
  text += "\nOptions:\n";
  for (const option of spec.options) text += entry(optionForm(option), option.text, LEFT);
  text += "\nExamples:\n";
  const left = Math.max(...spec.examples.map(([line]) => line.length)) + 2;
  for (const [line, what] of spec.examples) {
    text += what === "" ? `  ${line}\n` : left > 44 ? `  ${line}\n      ${what}\n` : `  ${line.padEnd(left)}${what}\n`;
  }
  return text;
}

/**
 * Help for the words after `begat help`.
 *
 * @throws {UsageError} where they name no verb.
 */
export function helpFor(words: readonly string[]): string {
  const [first, second] = words;
  if (first === undefined) return overview();
  const asked = second === undefined ? first : `${first} ${second}`;
  const verb = VERB_NAMES.find((name) => name === asked);
  if (verb !== undefined) return verbHelp(verb);
  const below = subcommandsOf(first);
  if (below.length > 0 && second === undefined) {
    return below
      .map((name) => VERB_NAMES.find((candidate) => candidate === `${first} ${name}`))
      .map((name) => (name === undefined ? "" : verbHelp(name)))
      .join("\n");
  }
  const near = didYouMean(asked, VERB_NAMES);
  throw new UsageError(`begat has no command "${asked}"`, {
    hint: near === undefined ? undefined : `did you mean "${near}"?`,
  });
}

/** `-j, --jobs N`. */
export function optionForm({ name, short, value, kind, optional }: OptionSpec): string {
  const shown = optional ? `[=${value ?? "VALUE"}]` : ` ${value ?? "VALUE"}`;
  const long = kind === "flag" ? `--${name}` : `--${name}${shown}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

function entry(left: string, right: string, width: number): string {
  if (left.length >= width) return `  ${left}\n  ${" ".repeat(width)}${wrap(right, width + 2).trimStart()}`;
  return `  ${left.padEnd(width)}${wrap(right, width + 2).trimStart()}`;
}

/** Breaks at blanks for 80 columns; every line indented. */
function wrap(text: string, indent: number): string {
  const margin = " ".repeat(indent);
  let result = "";
  let line = margin;
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > WIDTH && line !== margin) {
      result += `${line}\n`;
      line = margin;
    }
    line += (line === margin ? "" : " ") + word;
  }
  return `${result}${line}\n`;
}

function sentence(summary: string): string {
  return wrap(`${summary[0]?.toUpperCase() ?? ""}${summary.slice(1)}.`, 0).trimEnd();
}
