import { parentOf, parseWorkspacePath, WORKSPACE_ROOT, type WorkspacePath } from "../base/index.ts";
import { ChoreMaker, labelOf } from "./chore-maker.ts";
import { Declarations, reportDuplicate } from "./declarations.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { ChoreSink, EvaluationHost, EvaluationRequest } from "./evaluation.ts";
import { EvaluationContext, LIMITS } from "./evaluation-context.ts";
import { addMount } from "./mounts.ts";
import { ObservedHost } from "./observed-host.ts";
import type { ParsedFile, ParsedFiles } from "./parsed-files.ts";
import { ProductionCheck } from "./production-check.ts";
import { Report } from "./report.ts";
import { type Caller, Definition, type Frame, Scope } from "./scope.ts";
import { SourceText } from "./source-text.ts";
import type {
  CallStatement,
  CdStatement,
  DictumStatement,
  FuncStatement,
  IncludeStatement,
  Name,
  Statement,
  Value,
  VarStatement,
} from "./syntax.ts";
import { oneValue, valuesOf } from "./value-evaluation.ts";

const NO_ARGS: readonly (readonly string[])[] = [];

/** Walks the statements of begatfiles and does what they say. One use only. */
export class Evaluator {
  readonly context: EvaluationContext;
  readonly declarations: Declarations;
  /** Files in the order they were first read: the order of their diagnostics. */
  readonly fileOrder: string[] = [];
  choreCount = 0;

  readonly #request: EvaluationRequest;
  readonly #sink: ChoreSink | undefined;
  readonly #parsed: ParsedFiles;
  readonly #maker: ChoreMaker;
  readonly #production: ProductionCheck;
  readonly #overridden = new Set<string>();
  readonly #fixed = new Map<string, { readonly frame: Frame; readonly name: Name }>();
  #calls = 0;
  #skipped = false;
  #stopped = false;

  /** @param sink Absent: only sources are wanted, so no chore is made and no glob looked up. */
  constructor(
    request: EvaluationRequest,
    host: EvaluationHost,
    parsed: ParsedFiles,
    sink: ChoreSink | undefined,
    labelOf?: (chore: number) => string,
  ) {
    this.#request = request;
    this.#parsed = parsed;
    this.context = new EvaluationContext(new Report(), new ObservedHost(host), sink !== undefined);
    this.declarations = new Declarations(this.context);
    this.#maker = new ChoreMaker(this.context, this.declarations.sourceDirectories);
    const labels: string[] = [];
    this.#production = new ProductionCheck(this.context, labelOf ?? ((chore) => labels[chore] as string));
    this.#sink =
      sink === undefined || labelOf !== undefined
        ? sink
        : (chore) => {
            labels.push(chore.label);
            sink(chore);
          };
  }

  run(): void {
    const scope = new Scope(undefined);
    const frames: { readonly frame: Frame; readonly statements: readonly Statement[] }[] = [];
    for (const path of this.#request.entries) {
      if (!scope.includes(path)) continue;
      const missing = frameOf(scope, new SourceText(path, ""), undefined);
      const file = this.#open(missing, { at: 0, end: 1 }, path);
      if (file === undefined) continue;
      const frame = frameOf(scope, file.source, undefined);
      this.#hoist(file.tree.statements, frame);
      frames.push({ frame, statements: file.tree.statements });
    }
    for (const { frame, statements } of frames) this.#statements(statements, frame);
    this.#checkOverrides(scope);
    if (this.#sink === undefined) return;
    const complete = !this.#skipped && this.context.report.parseErrorCount === 0;
    this.declarations.finish(this.#production, complete);
    this.#production.finish(complete);
  }

  /** Reads and parses a begatfile; its mistakes are the evaluation's. */
  #open(
    frame: Frame,
    where: { readonly at: number; readonly end: number },
    path: WorkspacePath,
  ): ParsedFile | undefined {
    const { context } = this;
    if (!this.fileOrder.includes(path)) this.fileOrder.push(path);
    const errors = context.report.errorCount;
    const bytes = context.ask(frame, where, () => context.host.readFile(path));
    if (bytes === undefined) {
      if (context.report.errorCount === errors) {
        context.fail(frame, "EVAL_FILE_MISSING", where, `expected a begatfile at ${path}, found nothing`);
      }
      this.#skipped = true;
      return undefined;
    }
    const file = this.#parsed.parse(path, bytes);
    if (!context.sources.includes(file.source)) {
      context.sources.push(file.source);
      context.trees.push(file);
      context.report.take(file.report);
    }
    return file;
  }

  /** Dictums and funcs are known in all of their block, before it and after it alike. */
  #hoist(statements: readonly Statement[], frame: Frame): void {
    for (const statement of statements) {
      if (statement.kind !== "dictum" && statement.kind !== "func") continue;
      const { name } = statement;
      if (name.text === "") continue;
      const first = frame.scope.ownDefinition(name.text);
      if (first === undefined) frame.scope.define(name.text, new Definition(statement, frame.scope, frame.source));
      else
        reportDuplicate(this.context, frame, `${statement.kind} ${name.text}`, name, first.source, first.node.name.at);
    }
  }

  #statements(statements: readonly Statement[], frame: Frame): void {
    for (const statement of statements) {
      if (this.#stopped) return;
      switch (statement.kind) {
        case "var":
          this.#var(statement, frame);
          break;
        case "include":
          this.#include(statement, frame);
          break;
        case "call":
        case "run":
        case "apply":
          this.#call(statement, frame);
          break;
        case "cd":
          this.#cd(statement, frame);
          break;
        case "mount":
          addMount(this.context, frame, statement);
          break;
        case "image":
          this.declarations.image(statement, frame);
          break;
        case "source":
          this.declarations.source(statement, frame, this.#request.sourceDirectory(statement.name.text));
          break;
        case "group":
          if (this.#sink !== undefined) this.declarations.group(statement, frame, this.#maker);
          break;
        default:
      }
    }
  }

  #var(statement: VarStatement, frame: Frame): void {
    const { name } = statement;
    const { overrides } = this.#request;
    const first = frame.scope.ownBinding(name.text);
    const override = Object.hasOwn(overrides, name.text) ? overrides[name.text] : undefined;
    if (!statement.overridable && override !== undefined) this.#fixed.set(name.text, { frame, name });
    if (first !== undefined) {
      // `?=` is a default: what was said before it stands.
      if (statement.overridable) return;
      reportDuplicate(this.context, frame, `variable ${name.text}`, name, first.source, first.at);
      return;
    }
    if (frame.scope.isParam(name.text)) {
      const message = `expected a new name, found parameter ${name.text} again`;
      this.context.fail(frame, "EVAL_DUPLICATE_DEFINITION", endOf(name), message);
      return;
    }
    let values: readonly string[];
    if (statement.overridable && override !== undefined) {
      this.#overridden.add(name.text);
      values = override;
    } else {
      values = valuesOf(this.context, frame, statement.value);
    }
    frame.scope.bind(name.text, { values, sourceDirectory: undefined, source: frame.source, at: name.at });
  }

  #include(statement: IncludeStatement, frame: Frame): void {
    const { context } = this;
    const { file: element } = statement;
    const text = oneValue(context, frame, element, "the name of one begatfile");
    if (text === undefined) return void this.#lose();
    const parsed = parseWorkspacePath(text, parentOf(frame.source.path as WorkspacePath));
    if (!parsed.ok) {
      context.fail(frame, "EVAL_PATH", element, parsed.problem);
      return void this.#lose();
    }
    const { path } = parsed;
    for (let at: Frame | undefined = frame; at !== undefined; at = at.caller?.frame) {
      if (at.source.path !== path) continue;
      // A func of that file, called from another, is no inclusion of it.
      if (at !== frame && at.caller?.file === undefined && at.caller !== undefined) continue;
      context.fail(
        frame,
        "EVAL_INCLUDE_CYCLE",
        element,
        `expected a file that is not being read, found ${path}, which includes itself`,
      );
      return void this.#lose();
    }
    if (frame.depth >= LIMITS.depth) return void this.#tooDeep(frame, element);
    if (!frame.scope.includes(path)) return;
    const file = this.#open(frame, element, path);
    if (file === undefined) return;
    const caller: Caller = {
      frame,
      at: statement.at,
      message: () => `${path} is included here`,
      definition: undefined,
      file: path,
    };
    const inner: Frame = { ...frame, source: file.source, caller, depth: frame.depth + 1 };
    this.#hoist(file.tree.statements, inner);
    this.#statements(file.tree.statements, inner);
    frame.mounts = inner.mounts;
  }

  /** Something that may have defined anything is missing. */
  #lose(): void {
    this.#skipped = true;
  }

  #tooDeep(frame: Frame, where: { readonly at: number; readonly end: number }): void {
    this.context.fail(
      frame,
      "EVAL_TOO_LARGE",
      where,
      `expected at most ${LIMITS.depth} calls within one another, found more`,
    );
    this.#lose();
  }

  #call(statement: CallStatement, frame: Frame): void {
    const { context } = this;
    const { name } = statement;
    const definition = frame.scope.definition(name.text);
    if (definition === undefined) {
      this.#unknownDefinition(statement, frame);
      return;
    }
    const { kind } = definition.node;
    if (statement.kind === "run" ? kind === "func" : statement.kind === "call" && kind === "dictum") {
      const wanted = statement.kind === "run" ? "dictum" : "func";
      const code = wanted === "dictum" ? "EVAL_UNKNOWN_DICTUM" : "EVAL_UNKNOWN_FUNCTION";
      const hint =
        wanted === "dictum"
          ? `a func is called without run: ${name.text}(...)`
          : `a dictum is run: run ${name.text}(...)`;
      context.fail(frame, code, endOf(name), `expected a ${wanted}, found the ${kind} ${name.text}`, { hint });
      return void this.#lose();
    }
    const { params } = definition.node;
    // Once: they may have to be read again for it.
    const { args } = statement;
    const arity = statement.kind === "apply" ? 1 : args.length;
    if (params.length !== arity) return void this.#wrongArity(statement, frame, definition);
    const errors = context.report.errorCount;
    if (statement.kind === "apply") {
      const elements: string[] = [];
      for (const arg of args) for (const text of valuesOf(context, frame, arg)) elements.push(text);
      if (context.report.errorCount !== errors) this.#lose();
      for (const element of elements) {
        if (this.#stopped) return;
        this.#invoke(definition, statement, frame, [[element]]);
      }
      return;
    }
    const values = args.length === 0 ? NO_ARGS : args.map((arg: Value) => valuesOf(context, frame, arg));
    if (context.report.errorCount !== errors) return void this.#lose();
    this.#invoke(definition, statement, frame, values);
  }

  #unknownDefinition(statement: CallStatement, frame: Frame): void {
    const { context } = this;
    const { name } = statement;
    this.#lose();
    const where = endOf(name);
    if (statement.kind === "run") {
      const names = frame.scope.definitionNames("dictum");
      context.unknown(frame, "EVAL_UNKNOWN_DICTUM", where, "a dictum that is defined", name.text, names);
    } else if (statement.kind === "apply") {
      const names = frame.scope.definitionNames(undefined);
      context.unknown(frame, "EVAL_UNKNOWN_DICTUM", where, "a dictum or func that is defined", name.text, names);
    } else {
      const names = frame.scope.definitionNames("func");
      context.unknown(frame, "EVAL_UNKNOWN_FUNCTION", where, "a func that is defined", name.text, names);
    }
  }

  #wrongArity(statement: CallStatement, frame: Frame, definition: Definition): void {
    const { node } = definition;
    const count = node.params.length;
    const found = statement.kind === "apply" ? "1: apply gives one at a time" : `${statement.args.length}`;
    const message = `expected ${count} argument${count === 1 ? "" : "s"} for ${node.name.text}, found ${found}`;
    this.context.fail(frame, "EVAL_ARITY", statement, message, {
      notes: [
        {
          source: definition.source,
          at: node.name.at,
          message: `${node.name.text}(${node.params.map((param) => param.text).join(" ")}) is defined here`,
        },
      ],
    });
    this.#lose();
  }

  #invoke(definition: Definition, statement: CallStatement, frame: Frame, args: readonly (readonly string[])[]): void {
    const { node } = definition;
    if (node.kind === "dictum") this.#instantiate(definition, node, statement, frame, args);
    else this.#callFunc(definition, node, statement, frame, args);
  }

  #callFunc(
    definition: Definition,
    node: FuncStatement,
    statement: CallStatement,
    frame: Frame,
    args: readonly (readonly string[])[],
  ): void {
    for (let caller = frame.caller; caller !== undefined; caller = caller.frame.caller) {
      if (caller.definition === undefined || caller.definition.node !== node) continue;
      const name = node.name.text;
      this.context.fail(
        frame,
        "EVAL_RECURSION",
        statement,
        `expected a func that ends, found ${name}, which calls itself`,
      );
      return void this.#lose();
    }
    if (frame.depth >= LIMITS.depth) return void this.#tooDeep(frame, statement);
    if (++this.#calls > LIMITS.calls) {
      this.context.fail(frame, "EVAL_TOO_LARGE", statement, `expected at most ${LIMITS.calls} calls, found more`);
      this.#stopped = true;
      return;
    }
    const scope = new Scope(definition.scope, definition.paramNames, args);
    const caller: Caller = {
      frame,
      at: statement.at,
      message: () => `in ${labelOf(node.name.text, args, WORKSPACE_ROOT)}, called here`,
      definition,
      file: undefined,
    };
    const { directory, mounts } = frame;
    const inner: Frame = { scope, source: definition.source, directory, mounts, caller, depth: frame.depth + 1 };
    this.#hoist(node.body, inner);
    this.#statements(node.body, inner);
  }

  #instantiate(
    definition: Definition,
    node: DictumStatement,
    statement: CallStatement,
    frame: Frame,
    args: readonly (readonly string[])[],
  ): void {
    if (this.#sink === undefined) return;
    if (node.broken) return void this.#lose();
    if (++this.choreCount > LIMITS.chores) {
      this.context.fail(frame, "EVAL_TOO_LARGE", statement, `expected at most ${LIMITS.chores} chores, found more`);
      this.#stopped = true;
      return;
    }
    const { directory, mounts } = frame;
    const label = labelOf(node.name.text, args, directory);
    const scope = args.length === 0 ? definition.scope : new Scope(definition.scope, definition.paramNames, args);
    const caller: Caller = {
      frame,
      at: statement.at,
      message: () => `in ${label}, run here`,
      definition: undefined,
      file: undefined,
    };
    const inner: Frame = { scope, source: definition.source, directory, mounts, caller, depth: frame.depth };
    const chore = this.#maker.make(definition, inner, label, statement, frame);
    if (chore === undefined) return void this.#lose();
    this.declarations.noteImage(chore.image, inner, node.sections.image);
    this.#sink(chore);
    this.#production.add(chore, frame, statement, node.sections.import, inner, definition.scope.parent !== undefined);
  }

  #cd(statement: CdStatement, frame: Frame): void {
    const text = oneValue(this.context, frame, statement.directory, "one directory");
    if (text === undefined) return void this.#lose();
    const parsed = parseWorkspacePath(text, frame.directory);
    if (!parsed.ok) {
      this.context.fail(frame, "EVAL_PATH", statement.directory, parsed.problem);
      return void this.#lose();
    }
    const inner: Frame = { ...frame, scope: new Scope(frame.scope), directory: parsed.path };
    this.#hoist(statement.body, inner);
    this.#statements(statement.body, inner);
  }

  #checkOverrides(scope: Scope): void {
    for (const name of Object.keys(this.#request.overrides)) {
      if (this.#overridden.has(name)) continue;
      const fixed = this.#fixed.get(name);
      if (fixed !== undefined) {
        const message = `expected a variable that may be overridden, found ${name}, which is fixed`;
        this.context.fail(fixed.frame, "EVAL_OVERRIDE", endOf(fixed.name), message, {
          hint: `var ${name} ?= ... may be overridden`,
        });
        continue;
      }
      if (this.context.mayBeLost(name)) continue;
      const path = this.#request.entries[0] ?? "begatfile";
      const source = this.context.sources.find((known) => known.path === path) ?? new SourceText(path, "");
      const frame = frameOf(scope, source, undefined);
      this.context.fail(
        frame,
        "EVAL_OVERRIDE",
        { at: 0, end: 1 },
        `expected a variable to override, found "${name}", which no begatfile defines`,
        {
          hint: didYouMean(name, scope.variableNames()),
        },
      );
    }
  }
}

function frameOf(scope: Scope, source: SourceText, caller: Caller | undefined): Frame {
  return { scope, source, directory: WORKSPACE_ROOT, mounts: [], caller, depth: 0 };
}

function endOf(name: Name): { readonly at: number; readonly end: number } {
  return { at: name.at, end: name.at + name.text.length };
}
