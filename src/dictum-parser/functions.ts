import { parseWorkspacePath } from "../base/index.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import { LIMITS } from "./evaluation-context.ts";
import { expandGlob, globDirectory } from "./glob.ts";
import type { Frame } from "./scope.ts";
import { decodeSource } from "./source-text.ts";
import type { Element, FunctionCall, Value } from "./syntax.ts";
import { valuesOf } from "./value-evaluation.ts";
import { FUNCTION_NAMES } from "./words.ts";

interface Signature {
  readonly least: number;
  readonly most: number;
  readonly shown: string;
  readonly call: (
    context: EvaluationContext,
    frame: Frame,
    element: Element,
    args: readonly Value[],
  ) => readonly string[];
}

const NOTHING: readonly string[] = [];

const FUNCTIONS: ReadonlyMap<string, Signature> = new Map([
  ["glob", { least: 1, most: Number.POSITIVE_INFINITY, shown: 'glob("src/*.c" ...)', call: glob }],
  ["without", { least: 2, most: 2, shown: "without(list list)", call: without }],
  ["basename", { least: 1, most: 1, shown: "basename(list)", call: basename }],
  ["dirname", { least: 1, most: 1, shown: "dirname(list)", call: dirname }],
  ["env", { least: 1, most: 2, shown: 'env("NAME" "default")', call: env }],
  ["read", { least: 1, most: 1, shown: 'read("file")', call: read }],
]);

/** Calls the built-in function that `element` names. */
export function callFunction(context: EvaluationContext, frame: Frame, element: Element): readonly string[] {
  const { name, args } = element.call as FunctionCall;
  const where = { at: element.at, end: element.at + name.length };
  const signature = FUNCTIONS.get(name);
  if (signature === undefined) {
    const hint = didYouMean(name, FUNCTION_NAMES) ?? `the functions are: ${FUNCTION_NAMES.join(" ")}`;
    context.unknown(frame, "EVAL_UNKNOWN_FUNCTION", where, "a built-in function", name, FUNCTION_NAMES, hint);
    return NOTHING;
  }
  if (args.length < signature.least || args.length > signature.most) {
    const count = signature.least === signature.most ? `${signature.least}` : `at least ${signature.least}`;
    const message = `expected ${count} argument${signature.least === 1 ? "" : "s"} for ${name}, found ${args.length}`;
    context.fail(frame, "EVAL_ARITY", element, message, { hint: `it is written ${signature.shown}` });
    return NOTHING;
  }
  return signature.call(context, frame, element, args);
}

function glob(context: EvaluationContext, frame: Frame, element: Element, args: readonly Value[]): readonly string[] {
  if (!context.looksUpGlobs) return NOTHING;
  const found = new Set<string>();
  for (const arg of args) {
    for (const pattern of valuesOf(context, frame, arg)) {
      const matches = globIn(context, frame, arg, pattern);
      if (matches === undefined) continue;
      for (const match of matches) found.add(match);
      if (matches.length > 0) continue;
      const message = `glob ${JSON.stringify(pattern)} matches nothing in ${shownDirectory(frame, pattern)}`;
      context.fail(frame, "EVAL_GLOB_EMPTY", arg, message, { severity: "warning" });
    }
  }
  if (found.size > LIMITS.elements) {
    context.fail(
      frame,
      "EVAL_TOO_LARGE",
      element,
      `expected at most ${LIMITS.elements} names from glob, found ${found.size}`,
    );
    return NOTHING;
  }
  return [...found];
}

/** Where the pattern looked, from the workspace root. */
export function shownDirectory(frame: Frame, pattern: string): string {
  const parsed = parseWorkspacePath(globDirectory(pattern), frame.directory);
  return !parsed.ok || parsed.path === "" ? "the workspace's root" : parsed.path;
}

/** Names that `pattern` matches from the `cd` directory; `undefined` where a diagnostic says why there are none. */
export function globIn(
  context: EvaluationContext,
  frame: Frame,
  where: { readonly at: number; readonly end: number },
  pattern: string,
): readonly string[] | undefined {
  if (pattern === "") {
    context.fail(frame, "EVAL_PATH", where, "expected a pattern, found an empty string");
    return undefined;
  }
  const key = `${frame.directory}\n${pattern}`;
  const known = context.globs.get(key);
  if (known !== undefined) return known;
  const result = context.ask(frame, where, () =>
    expandGlob(pattern, frame.directory, (path) => context.host.listDirectory(path)),
  );
  if (result === undefined) return undefined;
  if (!result.ok) {
    context.fail(frame, result.code, where, result.problem);
    return undefined;
  }
  const bad = result.notUtf8[0];
  if (bad !== undefined) {
    const shown = JSON.stringify(bad).replaceAll("\ufffd", "\\ufffd");
    context.fail(
      frame,
      "EVAL_GLOB_NAME",
      where,
      `glob meets ${shown}, a name that is not UTF-8 (its bad bytes shown as \\ufffd)`,
      {
        hint: "rename it, or choose a pattern that leaves it out",
      },
    );
    return undefined;
  }
  for (const match of result.matches) {
    const parsed = parseWorkspacePath(match, frame.directory);
    if (!parsed.ok) {
      context.fail(frame, "EVAL_GLOB_NAME", where, `glob meets a name that cannot be used: ${parsed.problem}`, {
        hint: "rename it, or choose a pattern that leaves it out",
      });
      return undefined;
    }
    if (!context.globbed.has(parsed.path)) {
      context.globbed.set(parsed.path, { source: frame.source, at: where.at, length: where.end - where.at });
    }
  }
  context.globs.set(key, result.matches);
  return result.matches;
}

function without(
  context: EvaluationContext,
  frame: Frame,
  _element: Element,
  args: readonly Value[],
): readonly string[] {
  const dropped = new Set(valuesOf(context, frame, args[1] as Value));
  return valuesOf(context, frame, args[0] as Value).filter((value) => {
    if (!dropped.has(value)) return true;
    const parsed = parseWorkspacePath(value, frame.directory);
    if (parsed.ok) context.globbed.delete(parsed.path);
    return false;
  });
}

function basename(
  context: EvaluationContext,
  frame: Frame,
  _element: Element,
  args: readonly Value[],
): readonly string[] {
  return valuesOf(context, frame, args[0] as Value).map((value) => {
    const path = withoutSlashes(value);
    return path.slice(path.lastIndexOf("/") + 1);
  });
}

function dirname(
  context: EvaluationContext,
  frame: Frame,
  _element: Element,
  args: readonly Value[],
): readonly string[] {
  return valuesOf(context, frame, args[0] as Value).map((value) => {
    const path = withoutSlashes(value);
    const slash = path.lastIndexOf("/");
    return slash < 0 ? "." : withoutSlashes(path.slice(0, slash)) || "/";
  });
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--;
  return path.slice(0, end);
}

function env(context: EvaluationContext, frame: Frame, element: Element, args: readonly Value[]): readonly string[] {
  const names = valuesOf(context, frame, args[0] as Value);
  const name = names[0];
  if (names.length !== 1 || name === undefined || name === "" || name.includes("=")) {
    const found = names.length === 1 ? JSON.stringify(name) : `a list of ${names.length}`;
    context.fail(
      frame,
      "EVAL_NOT_ONE",
      args[0] as Value,
      `expected the name of an environment variable, found ${found}`,
    );
    return NOTHING;
  }
  const value = context.ask(frame, element, () => context.host.env(name));
  if (value !== undefined) return [value];
  const fallback = args[1];
  if (fallback !== undefined) return valuesOf(context, frame, fallback);
  context.fail(frame, "EVAL_ENV_UNSET", element, `expected ${name} in the environment, found nothing`, {
    hint: `set it, or give a default: env("${name}" "...")`,
  });
  return NOTHING;
}

/** The lines of a file; a last line without an end counts too. */
function read(context: EvaluationContext, frame: Frame, element: Element, args: readonly Value[]): readonly string[] {
  const names = valuesOf(context, frame, args[0] as Value);
  const name = names[0];
  const where = args[0] as Value;
  if (names.length !== 1 || name === undefined) {
    context.fail(frame, "EVAL_NOT_ONE", where, `expected the name of a file, found a list of ${names.length}`);
    return NOTHING;
  }
  const parsed = parseWorkspacePath(name, frame.directory);
  if (!parsed.ok) {
    context.fail(frame, "EVAL_PATH", where, parsed.problem);
    return NOTHING;
  }
  const errors = context.report.errorCount;
  const bytes = context.ask(frame, where, () => context.host.readFile(parsed.path));
  if (bytes === undefined) {
    if (context.report.errorCount === errors) {
      context.fail(frame, "EVAL_FILE_MISSING", where, `expected a file to read, found nothing at ${parsed.path}`);
    }
    return NOTHING;
  }
  const { source, badAt } = decodeSource(parsed.path, bytes);
  const unusable =
    badAt !== undefined ? "bytes that are not UTF-8" : source.text.includes("\0") ? "a NUL byte" : undefined;
  if (unusable !== undefined) {
    context.fail(frame, "EVAL_FILE_UNREADABLE", where, `expected text in ${parsed.path}, found ${unusable}`);
    return NOTHING;
  }
  const lines = source.text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > LIMITS.elements) {
    context.fail(frame, "EVAL_TOO_LARGE", element, `expected at most ${LIMITS.elements} lines, found ${lines.length}`);
    return NOTHING;
  }
  return lines;
}
