/** What an option's value must be; `flag` takes none. */
export type OptionKind =
  | "flag"
  | "text"
  | "count"
  | "size"
  | "duration"
  | "sample"
  | { readonly oneOf: readonly [string, ...string[]] };

export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly kind: OptionKind;
  /** Name of the value in help: `N`, `DIR`. */
  readonly value?: string;
  /** It may stand without its value; one is given as `--name=VALUE` only. */
  readonly optional?: boolean;
  /** Of a count; 1 where it is absent. */
  readonly least?: number;
  /** May be given several times. */
  readonly many?: boolean;
  /** One line for help; lower case. */
  readonly text: string;
}

const flag = (name: string, text: string, short?: string): OptionSpec =>
  short === undefined ? { name, kind: "flag", text } : { name, kind: "flag", text, short };

const DIRECTORY: OptionSpec = {
  name: "directory",
  short: "C",
  kind: "text",
  value: "DIR",
  text: "work in DIR, as if begat had been started there",
};
const FILE: OptionSpec = {
  name: "file",
  short: "f",
  kind: "text",
  value: "FILE",
  many: true,
  text: "read FILE instead of begatfile; may be repeated",
};
const JSON_ANSWER = flag("json", "answer with one JSON document");
const OFFLINE = flag("offline", "fetch nothing from outside");
const COLOUR = [flag("color", "colour even where nobody asked"), flag("no-color", "never colour (also: NO_COLOR)")];
const HELP = flag("help", "show this", "h");

/** Options by what they are for; a verb lists those it has. */
export const OPTIONS = {
  workspace: [FILE],
  json: [JSON_ANSWER],
  offline: [OFFLINE],
  every: [DIRECTORY, ...COLOUR, HELP],
  build: [
    { name: "jobs", short: "j", kind: "count", least: 0, value: "N", text: "run at most N chores at once" },
    {
      name: "farm",
      kind: "text",
      value: "ADDR",
      text: "execute there too: HOST:PORT of a farm's leader, joined, or grpc[s]://HOST:PORT (or BEGAT_FARM); with -j 0, nothing here that can go there",
    },
    {
      name: "cache",
      kind: "text",
      value: "ADDR",
      text: "look for results of others there; ADDR as for --farm",
    },
    flag("cache-write", "share results that are made here in that cache"),
    flag("trust-unsigned", "use results there that nobody signs, as level none"),
    { name: "instance", kind: "text", value: "NAME", text: "the instance to ask for there" },
    {
      name: "download",
      kind: { oneOf: ["all", "toplevel", "none"] },
      value: "WHAT",
      text: "fetch of what was made there: all of it (default), what belongs into the checkout, or none",
    },
    {
      name: "priority",
      kind: { oneOf: ["interactive", "ci", "background"] },
      value: "CLASS",
      text: "who waits for it at a farm: interactive (default on a terminal), ci (default elsewhere, and where CI is set), or background, which gives way",
    },
    flag("keep-going", "after a failure, go on with what does not need it", "k"),
    flag("dry-run", "say what would run and why; run nothing", "n"),
    flag("force", "execute the chores of the targets even where an earlier result counts"),
    {
      name: "check",
      kind: "sample",
      value: "SAMPLE",
      optional: true,
      text: "execute chores a second time under other conditions and compare; SAMPLE: 10% of them, or at most 20 (default: all executed; with --force all)",
    },
    {
      name: "min-isolation",
      kind: { oneOf: ["none", "contained", "hermetic"] },
      value: "LEVEL",
      text: "refuse to run below LEVEL, and results made below it",
    },
    {
      name: "executor",
      kind: { oneOf: ["server", "bubblewrap", "docker", "process"] },
      value: "NAME",
      text: "run chores with NAME; default: the one that isolates best",
    },
    {
      name: "outputs",
      kind: { oneOf: ["targets", "all"] },
      value: "WHICH",
      text: "write to the checkout the targets' outputs (default), or all",
    },
    {
      name: "trust",
      kind: "text",
      value: "k=N",
      text: "use an earlier result only where N executions agree: by other keys, or checked again",
    },
    flag("watch", "build again whenever something changes that the build rests on, until Ctrl-C", "w"),
    flag("no-daemon", "neither ask nor start the warm engine (also: BEGAT_DAEMON=0)"),
    flag("no-explain", "do not run a failed chore again, traced, to see what it lacked"),
    OFFLINE,
    { name: "timeout", kind: "duration", value: "TIME", text: "end a chore after TIME where it declares none" },
    flag("quiet", "print failures, mistakes and warnings only", "q"),
    flag("verbose", "also cached and skipped chores, and output as it comes", "v"),
    flag("json", "print every event as a line of JSON"),
  ],
} as const satisfies Readonly<Record<string, readonly OptionSpec[]>>;
