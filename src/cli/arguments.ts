import { didYouMean } from "./did-you-mean.ts";
import { UsageError } from "./exit-code.ts";
import type { OptionSpec } from "./option.ts";
import { parseCount, parseDuration, parseSample, parseSize, type Quantity } from "./quantity.ts";
import { FIRST_WORDS, subcommandsOf, VERB_NAMES, type Verb, type VerbSpec, verbSpec } from "./verb-table.ts";

/** A command line, understood. */
export interface Arguments {
  readonly verb: Verb;
  /** The verb was not named: the words are targets of `build`. */
  readonly verbImplied: boolean;
  readonly words: readonly string[];
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  readonly flags: Flags;
}

/** Values of options; each checked when it was read. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly (string | number | true)[]>;

  constructor(values: ReadonlyMap<string, readonly (string | number | true)[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)?.at(-1);
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).filter((value) => typeof value === "string");
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name)?.at(-1);
    return typeof value === "number" ? value : undefined;
  }
}

/** Not an option of any verb, but understood where a verb is expected. */
const INSTEAD_OF_VERB: Readonly<Record<string, Verb>> = { "--version": "version", "-V": "version" };

/**
 * Reads a command line, without the program's name. A first word that is no verb is a target of `build`, as with
 * make; so is everything when an option comes first.
 *
 * @throws {UsageError}
 */
export function parseArguments(argv: readonly string[]): Arguments {
  const { verb, implied, rest } = findVerb(argv);
  const spec = verbSpec(verb);
  const values = new Map<string, (string | number | true)[]>();
  const words: string[] = [];
  const overrides: Record<string, readonly string[]> = {};

  const keep = (option: OptionSpec, shown: string, text: string | undefined) => {
    const before = values.get(option.name);
    if (before !== undefined && !option.many && option.kind !== "flag") {
      throw new UsageError(`${shown} is given twice`, { verb });
    }
    const value = text === undefined ? true : readValue(option, shown, text, verb);
    if (before === undefined) values.set(option.name, [value]);
    else before.push(value);
  };

  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? "";
    if (word === "--") {
      words.push(...rest.slice(i + 1));
      break;
    }
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const shown = equals < 0 ? word : word.slice(0, equals);
      const option = findLong(spec, shown, verb);
      if (option.kind === "flag") {
        if (equals >= 0) throw new UsageError(`${shown} takes no value, found "${word.slice(equals + 1)}"`, { verb });
        keep(option, shown, undefined);
      } else if (equals < 0 && option.optional) keep(option, shown, undefined);
      else if (equals >= 0) keep(option, shown, word.slice(equals + 1));
      else keep(option, shown, nextValue(option, shown, rest[++i], verb));
    } else if (word.startsWith("-") && word.length > 1) {
      // Letters may be joined (`-kn`), and a value may be joined to the last of them (`-kj4`).
      for (let at = 1; at < word.length; at++) {
        const shown = `-${word[at]}`;
        const option = findShort(spec, shown, verb);
        if (option.kind === "flag") {
          keep(option, shown, undefined);
          continue;
        }
        const joined = word.slice(at + 1);
        keep(option, shown, joined !== "" ? joined.replace(/^=/, "") : nextValue(option, shown, rest[++i], verb));
        break;
      }
    } else {
      const override = spec.overrides ? /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(word) : null;
      if (override === null) words.push(word);
      else addOverride(overrides, override[1] ?? "", override[2] ?? "", verb);
    }
  }
  const flags = new Flags(values);
  if (!flags.has("help")) checkWords(spec, verb, words);
  return { verb, verbImplied: implied, words, overrides, flags };
}

function findVerb(argv: readonly string[]): { verb: Verb; implied: boolean; rest: readonly string[] } {
  const at = firstWord(argv);
  const first = argv[at];
  const help = argv.length === 1 && (argv[0] === "--help" || argv[0] === "-h");
  if (help) return { verb: "help", implied: false, rest: [] };
  const instead = INSTEAD_OF_VERB[argv[0] ?? ""];
  if (instead !== undefined) return { verb: instead, implied: false, rest: argv.slice(1) };
  if (first === undefined) return { verb: "build", implied: true, rest: argv };
  const without = (words: number) => [...argv.slice(0, at), ...argv.slice(at + words)];
  const below = subcommandsOf(first);
  if (below.length > 0) {
    const second = argv[at + 1];
    const verb = VERB_NAMES.find((name) => name === `${first} ${second}`);
    if (verb !== undefined) return { verb, implied: false, rest: without(2) };
    const choice = `begat ${first} needs one of: ${below.join(", ")}`;
    if (second === undefined) throw new UsageError(choice, { verb: first });
    if (second === "--help" || second === "-h") return { verb: "help", implied: false, rest: [first] };
    const near = didYouMean(second, below);
    const hint = near === undefined ? undefined : `did you mean "begat ${first} ${near}"?`;
    throw new UsageError(`${choice}; found "${second}"`, { hint, verb: first });
  }
  const verb = VERB_NAMES.find((name) => name === first);
  if (verb !== undefined) return { verb, implied: false, rest: without(1) };
  return { verb: "build", implied: true, rest: argv };
}

/** Place of the first word that is neither an option nor an option's value: `begat -C sub check` names a verb. */
function firstWord(argv: readonly string[]): number {
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--") return argv.length;
    if (!word.startsWith("-") || word === "-") return i;
    const name = word.startsWith("--") ? word.slice(2) : (word.at(-1) ?? "");
    const takes = WITH_VALUE.has(name) && (word.startsWith("--") || !JOINED.test(word));
    if (takes) i++;
  }
  return i;
}

const ALL_OPTIONS = VERB_NAMES.flatMap((verb) => verbSpec(verb).options);
/** Names and letters of options that take a value. `-n` does for one verb and not for others: the flag wins. */
const WITH_VALUE: ReadonlySet<string> = new Set(
  ALL_OPTIONS.filter((option) => option.kind !== "flag" && !option.optional && option.short !== "n").flatMap(
    (option) => (option.short === undefined ? [option.name] : [option.name, option.short]),
  ),
);
/** A value joined to its letter: `-j4`, `-Csub`. */
const JOINED = /^-[a-zA-Z]*?[jCf]./;

function findLong(spec: VerbSpec, shown: string, verb: Verb): OptionSpec {
  const name = shown.slice(2);
  const option = spec.options.find((candidate) => candidate.name === name);
  if (option !== undefined) return option;
  const near = didYouMean(
    name,
    spec.options.map((candidate) => candidate.name),
  );
  const elsewhere = VERB_NAMES.filter((other) => verbSpec(other).options.some((o) => o.name === name));
  let hint: string | undefined;
  if (near !== undefined) hint = `did you mean "--${near}"?`;
  else if (elsewhere.length > 0) hint = `${shown} is an option of begat ${elsewhere.join(", begat ")}`;
  throw new UsageError(`begat ${verb} has no option ${shown}`, { hint, verb });
}

function findShort(spec: VerbSpec, shown: string, verb: Verb): OptionSpec {
  const option = spec.options.find((candidate) => candidate.short === shown.slice(1));
  if (option !== undefined) return option;
  throw new UsageError(`begat ${verb} has no option ${shown}`, { verb });
}

function nextValue(option: OptionSpec, shown: string, next: string | undefined, verb: Verb): string {
  if (next !== undefined && next !== "--") return next;
  throw new UsageError(`${shown} needs a value: ${shown} ${option.value ?? "VALUE"}`, { verb });
}

function readValue(option: OptionSpec, shown: string, text: string, verb: Verb): string | number {
  const { kind } = option;
  if (typeof kind === "object") {
    if (kind.oneOf.includes(text)) return text;
    const near = didYouMean(text, kind.oneOf);
    throw new UsageError(`${shown} expects one of ${kind.oneOf.join(", ")}; found "${text}"`, {
      hint: near === undefined ? undefined : `did you mean "${near}"?`,
      verb,
    });
  }
  if (kind === "sample") {
    if (parseSample(text) !== undefined) return text;
    throw new UsageError(`${shown} expects a share such as 10% or a whole number, 1 or more; found "${text}"`, {
      verb,
    });
  }
  if (kind === "text" || kind === "flag") {
    if (text !== "") return text;
    throw new UsageError(`${shown} expects a value, found ""`, { verb });
  }
  const read: Quantity =
    kind === "count" ? parseCount(text, option.least ?? 1) : kind === "size" ? parseSize(text) : parseDuration(text);
  if (read.ok) return read.value;
  throw new UsageError(`${shown} expects ${read.expected}; found "${text}"`, { verb });
}

/** `N=[a b c]` is a list, as in a begatfile; anything else is one string, blanks and all. */
function addOverride(overrides: Record<string, readonly string[]>, name: string, text: string, verb: Verb): void {
  if (Object.hasOwn(overrides, name)) throw new UsageError(`variable ${name} is given twice`, { verb });
  const list = /^\[(.*)\]$/s.exec(text);
  const value = list === null ? [text] : (list[1] ?? "").split(/\s+/).filter((word) => word !== "");
  // `__proto__` is a name like any other.
  Object.defineProperty(overrides, name, { value, enumerable: true });
}

function checkWords(spec: VerbSpec, verb: Verb, words: readonly string[]): void {
  const { least, most, what } = spec.words;
  if (words.length < least) throw new UsageError(`begat ${verb} needs ${article(what)}`, { verb });
  if (words.length <= most) return;
  const extra = words[most] ?? "";
  if (most === 0) throw new UsageError(`begat ${verb} takes no arguments, found "${extra}"`, { verb });
  throw new UsageError(`begat ${verb} takes at most ${most} ${what}, found "${extra}" as well`, { verb });
}

function article(what: string): string {
  return /^[A-Z]+$/.test(what) ? `${/^[AEIOU]/.test(what) ? "an" : "a"} ${what}` : what;
}

/** For `begat bulid`, taken as a target that nobody knows: the verb it probably was meant to be. */
export function meantVerb(args: Arguments): string | undefined {
  const first = args.words[0];
  return args.verbImplied && first !== undefined ? didYouMean(first, FIRST_WORDS) : undefined;
}
