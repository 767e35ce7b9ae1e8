import type { SourceDeclaration } from "./chore.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { ChoreSink, Evaluation, EvaluationHost, EvaluationRequest } from "./evaluation.ts";
import { Evaluator } from "./evaluator.ts";
import { ParsedFiles } from "./parsed-files.ts";

/**
 * Reads the begatfiles of `request` and gives each chore to `sink`, in the order their dictums are run.
 *
 * Chores may have been given although there are mistakes: run nothing before the diagnostics were looked at.
 *
 * @param labelOf Labels of chores by the order in which they were given, where whoever takes them keeps these.
 * @param parsed Of an earlier `declaredSources` with the same files: what it parsed is not parsed again.
 */
export function evaluate(
  request: EvaluationRequest,
  host: EvaluationHost,
  sink: ChoreSink,
  parsed: ParsedFiles = new ParsedFiles(),
  labelOf?: (chore: number) => string,
): Evaluation {
  const evaluator = new Evaluator(request, host, parsed, sink, labelOf);
  evaluator.run();
  const { context, declarations, choreCount, fileOrder } = evaluator;
  return {
    diagnostics: context.report.diagnostics(fileOrder),
    reads: context.host.reads(),
    images: declarations.images,
    sources: declarations.sources,
    groups: declarations.groups,
    choreCount,
  };
}

export interface DeclaredSources {
  /** What kept sources from being read; mistakes that have nothing to do with them are left to `evaluate`. */
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: readonly SourceDeclaration[];
}

/**
 * The sources that the begatfiles of `request` declare, so that they can be fetched before `evaluate` looks into them.
 * No glob is looked up and no chore made.
 */
export function declaredSources(
  request: EvaluationRequest,
  host: EvaluationHost,
  parsed: ParsedFiles = new ParsedFiles(),
): DeclaredSources {
  const evaluator = new Evaluator(request, host, parsed, undefined);
  evaluator.run();
  const { context, declarations, fileOrder } = evaluator;
  const diagnostics = context.report.diagnostics(fileOrder);
  return {
    diagnostics: diagnostics.filter((diagnostic) => concernsSources(diagnostic.code)),
    sources: declarations.sources,
  };
}

/** A file read from a source is not there before that was fetched; whether it ever comes `evaluate` will say. */
function concernsSources(code: string): boolean {
  return code !== "EVAL_FILE_MISSING" && code !== "EVAL_FILE_UNREADABLE" && code !== "EVAL_GLOB_EMPTY";
}
