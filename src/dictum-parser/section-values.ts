import type { ChoreAttributes } from "./chore.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import type { Frame } from "./scope.ts";
import type { DictumSections, Element, Setting } from "./syntax.ts";
import { elementValues, oneValue, valuesOf } from "./value-evaluation.ts";

/** Sections of a dictum that are rarely different from chore to chore. */
export interface DictumConstants {
  readonly interpreter: readonly string[];
  readonly image: string;
  readonly attributes: ChoreAttributes;
  readonly tools: readonly string[];
  readonly timeoutMs: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly network: "none" | "host";
}

const DEFAULT_INTERPRETER: readonly string[] = ["sh", "-eu"];
const NO_TOOLS: readonly string[] = [];
const NO_RESOURCES: Readonly<Record<string, number>> = {};
const NO_ATTRIBUTES: ChoreAttributes = {
  volatile: false,
  nocache: false,
  interactive: false,
  exclusive: false,
  fixpoint: 0,
  traced: false,
};
const DEFAULTS: DictumConstants = {
  interpreter: DEFAULT_INTERPRETER,
  image: "host",
  attributes: NO_ATTRIBUTES,
  tools: NO_TOOLS,
  timeoutMs: 0,
  resources: NO_RESOURCES,
  network: "none",
};

const FLAGS = ["volatile", "nocache", "interactive", "exclusive", "traced"] as const;
const ATTRIBUTES: readonly string[] = [...FLAGS, "fixpoint"];
/** A chore that needs more rounds than this does not settle. */
const MOST_ROUNDS = 1000;

/** Whether `sections` give every chore of the dictum the same constants. */
export function areConstant(sections: DictumSections): boolean {
  return (
    isPlain(sections.image) &&
    isPlain(sections.timeout) &&
    isPlain(sections.network) &&
    (sections.interpreter ?? []).every(isPlain) &&
    sections.tools.every(isPlain) &&
    sections.attr.every(hasPlainValue) &&
    sections.resources.every(hasPlainValue)
  );
}

function isPlain(element: Element | undefined): boolean {
  return element === undefined || element.text !== undefined;
}

function hasPlainValue(setting: Setting): boolean {
  return setting.value === undefined || setting.value.items.every(isPlain);
}

export function constantsOf(context: EvaluationContext, frame: Frame, sections: DictumSections): DictumConstants {
  const { interpreter, image, timeout, network, attr, tools, resources } = sections;
  const noneGiven = interpreter === undefined && image === undefined && timeout === undefined && network === undefined;
  if (noneGiven && attr.length === 0 && tools.length === 0 && resources.length === 0) return DEFAULTS;
  return {
    interpreter: interpreterOf(context, frame, interpreter),
    image: image === undefined ? "host" : (oneValue(context, frame, image, "the name of one image") ?? "host"),
    attributes: attr.length === 0 ? NO_ATTRIBUTES : attributesOf(context, frame, attr),
    tools: tools.length === 0 ? NO_TOOLS : [...new Set(elementValues(context, frame, tools))],
    timeoutMs: timeout === undefined ? 0 : timeoutOf(context, frame, timeout),
    resources: resources.length === 0 ? NO_RESOURCES : resourcesOf(context, frame, resources),
    network: network === undefined ? "none" : networkOf(context, frame, network),
  };
}

function interpreterOf(
  context: EvaluationContext,
  frame: Frame,
  written: readonly Element[] | undefined,
): readonly string[] {
  if (written === undefined || written.length === 0) return DEFAULT_INTERPRETER;
  const words = elementValues(context, frame, written);
  return words.length === 0 ? DEFAULT_INTERPRETER : words;
}

function attributesOf(context: EvaluationContext, frame: Frame, attr: readonly Setting[]): ChoreAttributes {
  const attributes = { ...NO_ATTRIBUTES };
  for (const setting of attr) {
    const where = { at: setting.at, end: setting.at + setting.name.length };
    const flag = FLAGS.find((name) => name === setting.name);
    if (flag !== undefined) {
      attributes[flag] = true;
      if (setting.value === undefined) continue;
      context.fail(frame, "EVAL_BAD_ATTRIBUTE", setting.value, `expected ${flag} without a value, found one`);
    } else if (setting.name === "fixpoint") {
      const text = settingText(context, frame, setting);
      const rounds = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
      if (rounds >= 1 && rounds <= MOST_ROUNDS) attributes.fixpoint = rounds;
      else {
        const found = text === "" ? "none" : JSON.stringify(text);
        const message = `expected a number of rounds from 1 to ${MOST_ROUNDS} for fixpoint, found ${found}`;
        context.fail(frame, "EVAL_BAD_ATTRIBUTE", setting.value ?? where, message, { hint: "attr[fixpoint=5]" });
      }
    } else {
      context.fail(frame, "EVAL_BAD_ATTRIBUTE", where, `expected an attribute, found ${JSON.stringify(setting.name)}`, {
        hint: didYouMean(setting.name, ATTRIBUTES) ?? `attributes are: ${ATTRIBUTES.join(" ")}`,
      });
    }
  }
  return attributes;
}

function settingText(context: EvaluationContext, frame: Frame, setting: Setting): string {
  if (setting.value === undefined) return "";
  return valuesOf(context, frame, setting.value).join(" ");
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `1.5m`, `2h`, `500ms`; a bare number is seconds. */
function timeoutOf(context: EvaluationContext, frame: Frame, element: Element): number {
  const text = oneValue(context, frame, element, "one time");
  if (text === undefined) return 0;
  const match = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)?$/.exec(text);
  const ms = match === null ? 0 : Math.round(Number(match[1]) * (UNITS_MS[match[2] ?? "s"] as number));
  if (ms > 0) return ms;
  context.fail(frame, "EVAL_BAD_TIMEOUT", element, `expected a time above 0, found ${JSON.stringify(text)}`, {
    hint: "times are written like 500ms, 90s, 15m or 2h",
  });
  return 0;
}

const SUFFIXES: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `cpu=2 memory=512M`: numbers, with K, M, G or T for powers of 1024. */
function resourcesOf(
  context: EvaluationContext,
  frame: Frame,
  settings: readonly Setting[],
): Readonly<Record<string, number>> {
  const resources = new Map<string, number>();
  for (const setting of settings) {
    const where = setting.value ?? { at: setting.at, end: setting.at + setting.name.length };
    const text = settingText(context, frame, setting);
    const match = /^([0-9]{1,12}(?:\.[0-9]{1,3})?)([KMGT])?$/.exec(text);
    const amount =
      match === null ? 0 : Number(match[1]) * (match[2] === undefined ? 1 : (SUFFIXES[match[2]] as number));
    if (!/^[a-z][a-z0-9_-]{0,63}$/.test(setting.name)) {
      const message = `expected a resource's name, found ${JSON.stringify(setting.name)}`;
      context.fail(frame, "EVAL_BAD_RESOURCE", { at: setting.at, end: setting.at + setting.name.length }, message);
    } else if (amount > 0 && amount <= Number.MAX_SAFE_INTEGER) {
      resources.set(setting.name, amount);
    } else {
      const found = text === "" ? "nothing" : JSON.stringify(text);
      context.fail(frame, "EVAL_BAD_RESOURCE", where, `expected an amount above 0 of ${setting.name}, found ${found}`, {
        hint: "resources are written like [ cpu=2 memory=512M ]",
      });
    }
  }
  return Object.fromEntries([...resources].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function networkOf(context: EvaluationContext, frame: Frame, element: Element): "none" | "host" {
  const text = oneValue(context, frame, element, '"none" or "host"');
  if (text === "none" || text === "host") return text;
  if (text !== undefined) {
    context.fail(frame, "EVAL_BAD_NETWORK", element, `expected "none" or "host", found ${JSON.stringify(text)}`);
  }
  return "none";
}
