import type { Sha256 } from "../../base/index.ts";
import type { Ledger } from "../ledger.ts";
import type { LedgerRecord } from "../record.ts";

export interface LogFilter {
  /** Kinds of records; absent or empty: all. */
  readonly kinds?: readonly string[];
  /** A record's number, a chore's label, a path, a build, or a digest's first 8 or more digits; absent: everything. */
  readonly about?: string;
  /** Nothing from this record on. */
  readonly before?: number;
}

export interface LogLine {
  readonly seq: number;
  readonly leaf: Sha256;
  readonly record: LedgerRecord;
}

/** Records fetched at a time, from the end backwards. */
const CHUNK = 512;

/**
 * The newest records that fit, newest last. Each was read from the ledger and matches its leaf hash.
 *
 * @throws {LedgerError} `LEDGER_TAMPERED` at a record that does not.
 */
export function ledgerLog(ledger: Ledger, limit: number, filter: LogFilter = {}): readonly LogLine[] {
  const { about, kinds = [] } = filter;
  const lines: LogLine[] = [];
  const number = about !== undefined && /^\d{1,15}$/.test(about) ? Number(about) : undefined;
  const numbered = number === undefined ? undefined : ledger.record(number);
  if (numbered !== undefined) {
    for (const { seq, leaf } of ledger.read(numbered.seq, numbered.seq + 1))
      lines.push({ seq, leaf, record: numbered });
    return lines;
  }
  // A record that speaks of it has its bytes; only those are parsed. Long lists stand elsewhere, so `more` is parsed too.
  const needle = about === undefined ? undefined : JSON.stringify(about).slice(1, -1);
  for (let to = Math.min(filter.before ?? ledger.size(), ledger.size()); to > 0 && lines.length < limit; to -= CHUNK) {
    const rows = [...ledger.read(Math.max(0, to - CHUNK), to)].reverse();
    for (const { seq, bytes, leaf } of rows) {
      if (lines.length === limit) break;
      if (needle !== undefined && !bytes.includes(needle) && !bytes.includes('"more":{')) continue;
      const record = ledger.record(seq);
      if (record === undefined || (kinds.length > 0 && !kinds.includes(record.kind))) continue;
      if (about === undefined || speaksOf(record, about)) lines.push({ seq, leaf, record });
    }
  }
  return lines.reverse();
}

function speaksOf(record: LedgerRecord, about: string): boolean {
  const digest = /^[0-9a-f]{8,64}$/.test(about) ? about : undefined;
  const fits = (path: string, hash: string) => path === about || (digest !== undefined && hash.startsWith(digest));
  switch (record.kind) {
    case "exec":
    case "fail":
      if (record.chore === about || record.dictum === about || record.build === about) return true;
      return fits("", record.action) || record.out.some(({ p, d }) => fits(p, d));
    case "challenge":
      if (record.chore === about || record.build === about) return true;
      return fits("", record.action) || record.out.some(({ p, d }) => fits(p, d));
    case "build.begin":
      return record.build === about || record.goal.includes(about);
    case "hits":
      return record.build === about;
    case "build.end":
      return record.build === about || record.artifacts.some(({ p, d }) => fits(p, d));
    case "ingest":
      if (record.name === about || record.uri === about || fits("", record.tree ?? "")) return true;
      return record.files.some(({ p, d }) => fits(p, d));
    case "genesis":
      return record.keys.some(({ id }) => fits("", id));
    case "key.endorse":
      return fits("", record.subject.id) || fits("", record.by);
    case "key.rotate":
      return fits("", record.old) || fits("", record.new.id) || fits("", record.by);
    case "key.revoke":
      return fits("", record.id) || fits("", record.by);
    case "quarantine":
      return fits(record.target.is ?? "", record.target.is ?? "") || fits("", record.by);
    case "property":
      return record.subject === about || record.name === about || fits("", record.evidence ?? "");
    case "release":
    case "restore":
    case "recovery":
    case "rekor":
      return false;
  }
}
