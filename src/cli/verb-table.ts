import { CONTROL_VERBS } from "./control-verbs.ts";
import { DAEMON_VERBS } from "./daemon-verbs.ts";
import { FARM_VERBS } from "./farm-verbs.ts";
import { FULCRUM_VERBS } from "./fulcrum-verbs.ts";
import { LEDGER_VERBS } from "./ledger-verbs.ts";
import { OPTIONS, type OptionSpec } from "./option.ts";
import { PROOF_VERBS } from "./proof-verbs.ts";
import { QUESTION_VERBS } from "./question-verbs.ts";

/** Everything `begat help` says about a verb, and all that the reader of arguments knows of it. */
export interface VerbSpec {
  readonly summary: string;
  /** After the verb: `[TARGET...]`. */
  readonly usage: string;
  /** Paragraphs below the usage line. */
  readonly text: readonly string[];
  readonly options: readonly OptionSpec[];
  /** How many words follow the verb, and what they are called in a complaint. */
  readonly words: { readonly least: number; readonly most: number; readonly what: string };
  /** Whether `NAME=VALUE` sets a variable. */
  readonly overrides: boolean;
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Answers "does it hold", so a failure to look is exit code 5, not 1. */
  readonly verifies: boolean;
}

const NONE = { least: 0, most: 0, what: "" };
const TARGETS = { least: 0, most: Number.POSITIVE_INFINITY, what: "TARGET" };
const IMAGES = { least: 0, most: Number.POSITIVE_INFINITY, what: "NAME" };
const ARTIFACT = { least: 1, most: 1, what: "ARTIFACT" };

/** Of a build's options, those that say how a chore is executed. */
const CHALLENGE_OPTIONS: ReadonlySet<string> = new Set([
  "jobs",
  "min-isolation",
  "executor",
  "offline",
  "timeout",
  "quiet",
  "verbose",
  "json",
]);

export const VERBS = {
  build: {
    summary: "build targets (what begat does when no command is named)",
    usage: "[TARGET...] [NAME=VALUE...]",
    text: [
      "A target is an output, a group, or a chore's label; without one, the group `all` is built, else every final output.",
      "NAME=VALUE sets a variable declared with `?=`; NAME=[a b c] sets a list. What follows `--` is taken as targets.",
    ],
    options: [...OPTIONS.workspace, ...OPTIONS.build, ...OPTIONS.every],
    words: TARGETS,
    overrides: true,
    examples: [
      ["begat", "build the default targets"],
      ["begat build obj/a.o -j4", "build one file, at most four chores at once"],
      ["begat build CFLAGS='[-O0 -g]'", "with another value for CFLAGS"],
      ["begat build -n", "what would run, and why"],
      ["begat build --json | jq -r 'select(.type==\"chore-failed\").failure.at'", "where chores failed"],
    ],
    verifies: false,
  },
  challenge: {
    summary: "execute again what is behind an artifact, compare, and record how it came out",
    usage: "ARTIFACT... [NAME=VALUE...]",
    text: [
      "ARTIFACT is an output of this checkout, or any other target; what is missing or out of date is built first.",
      "Every execution behind it is done once more under other conditions: another time, directory, host name, order of files. Each result is a signed record. Exit 1 if one came out otherwise; it is not used again then.",
    ],
    options: [
      { name: "k", kind: "count", value: "N", text: "execute each N times (1)" },
      { name: "sample", kind: "sample", value: "SAMPLE", text: "only 10% of them, or at most 20" },
      ...OPTIONS.workspace,
      ...OPTIONS.build.filter(({ name }) => CHALLENGE_OPTIONS.has(name)),
      ...OPTIONS.every,
    ],
    words: { least: 1, most: Number.POSITIVE_INFINITY, what: "ARTIFACT" },
    overrides: true,
    examples: [
      ["begat challenge app", "everything that app was made by"],
      ["begat challenge app --sample 10% --k 2", "a tenth of it, each twice"],
    ],
    verifies: false,
  },
  init: {
    summary: "write a small begatfile that works",
    usage: "",
    text: ["Writes `begatfile` and a line in `.gitignore`. Refuses where a begatfile is."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat init && begat", "from nothing to a first artifact"]],
    verifies: false,
  },
  fmt: {
    summary: "format begatfiles in place",
    usage: "[FILE...]",
    text: ["Without FILE: `begatfile`. Comments stay. A file with mistakes is reported and left alone."],
    options: [
      { name: "check", kind: "flag", text: "change nothing; exit 1 if a file is not formatted" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 0, most: Number.POSITIVE_INFINITY, what: "FILE" },
    overrides: false,
    examples: [
      ["begat fmt", "format ./begatfile"],
      ["begat fmt --check *.begat", "in CI"],
    ],
    verifies: false,
  },
  check: {
    summary: "read the begatfiles and report every mistake",
    usage: "[NAME=VALUE...]",
    text: [
      "Nothing is built or recorded; a source that was never fetched is fetched, since globs look into it.",
      "Exit 1 if there is a mistake.",
    ],
    options: [...OPTIONS.workspace, ...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: true,
    examples: [
      ["begat check", ""],
      ["begat check -f lua.begat --json", "for an editor"],
    ],
    verifies: false,
  },
  graph: {
    summary: "print what needs what",
    usage: "[TARGET...] [NAME=VALUE...]",
    text: ["With TARGET, only what it needs."],
    options: [
      ...OPTIONS.workspace,
      { name: "format", kind: { oneOf: ["dot", "json"] }, value: "FORMAT", text: "dot (default) or json" },
      { name: "json", kind: "flag", text: "the same as --format json" },
      ...OPTIONS.every,
    ],
    words: TARGETS,
    overrides: true,
    examples: [
      ["begat graph | dot -Tsvg > graph.svg", "draw it"],
      ["begat graph prog --format json", "for programs"],
    ],
    verifies: false,
  },
  why: {
    summary: "say why a chore was executed the last time",
    usage: "TARGET",
    text: [
      "TARGET is an output or a chore's label. Compares its newest execution with the one before, from the ledger.",
    ],
    options: [
      ...OPTIONS.workspace,
      { name: "unused", kind: "flag", text: "run it again, traced, and list the inputs it declares and does not read" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "TARGET" },
    overrides: true,
    examples: [
      ["begat why obj/a.o", ""],
      ["begat why --unused obj/a.o", "what in[] could do without"],
      ["begat why 'compile(src/a.c)'", "by label"],
    ],
    verifies: true,
  },
  log: {
    summary: "list the ledger's newest records, or show one",
    usage: "[RECORD]",
    text: [
      "RECORD is a number, a chore's label, an output, or a digest; then everything kept about it is shown, with what it printed.",
    ],
    options: [
      { name: "limit", short: "n", kind: "count", value: "N", text: "the newest N records (default 20)" },
      {
        name: "kind",
        kind: { oneOf: ["genesis", "build.begin", "exec", "hits", "fail", "build.end", "ingest", "challenge"] },
        value: "KIND",
        many: true,
        text: "only records of KIND; may be repeated",
      },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 0, most: 1, what: "RECORD" },
    overrides: false,
    examples: [
      ["begat log -n 50 --kind fail", "the last 50 failures"],
      ["begat log 'compile(src/a.c)'", "its newest execution, with all its output"],
    ],
    verifies: false,
  },
  "prov show": {
    summary: "say who made an artifact, from what, and how",
    usage: "ARTIFACT",
    text: ["ARTIFACT is a path or a SHA-256."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: ARTIFACT,
    overrides: false,
    examples: [["begat prov show prog", ""]],
    verifies: true,
  },
  "prov tree": {
    summary: "show an artifact's origin down to its sources",
    usage: "ARTIFACT",
    text: ["ARTIFACT is a path or a SHA-256."],
    options: [
      { name: "depth", kind: "count", value: "N", text: "go down at most N executions" },
      { name: "sources", kind: "flag", text: "list the sources only" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: ARTIFACT,
    overrides: false,
    examples: [
      ["begat prov tree prog --depth 2", ""],
      ["begat prov tree prog --sources", "every file it was made from"],
    ],
    verifies: true,
  },
  ...QUESTION_VERBS,
  ...PROOF_VERBS,
  ...DAEMON_VERBS,
  ...CONTROL_VERBS,
  "ledger verify": {
    summary: "check the ledger: records, tree, signatures, pins",
    usage: "",
    text: ["Exit 0 if it holds, 3 if it was tampered with, 4 if it was rolled back, 5 if it cannot be read."],
    options: [
      { name: "no-signatures", kind: "flag", text: "check the chain only, which is ten times faster" },
      { name: "tiles", kind: "text", value: "DIR", text: "check an exported ledger instead; needs no ledger" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: NONE,
    overrides: false,
    examples: [
      ["begat ledger verify --json", ""],
      ["begat ledger verify --tiles public/ledger", "what `begat ledger export` wrote"],
    ],
    verifies: true,
  },
  ...LEDGER_VERBS,
  "cache stats": {
    summary: "say what the cache holds",
    usage: "",
    text: [],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat cache stats", ""]],
    verifies: false,
  },
  "cache verify": {
    summary: "hash every blob again; set bad ones aside",
    usage: "",
    text: ["Exit 3 if a blob was not what it should be; it is moved away and made again when needed."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat cache verify", ""]],
    verifies: true,
  },
  "cache gc": {
    summary: "remove least recently used blobs down to a size",
    usage: "--max-size SIZE",
    text: ["What a running build uses, and what the ledger needs to be verified, stays."],
    options: [
      { name: "max-size", kind: "size", value: "SIZE", text: "keep at most SIZE, such as 500M or 20G" },
      { name: "dry-run", short: "n", kind: "flag", text: "remove nothing; say what would be" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: NONE,
    overrides: false,
    examples: [["begat cache gc --max-size 20G", ""]],
    verifies: false,
  },
  "image lock": {
    summary: "pin the packages of images in begat.lock, and say what changed",
    usage: "[NAME...]",
    text: [
      "NAME is an image of the begatfiles; without one, all. The images it stands on are pinned with it.",
      "What begat.lock pins already stays, unless --update asks for what the package lists offer now.",
    ],
    options: [
      { name: "update", kind: "flag", text: "resolve anew, by fresh package lists" },
      ...OPTIONS.offline,
      ...OPTIONS.workspace,
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: IMAGES,
    overrides: true,
    examples: [
      ["begat image lock", "pin what is not pinned yet"],
      ["begat image lock gcc --update", "take security updates into image gcc"],
      ["begat image lock --offline", "is everything pinned? For CI"],
    ],
    verifies: false,
  },
  "image build": {
    summary: "build images, as a build that needs them would",
    usage: "[NAME...]",
    text: [
      "NAME is an image of the begatfiles; without one, all. Built and recorded like any chore.",
      "Prints each image's digest and size, and what an installation would have done that the image lacks.",
    ],
    options: [
      ...OPTIONS.offline,
      { name: "force", kind: "flag", text: "build them even where an earlier result counts" },
      { name: "quiet", short: "q", kind: "flag", text: "print failures, mistakes and warnings only" },
      ...OPTIONS.workspace,
      { name: "json", kind: "flag", text: "print every event, then every image, as a line of JSON" },
      ...OPTIONS.every,
    ],
    words: IMAGES,
    overrides: true,
    examples: [
      ["begat image build gcc", ""],
      ["begat image build --offline", "from what the store has"],
      ["begat image build --json | jq -r 'select(.type==\"image\").digest'", "their digests"],
    ],
    verifies: false,
  },
  "image ls": {
    summary: "list the images that stand in the cache",
    usage: "[NAME]",
    text: ["NAME is an image's name or the first digits of its digest; without one, all are listed."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: { least: 0, most: 1, what: "NAME" },
    overrides: false,
    examples: [
      ["begat image ls", ""],
      ["begat image ls gcc --json | jq '.images[0].gaps'", "all that its packages' scripts would have done"],
    ],
    verifies: false,
  },
  "image stand": {
    summary: "make an OCI image stand whose blobs are in the cache",
    usage: "CONFIG MANIFEST",
    text: [
      "CONFIG is the image's digest. MANIFEST is HASH/SIZE of the manifest that names it; config and layers are in the cache by their digests, which are checked. A fulcrum starts this for images that its farm's clients bring, so that it need not unpack them itself.",
    ],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: { least: 2, most: 2, what: "CONFIG MANIFEST" },
    overrides: false,
    examples: [["begat image stand sha256:4f05... 9c41.../1402", ""]],
    verifies: false,
  },
  "image export": {
    summary: "write an image out for other tools",
    usage: "NAME",
    text: [
      "NAME is an image of the begatfiles, or the first digits of a digest. What it is written to must not exist.",
      "oci is a directory, or one file where PATH ends in .tar; docker-archive is a file for `docker load`.",
    ],
    options: [
      { name: "output", short: "o", kind: "text", value: "PATH", text: "default: NAME-oci, or NAME.tar" },
      {
        name: "format",
        kind: { oneOf: ["oci", "docker-archive"] },
        value: "FORMAT",
        text: "oci (default) or docker-archive",
      },
      ...OPTIONS.offline,
      ...OPTIONS.workspace,
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "NAME" },
    overrides: true,
    examples: [
      ["begat image export gcc -o gcc-image", "skopeo inspect oci:gcc-image:latest"],
      ["begat image export gcc --format docker-archive -o gcc.tar", "docker load -i gcc.tar"],
    ],
    verifies: false,
  },
  "image push": {
    summary: "upload an image to an OCI registry",
    usage: "NAME REFERENCE",
    text: [
      "REFERENCE is host[:port]/name[:tag]; the tag is latest where it is absent. Logins are those `docker login` made.",
      "Layers the registry has already are not sent again.",
    ],
    options: [
      { name: "insecure", kind: "flag", text: "by http instead of https" },
      ...OPTIONS.workspace,
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 2, most: 2, what: "NAME and REFERENCE" },
    overrides: true,
    examples: [
      ["begat image push gcc registry.example/tools/gcc:12", ""],
      ["begat image push gcc localhost:5000/gcc --insecure", "to a registry on this machine"],
    ],
    verifies: false,
  },
  ...FARM_VERBS,
  ...FULCRUM_VERBS,
  doctor: {
    summary: "look at this machine: what works, what is missing",
    usage: "",
    text: ["Exit 1 if something begat needs is broken."],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat doctor", ""]],
    verifies: false,
  },
  completion: {
    summary: "print completions for a shell",
    usage: "bash|zsh|fish",
    text: [],
    options: [...OPTIONS.every],
    words: { least: 1, most: 1, what: "bash, zsh or fish" },
    overrides: false,
    examples: [
      ["source <(begat completion bash)", "in ~/.bashrc"],
      ["begat completion fish > ~/.config/fish/completions/begat.fish", ""],
    ],
    verifies: false,
  },
  version: {
    summary: "print the version",
    usage: "",
    text: [],
    options: [...OPTIONS.json, ...OPTIONS.every],
    words: NONE,
    overrides: false,
    examples: [["begat --version", "the same"]],
    verifies: false,
  },
  help: {
    summary: "explain a command",
    usage: "[COMMAND]",
    text: [],
    options: [...OPTIONS.every],
    words: { least: 0, most: 2, what: "COMMAND" },
    overrides: false,
    examples: [["begat help prov tree", ""]],
    verifies: false,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;

export type Verb = keyof typeof VERBS;

export const VERB_NAMES = Object.keys(VERBS) as readonly Verb[];

export function verbSpec(verb: Verb): VerbSpec {
  return VERBS[verb];
}

/** `show`, `tree` for `prov`; empty for a verb of one word. */
export function subcommandsOf(word: string): readonly string[] {
  return VERB_NAMES.filter((verb) => verb.startsWith(`${word} `)).map((verb) => verb.slice(word.length + 1));
}

/** First words of all verbs, each once. */
export const FIRST_WORDS: readonly string[] = [...new Set(VERB_NAMES.map((verb) => verb.split(" ")[0] ?? verb))];
