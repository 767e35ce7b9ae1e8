import { explain, InvariantViolation, relativeTo, type WorkspacePath } from "../base/index.ts";
import type { DiagnosticCode } from "./diagnostic-codes.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { ObservedHost } from "./observed-host.ts";
import type { Note, Report } from "./report.ts";
import type { Frame, SourceView } from "./scope.ts";
import type { SourceText } from "./source-text.ts";
import type { Begatfile } from "./syntax.ts";

/** Bounds that no honest begatfile meets, so that every evaluation ends and fits in memory. */
export const LIMITS = {
  /** Elements of one list. */
  elements: 1_000_000,
  /** UTF-16 units of one string. */
  text: 16 * 1024 * 1024,
  calls: 1_000_000,
  chores: 5_000_000,
  /** Calls and includes within one another. */
  depth: 200,
} as const;

/** With more suggestions than this a report is read no better, and large files would be searched for long. */
const MOST_SUGGESTIONS = 20;
const MOST_NOTES = 4;

/** These depend on what a dictum was given, so each `run` that gives something wrong is told of. */
const BY_VALUE: ReadonlySet<DiagnosticCode> = new Set(["EVAL_PATH", "EVAL_RESERVED_PATH", "EVAL_GLOB_NO_MATCH"]);

/** What every part of the evaluator needs: where to complain, and whom to ask. */
export class EvaluationContext {
  readonly report: Report;
  readonly host: ObservedHost;
  readonly sources: SourceText[] = [];
  /** Variables of whole files with the offset where each is defined, for the hint that one is used too early. */
  readonly trees: { readonly source: SourceText; readonly tree: Begatfile }[] = [];
  readonly view: SourceView;
  /** Paths that globs gave, each with the place of one glob: compared with the outputs at the end. */
  readonly globbed = new Map<
    WorkspacePath,
    { readonly source: SourceText; readonly at: number; readonly length: number }
  >();
  /** By directory and pattern: a dictum's own globs are asked for by each of its chores. */
  readonly globs = new Map<string, readonly string[]>();
  #suggestions = 0;
  #lastView: readonly [WorkspacePath, WorkspacePath, string] | undefined;

  /** Globs are looked up. Without that they give nothing: what they would look into may not be there yet. */
  readonly looksUpGlobs: boolean;

  constructor(report: Report, host: ObservedHost, looksUpGlobs: boolean) {
    this.report = report;
    this.host = host;
    this.looksUpGlobs = looksUpGlobs;
    this.view = (directory, path) => {
      const last = this.#lastView;
      if (last !== undefined && last[0] === directory && last[1] === path) return last[2];
      const text = relativeTo(directory, path);
      this.#lastView = [directory, path, text];
      return text;
    };
  }

  /** Reports a mistake at a place of `frame`'s file, with the calls that led there. */
  fail(
    frame: Frame,
    code: DiagnosticCode,
    where: { readonly at: number; readonly end: number },
    message: string,
    more: { readonly hint?: string | undefined; readonly notes?: readonly Note[]; readonly severity?: "warning" } = {},
  ): void {
    const notes = [...(more.notes ?? [])];
    for (let caller = frame.caller; caller !== undefined && notes.length < MOST_NOTES; caller = caller.frame.caller) {
      notes.push({ source: caller.frame.source, at: caller.at, message: caller.message() });
    }
    const { source } = frame;
    const via = BY_VALUE.has(code) ? frame.caller?.at : undefined;
    this.report.add({ code, source, at: where.at, length: where.end - where.at, message, via, ...more, notes });
  }

  /**
   * Reports a name that nobody defines, unless it may have been defined by text that could not be read.
   */
  unknown(
    frame: Frame,
    code: DiagnosticCode,
    where: { readonly at: number; readonly end: number },
    what: string,
    name: string,
    known: Iterable<string>,
    hint?: string,
  ): void {
    if (this.mayBeLost(name)) return void this.report.countSilently();
    const suggestion = hint ?? (++this.#suggestions > MOST_SUGGESTIONS ? undefined : didYouMean(name, known));
    this.fail(frame, code, where, `expected ${what}, found ${JSON.stringify(name)}`, { hint: suggestion });
  }

  /** The hint for a variable that its file defines further down. */
  definedLater(frame: Frame, name: string, at: number): string | undefined {
    const tree = this.trees.find(({ source }) => source === frame.source)?.tree;
    const later = tree?.statements.find((s) => s.kind === "var" && s.name.text === name && s.at > at);
    if (later === undefined) return undefined;
    return `${name} is defined only at line ${frame.source.placeAt(later.at).line}, and known from there on`;
  }

  /** Whether a file with a mistake of syntax has a line that looks like a definition of `name`. */
  mayBeLost(name: string): boolean {
    if (this.report.parseErrorCount === 0) return false;
    const escaped = name.replace(/[^A-Za-z0-9_]/g, "\\$&");
    const definition = new RegExp(`(?:^|[\\s{}])(?!run\\s)[A-Za-z]+\\s+${escaped}(?![A-Za-z0-9_])`, "m");
    return this.sources.some((source) => definition.test(source.text));
  }

  /** Asks the host; what it throws becomes a diagnostic at the place that made begat ask. */
  ask<T>(frame: Frame, where: { readonly at: number; readonly end: number }, question: () => T): T | undefined {
    try {
      return question();
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      this.fail(frame, "EVAL_FILE_UNREADABLE", where, `expected something readable: ${explain(error)}`);
      return undefined;
    }
  }
}
