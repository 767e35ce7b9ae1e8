import { type Sha256, sha256 } from "../base/index.ts";
import { Report } from "./report.ts";
import { decodeSource, type SourceText } from "./source-text.ts";
import { parseSource } from "./statement-syntax.ts";
import type { Begatfile } from "./syntax.ts";

export interface ParsedFile {
  readonly source: SourceText;
  readonly tree: Begatfile;
  readonly report: Report;
  /** Of its bytes. */
  readonly hash: Sha256;
}

/**
 * Begatfiles that were read and parsed. Given to `declaredSources` and then to `evaluate`, no file is parsed twice; one
 * that changed in between is.
 */
export class ParsedFiles {
  readonly #files = new Map<string, ParsedFile>();

  /** They take as much as the texts they are of. */
  clear(): void {
    this.#files.clear();
  }

  parse(path: string, bytes: Uint8Array): ParsedFile {
    const known = this.#files.get(path);
    const hash = sha256(bytes);
    if (known?.hash === hash) return known;
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
    const parsed = { source, tree: parseSource(source, report), report, hash };
    this.#files.set(path, parsed);
    return parsed;
  }
}
