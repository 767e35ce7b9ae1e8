import type { EvaluationContext } from "./evaluation-context.ts";
import { LIMITS } from "./evaluation-context.ts";
import { callFunction } from "./functions.ts";
import { escapeGlob } from "./glob.ts";
import type { Frame } from "./scope.ts";
import type { Element, Part, Value, VariablePart } from "./syntax.ts";

const NOTHING: readonly string[] = [];

/** The list of strings that `value` stands for. */
export function valuesOf(context: EvaluationContext, frame: Frame, value: Value): readonly string[] {
  const { items } = value;
  if (items.length === 1) {
    const only = items[0] as Element;
    // A variable alone is its own list, not a copy of it: lists never change.
    if (only.parts?.length === 1) return expandParts(context, frame, only, only.parts);
  }
  return elementValues(context, frame, items);
}

export function elementValues(context: EvaluationContext, frame: Frame, items: readonly Element[]): string[] {
  const values: string[] = [];
  for (const item of items) addElement(context, frame, item, values);
  return values;
}

/** Appends what `element` stands for. */
export function addElement(context: EvaluationContext, frame: Frame, element: Element, values: string[]): void {
  if (element.text !== undefined) {
    values.push(element.text);
    return;
  }
  const more =
    element.call !== undefined
      ? callFunction(context, frame, element)
      : expandParts(context, frame, element, element.parts as readonly Part[]);
  addAll(context, frame, element, more, values);
}

function addAll(
  context: EvaluationContext,
  frame: Frame,
  element: Element,
  more: readonly string[],
  values: string[],
): void {
  if (values.length + more.length > LIMITS.elements) {
    context.fail(
      frame,
      "EVAL_TOO_LARGE",
      element,
      `expected at most ${LIMITS.elements} elements in a list, found more`,
    );
    return;
  }
  for (const text of more) values.push(text);
}

/** The one string that `element` stands for; `undefined` and a diagnostic where it is none or several. */
export function oneValue(context: EvaluationContext, frame: Frame, element: Element, what: string): string | undefined {
  if (element.text !== undefined) return element.text;
  const errors = context.report.errorCount;
  const values: string[] = [];
  addElement(context, frame, element, values);
  if (values.length === 1) return values[0];
  if (context.report.errorCount === errors) {
    context.fail(frame, "EVAL_NOT_ONE", element, `expected ${what}, found a list of ${values.length}`);
  }
  return undefined;
}

/**
 * What a word or string with variables stands for. In a word a list makes one element of each of its own, lists of the
 * same length go together element by element, and an empty one leaves nothing; in a string a list is joined by blanks.
 */
export function expandParts(
  context: EvaluationContext,
  frame: Frame,
  where: { readonly at: number; readonly end: number },
  parts: readonly Part[],
): readonly string[] {
  const first = parts[0];
  if (parts.length === 1 && first?.kind === "variable" && !first.quoted) return variableValues(context, frame, first);
  return combine(context, frame, where, parts, (text) => text);
}

/** The pattern that a word in `in` is: its own stars are wild, those that come with a variable or string are not. */
export function patternsOf(context: EvaluationContext, frame: Frame, element: Element): readonly string[] {
  if (element.text !== undefined) return [element.text];
  return combine(context, frame, element, element.parts as readonly Part[], escapeGlob);
}

function combine(
  context: EvaluationContext,
  frame: Frame,
  where: { readonly at: number; readonly end: number },
  parts: readonly Part[],
  fixed: (text: string) => string,
): readonly string[] {
  let prefix = "";
  let many: string[] | undefined;
  for (const part of parts) {
    if (part.kind === "literal") {
      const text = part.quoted ? fixed(part.text) : part.text;
      if (many === undefined) prefix += text;
      else for (let i = 0; i < many.length; i++) many[i] += text;
      continue;
    }
    let values = variableValues(context, frame, part);
    if (part.quoted) values = [joinByBlanks(context, frame, part, values)];
    if (many === undefined && values.length === 1) {
      prefix += fixed(values[0] as string);
      if (tooLong(context, frame, where, prefix)) return NOTHING;
    } else {
      const before: readonly string[] = many ?? [prefix];
      if (before.length > 1 && values.length > 1 && before.length !== values.length) {
        const message = `expected lists of the same length in one word, found ${before.length} and ${values.length} elements`;
        context.fail(frame, "EVAL_LIST_LENGTHS", where, message);
        return NOTHING;
      }
      const count = before.length === 0 || values.length === 0 ? 0 : Math.max(before.length, values.length);
      const next: string[] = [];
      for (let i = 0; i < count; i++) {
        const text =
          (before.length === 1 ? before[0] : before[i]) +
          fixed((values.length === 1 ? values[0] : values[i]) as string);
        if (tooLong(context, frame, where, text)) return NOTHING;
        next.push(text);
      }
      many = next;
    }
  }
  return many ?? [prefix];
}

function tooLong(
  context: EvaluationContext,
  frame: Frame,
  where: { readonly at: number; readonly end: number },
  text: string,
): boolean {
  if (text.length <= LIMITS.text) return false;
  context.fail(frame, "EVAL_TOO_LARGE", where, `expected a string of at most ${LIMITS.text} characters, found more`);
  return true;
}

/** Lists as a recipe's environment has them. */
export function joinByBlanks(
  context: EvaluationContext,
  frame: Frame,
  where: { readonly at: number; readonly end: number },
  values: readonly string[],
): string {
  if (values.length === 1) return values[0] as string;
  if (values.length === 0) return "";
  if (values.length > 8) {
    let length = values.length;
    for (const value of values) length += value.length;
    if (length > LIMITS.text) {
      context.fail(
        frame,
        "EVAL_TOO_LARGE",
        where,
        `expected a string of at most ${LIMITS.text} characters, found ${length}`,
      );
      return "";
    }
  }
  return values.join(" ");
}

function variableValues(context: EvaluationContext, frame: Frame, part: VariablePart): readonly string[] {
  const values = frame.scope.valuesOf(part.name, frame.directory, context.view);
  if (values === undefined) {
    const names = frame.scope.variableNames();
    context.unknown(
      frame,
      "EVAL_UNKNOWN_VARIABLE",
      part,
      "a variable that is defined",
      part.name,
      names,
      context.definedLater(frame, part.name, part.at),
    );
    return NOTHING;
  }
  return part.from === undefined ? values : rewrite(context, frame, part, values);
}

/** `${x:from%=to%}`: each element that `from` fits, with what `%` stood for put into `to`; others stay as they are. */
function rewrite(
  context: EvaluationContext,
  frame: Frame,
  part: VariablePart,
  values: readonly string[],
): readonly string[] {
  const from = patternText(context, frame, part, part.from as readonly Part[]);
  const to = patternText(context, frame, part, part.to as readonly Part[]);
  if (from === undefined || to === undefined) return NOTHING;
  const stem = from.indexOf("%");
  if (stem < 0) return values.map((value) => (value === from ? to : value));
  const before = from.slice(0, stem);
  const after = from.slice(stem + 1);
  const toStem = to.indexOf("%");
  const toBefore = toStem < 0 ? to : to.slice(0, toStem);
  const toAfter = toStem < 0 ? "" : to.slice(toStem + 1);
  const shortest = before.length + after.length;
  const rewritten: string[] = [];
  for (const value of values) {
    const fits = value.length >= shortest && value.startsWith(before) && value.endsWith(after);
    if (!fits) rewritten.push(value);
    else if (toStem < 0) rewritten.push(to);
    else rewritten.push(toBefore + value.slice(before.length, value.length - after.length) + toAfter);
  }
  return rewritten;
}

function patternText(
  context: EvaluationContext,
  frame: Frame,
  where: VariablePart,
  parts: readonly Part[],
): string | undefined {
  if (parts.length === 0) return "";
  const first = parts[0] as Part;
  if (parts.length === 1 && first.kind === "literal") return first.text;
  const errors = context.report.errorCount;
  const values = expandParts(context, frame, where, parts);
  if (values.length === 1) return values[0];
  if (context.report.errorCount === errors) {
    context.fail(
      frame,
      "EVAL_NOT_ONE",
      where,
      `expected one pattern in \${${where.name}:...}, found a list of ${values.length}`,
    );
  }
  return undefined;
}
