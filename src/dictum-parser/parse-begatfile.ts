import type { Diagnostic } from "./diagnostic.ts";
import { Report } from "./report.ts";
import { SourceText } from "./source-text.ts";
import { parseSource } from "./statement-syntax.ts";
import type { Begatfile } from "./syntax.ts";

export interface ParsedBegatfile {
  /** What could be understood, also where there are mistakes. */
  readonly tree: Begatfile;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads one begatfile's syntax, without its includes. @param file Name for the diagnostics. */
export function parseBegatfile(text: string, file = "begatfile"): ParsedBegatfile {
  const report = new Report();
  const tree = parseSource(new SourceText(file, text), report);
  return { tree, diagnostics: report.diagnostics([file]) };
}
