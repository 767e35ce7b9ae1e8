import type { Place } from "./chore.ts";

/** A mistake in a begatfile, with all a person needs to find and mend it. */
export interface Diagnostic {
  /** Stable, e.g. `PARSE_UNEXPECTED`, `EVAL_UNKNOWN_VARIABLE`; listed in docs/begatfile.md. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly at: Place;
  /** How many UTF-16 units the caret underlines; at least 1. */
  readonly length: number;
  /** `expected an output name, found "{"`. Lower case, no full stop. */
  readonly message: string;
  /** The text of the line, for the caret. */
  readonly line: string;
  /** Only where it is certainly true. */
  readonly hint?: string;
  /** Other places that belong to it: the first definition, the call that led here. */
  readonly notes: readonly { readonly at: Place; readonly message: string }[];
}
