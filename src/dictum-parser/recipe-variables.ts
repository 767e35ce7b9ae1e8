import type { Recipe } from "./syntax.ts";
import { endOfName } from "./template-syntax.ts";

/** A `$name` in a recipe; offsets are those of the begatfile. */
export interface RecipeVariable {
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

const SHELLS: ReadonlySet<string> = new Set(["sh", "bash", "dash"]);

export function isShell(interpreter: readonly string[]): boolean {
  const program = interpreter[0] as string;
  return SHELLS.has(program.slice(program.lastIndexOf("/") + 1));
}

/**
 * The `$name` and `${name}` of a shell recipe that the shell certainly expands: not in single quotes, not in a comment,
 * not behind a backslash, not with a default of their own (`${name:-x}`), nothing after a here-document begins, and
 * nothing the recipe may set itself: the name stands nowhere in it without a `$`.
 *
 * @param wanted Names worth looking at; asked before the costly part.
 */
export function expandedVariables(
  text: string,
  recipe: Recipe,
  wanted: (name: string) => boolean,
): readonly RecipeVariable[] {
  if (!mentionsWanted(text, recipe, wanted)) return NOTHING;
  const found: RecipeVariable[] = [];
  let inDouble = false;
  for (let at = recipe.from; at < recipe.to; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x5c) at++;
    else if (c === 0x22) inDouble = !inDouble;
    else if (c === 0x27 && !inDouble) {
      const close = text.indexOf("'", at + 1);
      if (close < 0 || close >= recipe.to) break;
      at = close;
    } else if (c === 0x23 && !inDouble && isBlankOrStart(text, at - 1, recipe.from)) {
      const lineEnd = text.indexOf("\n", at);
      if (lineEnd < 0 || lineEnd >= recipe.to) break;
      at = lineEnd;
    } else if (c === 0x3c && !inDouble && text.charCodeAt(at + 1) === 0x3c) {
      break;
    } else if (c === 0x24) {
      const braced = text.charCodeAt(at + 1) === 0x7b;
      const from = braced ? at + 2 : at + 1;
      const end = endOfName(text, from, recipe.to);
      const whole = !braced || text.charCodeAt(end) === 0x7d;
      if (end > from && whole) {
        const name = text.slice(from, end);
        if (wanted(name) && !setsItself(text, recipe, name)) found.push({ name, at, end: braced ? end + 1 : end });
        at = end - 1;
      }
    }
  }
  return found;
}

const NOTHING: readonly RecipeVariable[] = [];

function mentionsWanted(text: string, recipe: Recipe, wanted: (name: string) => boolean): boolean {
  for (let at = text.indexOf("$", recipe.from); at >= 0 && at < recipe.to; at = text.indexOf("$", at + 1)) {
    const from = text.charCodeAt(at + 1) === 0x7b ? at + 2 : at + 1;
    const end = endOfName(text, from, recipe.to);
    if (end > from && wanted(text.slice(from, end))) return true;
  }
  return false;
}

/** Whether `name` stands somewhere in the recipe as a word without a `$`: `x=`, `read x`, `for x in`, `eval`. */
function setsItself(text: string, recipe: Recipe, name: string): boolean {
  const recipeText = text.slice(recipe.from, recipe.to);
  return new RegExp(`(?<![$A-Za-z0-9_]|\\$\\{)${name}(?![A-Za-z0-9_])|\\beval\\b|(?:^|[;&|\\s])(?:\\.|source)\\s`).test(
    recipeText,
  );
}

function isBlankOrStart(text: string, at: number, from: number): boolean {
  if (at < from) return true;
  const c = text.charCodeAt(at);
  return c === 0x20 || c === 0x09 || c === 0x0a || c === 0x3b;
}
