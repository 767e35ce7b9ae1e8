import { parseSha256, type Sha256 } from "../base/index.ts";
import type { ProcessIdentity } from "./process-table.ts";

/** Where everything of a cache home stands. Written in docs/formats.md, "Cache home". */
export class CacheLayout {
  readonly home: string;
  readonly cas: string;
  /** Files being written; named by `temporaryName`. */
  readonly tmp: string;
  /** Evicted blobs, by hash, until the collector is sure that nobody wants them. */
  readonly trash: string;
  readonly quarantine: string;
  readonly index: string;

  constructor(home: string) {
    this.home = home;
    this.cas = `${home}/cas`;
    this.tmp = `${home}/tmp`;
    this.trash = `${home}/trash`;
    this.quarantine = `${home}/quarantine`;
    this.index = `${home}/index.db`;
  }

  blob(hash: Sha256): string {
    return `${this.cas}/${hash.slice(0, 2)}/${hash.slice(2)}`;
  }

  trashed(hash: Sha256): string {
    return `${this.trash}/${hash}`;
  }
}

/** The hash of a blob stored as `cas/<directory>/<name>`; `undefined` for any other name. */
export function blobHash(directory: string, name: string): Sha256 | undefined {
  return directory.length === 2 ? parseSha256(directory + name) : undefined;
}

/** `begat-<pid>-<start>-<suffix>`: whoever finds one can tell whether its writer still runs. */
export function temporaryName(writer: ProcessIdentity, suffix: string): string {
  return `begat-${writer.pid}-${writer.startedAt}-${suffix}`;
}

/** Who wrote the temporary file of this name; `undefined` when it is none. */
export function temporaryWriter(name: string): ProcessIdentity | undefined {
  const match = /^begat-(\d+)-(\d+)-[0-9a-z-]+$/.exec(name);
  return match ? { pid: Number(match[1]), startedAt: Number(match[2]) } : undefined;
}
