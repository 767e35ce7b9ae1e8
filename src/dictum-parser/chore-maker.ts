import { parseWorkspacePath, relativeTo, sha256, type WorkspacePath } from "../base/index.ts";
import type { ChorePath, EvaluatedChore } from "./chore.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import { globIn, shownDirectory } from "./functions.ts";
import { expandedVariables, isShell } from "./recipe-variables.ts";
import type { Definition, Frame } from "./scope.ts";
import { areConstant, constantsOf, type DictumConstants } from "./section-values.ts";
import type { CallStatement, DictumStatement, Element, Recipe } from "./syntax.ts";
import { isVariableName } from "./template-syntax.ts";
import { addElement, elementValues, joinByBlanks, oneValue, patternsOf, valuesOf } from "./value-evaluation.ts";
import { BASE_VARIABLES, isReservedName } from "./words.ts";

const NO_NAMES: readonly string[] = [];

/** Makes chores out of dictums and arguments. */
export class ChoreMaker {
  readonly #context: EvaluationContext;
  /** Directories of declared sources: naming one means the tree it holds. */
  readonly #sourceDirectories: ReadonlySet<WorkspacePath>;

  constructor(context: EvaluationContext, sourceDirectories: ReadonlySet<WorkspacePath>) {
    this.#context = context;
    this.#sourceDirectories = sourceDirectories;
  }

  /**
   * The chore of `definition` in `frame`, whose scope holds its arguments. `undefined` where something about it was
   * reported.
   *
   * @param at Where it was instantiated, in the file of the frame's caller.
   */
  make(
    definition: Definition,
    frame: Frame,
    label: string,
    call: CallStatement,
    callFrame: Frame,
  ): EvaluatedChore | undefined {
    const context = this.#context;
    const node = definition.node as DictumStatement;
    const errors = context.report.errorCount;
    const { sections } = node;
    const inputs = this.#paths(frame, sections.in, true);
    const outputs = this.#paths(frame, sections.out, false);
    const constants = this.#constants(definition, frame, node);
    const properties: string[] = [];
    const depfile = this.#depfile(frame, sections.depfile, inputs);
    const env = this.#environment(frame, node, inputs, outputs, depfile, properties);
    const up = sections.up.length === 0 ? NO_NAMES : this.#propertyNames(frame, sections.up);
    if (!definition.recipeChecked) {
      definition.recipeChecked = true;
      this.#checkRecipe(definition, frame, constants, env, properties);
    }
    if (context.report.errorCount !== errors) return undefined;
    return {
      dictum: node.name.text,
      label,
      at: callFrame.source.placeAt(call.at),
      directory: frame.directory,
      inputs,
      outputs,
      up,
      properties: properties.length === 0 ? NO_NAMES : properties,
      env,
      interpreter: constants.interpreter,
      recipe: (sections.recipe as Recipe).text,
      image: constants.image,
      attributes: constants.attributes,
      tools: constants.tools,
      timeoutMs: constants.timeoutMs,
      resources: constants.resources,
      network: constants.network,
      mounts: frame.mounts,
      depfile,
    };
  }

  #depfile(frame: Frame, element: Element | undefined, inputs: readonly ChorePath[]): WorkspacePath | undefined {
    if (element === undefined) return undefined;
    const text = oneValue(this.#context, frame, element, "one file");
    const path = text === undefined ? undefined : this.path(frame, element, text, false);
    if (path === undefined) return undefined;
    const problem =
      path.kind === "tree" ? "a directory" : inputs.some((input) => input.path === path.path) && "an input";
    if (problem) {
      const message = `expected a file for the recipe to write, found ${JSON.stringify(text)}, which is ${problem}`;
      this.#context.fail(frame, "EVAL_PATH", element, message);
    }
    return path.path;
  }

  #constants(definition: Definition, frame: Frame, node: DictumStatement): DictumConstants {
    if (definition.constants !== undefined) return definition.constants;
    const constants = constantsOf(this.#context, frame, node.sections);
    if (areConstant(node.sections)) definition.constants = constants;
    return constants;
  }

  #paths(frame: Frame, elements: readonly Element[], isInput: boolean): ChorePath[] {
    const paths: ChorePath[] = [];
    const texts: string[] = [];
    for (const element of elements) {
      texts.length = 0;
      if (isInput && element.glob) this.#addMatches(frame, element, texts);
      else addElement(this.#context, frame, element, texts);
      for (const text of texts) {
        const path = this.path(frame, element, text, isInput);
        if (path !== undefined) paths.push(path);
      }
    }
    return withoutRepeats(paths);
  }

  #addMatches(frame: Frame, element: Element, texts: string[]): void {
    for (const pattern of patternsOf(this.#context, frame, element)) {
      const matches = globIn(this.#context, frame, element, pattern);
      if (matches === undefined) continue;
      if (matches.length === 0) {
        const message = `expected a file that matches ${JSON.stringify(pattern)}, found none in ${shownDirectory(frame, pattern)}`;
        this.#context.fail(frame, "EVAL_GLOB_NO_MATCH", element, message, {
          hint: "globs see files that are on disk now; name what a dictum makes without a glob",
        });
      }
      for (const match of matches) texts.push(match);
    }
  }

  /** `text` as a path from the workspace root; `undefined` and a diagnostic where it is none. */
  path(frame: Frame, where: Element, text: string, isInput: boolean): ChorePath | undefined {
    const parsed = parseWorkspacePath(text, frame.directory);
    if (!parsed.ok) {
      this.#context.fail(frame, "EVAL_PATH", where, parsed.problem);
      return undefined;
    }
    const { path } = parsed;
    if (path === "") {
      const message = `expected a file or directory in the workspace, found the workspace itself`;
      this.#context.fail(frame, "EVAL_PATH", where, message);
      return undefined;
    }
    if (!isInput && isReserved(path)) {
      const message = `expected an output outside .begat and .git, found ${JSON.stringify(path)}`;
      this.#context.fail(frame, "EVAL_RESERVED_PATH", where, message);
      return undefined;
    }
    const isTree = text.charCodeAt(text.length - 1) === 0x2f;
    return { path, kind: isTree || this.#sourceDirectories.has(path) ? "tree" : "file" };
  }

  #environment(
    frame: Frame,
    node: DictumStatement,
    inputs: readonly ChorePath[],
    outputs: readonly ChorePath[],
    depfile: WorkspacePath | undefined,
    properties: string[],
  ): [string, string][] {
    const context = this.#context;
    const { scope, directory } = frame;
    const env: [string, string][] = [];
    for (const param of node.params) {
      const values = scope.valuesOf(param.text, directory, context.view) ?? NO_NAMES;
      env.push([param.text, joinByBlanks(context, frame, whereOf(param), values)]);
    }
    for (const element of node.sections.import) {
      const names = element.text !== undefined ? [element.text] : elementValues(context, frame, [element]);
      for (const name of names) {
        if (!this.#isUsableName(frame, element, name)) continue;
        const values = scope.valuesOf(name, directory, context.view);
        if (values !== undefined) put(env, name, joinByBlanks(context, frame, element, values));
        else if (!properties.includes(name)) properties.push(name);
      }
    }
    for (const setting of node.sections.down) {
      const where = { at: setting.at, end: setting.at + setting.name.length };
      if (setting.value === undefined) {
        context.fail(frame, "EVAL_BAD_NAME", where, `expected a setting like ${setting.name}=value, found no value`);
      } else if (this.#isUsableName(frame, where, setting.name)) {
        put(env, setting.name, joinByBlanks(context, frame, setting.value, valuesOf(context, frame, setting.value)));
      }
    }
    const first = node.sections.in[0] ?? { at: node.at, end: node.at };
    put(env, "in", joinByBlanks(context, frame, first, namesSeen(directory, inputs)));
    put(env, "out", joinByBlanks(context, frame, first, namesSeen(directory, outputs)));
    if (depfile !== undefined) put(env, "depfile", relativeTo(directory, depfile));
    return sortedByName(env);
  }

  #isUsableName(frame: Frame, where: { readonly at: number; readonly end: number }, name: string): boolean {
    if (isVariableName(name) && !isReservedName(name)) return true;
    const reserved = isVariableName(name);
    this.#context.fail(
      frame,
      "EVAL_BAD_NAME",
      where,
      `expected the name of a variable, found ${JSON.stringify(name)}`,
      {
        hint: reserved
          ? `"${name}" is a name that begat itself gives to recipes`
          : "such names are made of letters, digits and _",
      },
    );
    return false;
  }

  #propertyNames(frame: Frame, elements: readonly Element[]): readonly string[] {
    const names: string[] = [];
    for (const element of elements) {
      for (const name of elementValues(this.#context, frame, [element])) {
        if (!this.#isUsableName(frame, element, name)) continue;
        if (frame.scope.has(name)) {
          const message = `expected a property's name, found "${name}", which is a variable here`;
          this.#context.fail(frame, "EVAL_BAD_NAME", element, message, {
            hint: "who imports the name would get the variable and never the property",
          });
        }
        if (!names.includes(name)) names.push(name);
      }
    }
    return names;
  }

  #checkRecipe(
    definition: Definition,
    frame: Frame,
    constants: DictumConstants,
    env: readonly (readonly [string, string])[],
    properties: readonly string[],
  ): void {
    if (!isShell(constants.interpreter)) return;
    const { recipe } = (definition.node as DictumStatement).sections;
    const wanted = (name: string): boolean =>
      !env.some(([known]) => known === name) &&
      !properties.includes(name) &&
      !BASE_VARIABLES.has(name) &&
      frame.scope.has(name);
    for (const use of expandedVariables(definition.source.text, recipe as Recipe, wanted)) {
      this.#context.fail(frame, "EVAL_NOT_IMPORTED", use, `the recipe uses $${use.name}, which is not imported`, {
        hint: `add import [ ${use.name} ] to dictum ${definition.node.name.text}`,
      });
    }
  }
}

function whereOf(name: { readonly at: number; readonly text: string }): { at: number; end: number } {
  return { at: name.at, end: name.at + name.text.length };
}

function isReserved(path: string): boolean {
  return path === ".begat" || path === ".git" || path.startsWith(".begat/") || path.startsWith(".git/");
}

function put(env: [string, string][], name: string, value: string): void {
  for (const entry of env) {
    if (entry[0] !== name) continue;
    entry[1] = value;
    return;
  }
  env.push([name, value]);
}

/** Names are ASCII, so this is byte order. A handful of them: insertion is the quickest. */
function sortedByName(env: [string, string][]): [string, string][] {
  for (let i = 1; i < env.length; i++) {
    const entry = env[i] as [string, string];
    let j = i - 1;
    while (j >= 0 && (env[j] as [string, string])[0] > entry[0]) {
      env[j + 1] = env[j] as [string, string];
      j--;
    }
    env[j + 1] = entry;
  }
  return env;
}

function namesSeen(directory: WorkspacePath, paths: readonly ChorePath[]): string[] {
  return paths.map(({ path }) => (directory === "" ? path : relativeTo(directory, path)));
}

function withoutRepeats(paths: ChorePath[]): ChorePath[] {
  if (paths.length < 2) return paths;
  if (paths.length <= 8) {
    return paths.filter((path, index) => {
      for (let i = 0; i < index; i++) {
        const other = paths[i] as ChorePath;
        if (other.path === path.path && other.kind === path.kind) return false;
      }
      return true;
    });
  }
  const seen = new Set<string>();
  return paths.filter(({ path, kind }) => {
    const key = kind === "tree" ? `${path}/` : path;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** An argument list longer than this is shown by its beginning and its hash. */
const LONGEST_LABEL = 160;

/** `compile(src/a.c)`, `link([a.o b.o] prog)`, `test() in sub`: the same only for the same dictum, arguments and directory. */
export function labelOf(name: string, args: readonly (readonly string[])[], directory: WorkspacePath): string {
  let shown = "";
  for (const arg of args) {
    if (shown !== "") shown += " ";
    shown += arg.length === 1 ? shownText(arg[0] as string) : `[${arg.map(shownText).join(" ")}]`;
  }
  if (shown.length > LONGEST_LABEL) {
    let end = LONGEST_LABEL - 30;
    // Never half a surrogate pair: a label goes into records, which are UTF-8.
    if (shown.charCodeAt(end - 1) >= 0xd800 && shown.charCodeAt(end - 1) < 0xdc00) end--;
    shown = `${shown.slice(0, end)}... ${sha256(shown).slice(0, 16)}`;
  }
  return directory === "" ? `${name}(${shown})` : `${name}(${shown}) in ${directory}`;
}

function shownText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    // What could be taken for the label's own punctuation is quoted, so that two argument lists never look alike.
    if (c <= 0x20 || c === 0x7f || c === 0x22 || c === 0x5b || c === 0x5d) return JSON.stringify(text);
  }
  return text === "" ? '""' : text;
}
