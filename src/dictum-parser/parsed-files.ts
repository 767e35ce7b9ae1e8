import { Report } from "./report.ts";
import { decodeSource, type SourceText } from "./source-text.ts";
import { parseSource } from "./statement-syntax.ts";
import type { Begatfile } from "./syntax.ts";

export interface ParsedFile {
  readonly source: SourceText;
  readonly tree: Begatfile;
  readonly report: Report;
  readonly bytes: Uint8Array;
}

/**
 * Begatfiles that were read and parsed. Given to `declaredSources` and then to `evaluate`, no file is parsed twice; one
 * that changed in between is.
 */
export class ParsedFiles {
  readonly #files = new Map<string, ParsedFile>();

  parse(path: string, bytes: Uint8Array): ParsedFile {
    const known = this.#files.get(path);
    if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known;
    const { source, badAt } = decodeSource(path, bytes);
    const report = new Report();
    if (badAt !== undefined) {
      report.add({
        code: "PARSE_NOT_UTF8",
        source,
        at: badAt,
        length: 1,
        message: "expected UTF-8 text, found bytes that are not",
      });
    }
    const parsed = { source, tree: parseSource(source, report), report, bytes };
    this.#files.set(path, parsed);
    return parsed;
  }
}
