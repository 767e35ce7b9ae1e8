import type { Diagnostic } from "./diagnostic.ts";
import type { DiagnosticCode } from "./diagnostic-codes.ts";
import type { SourceText } from "./source-text.ts";

export interface Note {
  readonly source: SourceText;
  readonly at: number;
  readonly message: string;
}

export interface Problem {
  readonly code: DiagnosticCode;
  readonly severity?: "error" | "warning";
  readonly source: SourceText;
  /** Offset of the first character meant. */
  readonly at: number;
  readonly length: number;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly notes?: readonly Note[];
  /** Tells mistakes apart that stand at the same place but come from different calls of it. */
  readonly via?: number | undefined;
}

/** More than anyone reads; the rest is counted. */
const LIMIT = 200;

/** Collects problems. The same code at the same place counts once: a dictum applied 1,000 times has one mistake. */
export class Report {
  readonly #problems: Problem[] = [];
  readonly #seen = new Set<string>();
  #dropped = 0;
  #errors = 0;
  #parseErrors = 0;

  add(problem: Problem): void {
    const key = `${problem.code} ${problem.at} ${problem.via ?? ""} ${problem.source.path}`;
    if (problem.severity !== "warning") {
      this.#errors++;
      if (problem.code.startsWith("PARSE_")) this.#parseErrors++;
    }
    if (this.#seen.has(key)) return;
    if (this.#problems.length >= LIMIT) {
      this.#dropped++;
      return;
    }
    this.#seen.add(key);
    this.#problems.push(problem);
  }

  /** Something went wrong that another mistake explains. */
  countSilently(): void {
    this.#errors++;
  }

  /** Every time one was reported, also at the same place again: it grew, so the work in hand went wrong. */
  get errorCount(): number {
    return this.#errors;
  }

  /** With one of these, a name nobody knows may only be a definition that could not be read. */
  get parseErrorCount(): number {
    return this.#parseErrors;
  }

  /** Moves all of `other`, in its order, to this report. */
  take(other: Report): void {
    for (const problem of other.#problems) this.add(problem);
    this.#dropped += other.#dropped;
  }

  /** In order of place; files in the order of `fileOrder`, unknown ones last. */
  diagnostics(fileOrder: readonly string[]): Diagnostic[] {
    const rank = new Map(fileOrder.map((path, index) => [path, index]));
    const rankOf = (p: Problem): number => rank.get(p.source.path) ?? fileOrder.length;
    const sorted = this.#problems.toSorted((a, b) => rankOf(a) - rankOf(b) || a.at - b.at);
    const all = sorted.map(toDiagnostic);
    const last = sorted.at(-1);
    if (this.#dropped > 0 && last !== undefined) {
      const message = `${this.#dropped} more mistakes are not shown`;
      all.push(toDiagnostic({ code: "EVAL_TOO_MANY", source: last.source, at: last.at, length: 1, message }));
    }
    return all;
  }
}

function toDiagnostic(problem: Problem): Diagnostic {
  const { source, at } = problem;
  const place = source.placeAt(at);
  const line = source.lineTextAt(at);
  // A caret never runs past its line; at the end of a line it stands on the place after it.
  const length = Math.max(1, Math.min(problem.length, line.length - (place.column - 1)));
  return {
    code: problem.code,
    severity: problem.severity ?? "error",
    at: place,
    length,
    message: problem.message,
    line,
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    notes: (problem.notes ?? []).map((note) => ({ at: note.source.placeAt(note.at), message: note.message })),
  };
}
