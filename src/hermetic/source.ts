import type { Sha256, WorkspacePath } from "../base/index.ts";
import { BegatError } from "../base/index.ts";

export type SourceErrorCode =
  | "SOURCE_DIGEST_MISMATCH"
  | "SOURCE_VANISHED"
  | "SOURCE_NOT_FOUND"
  | "SOURCE_UNREACHABLE"
  | "SOURCE_MALFORMED"
  | "SOURCE_UNSAFE_PATH"
  | "SOURCE_TOO_LARGE"
  | "SOURCE_TOOL_MISSING"
  | "SOURCE_KIND_UNSUPPORTED"
  | "LOCK_MALFORMED"
  | "LOCK_ENTRY_MISSING";

export class SourceError extends BegatError<SourceErrorCode> {}

/** What a begatfile asks for: `source lua { deb-src "lua5.4" }`. */
export interface SourceRequest {
  readonly name: string;
  readonly kind: "deb-src" | "npm" | "url" | "git";
  readonly words: readonly string[];
}

/** One file as it was fetched. */
export interface LockedFile {
  readonly name: string;
  readonly sha256: Sha256;
  readonly sizeBytes: number;
}

/** What `begat.lock` pins it to. Neither credentials nor the place it was fetched from are in it. */
export interface SourceLock {
  readonly name: string;
  readonly kind: SourceRequest["kind"];
  /** As asked for, with credentials taken out of addresses. */
  readonly words: readonly string[];
  readonly version: string;
  /** Everything fetched, sorted by the UTF-8 bytes of the names. */
  readonly files: readonly LockedFile[];
  /** Of the unpacked tree: its REAPI Tree digest. */
  readonly tree: Sha256;
}

/** A source that stands unpacked in the checkout, every byte checked against the lock. */
export interface ReadySource {
  readonly lock: SourceLock;
  /** Where its tree stands, from the workspace root: `.begat/source/<name>`. */
  readonly directory: WorkspacePath;
  /** Fetched or unpacked just now, so the ledger must hear of it. */
  readonly ingested: boolean;
  /** Newly written to begat.lock; the user should commit it. */
  readonly lockChanged: boolean;
  /** Files that differed from the lock and were put back, from the source's root, sorted; at most 100. */
  readonly restored: readonly string[];
}

/** Brings pinned outside inputs into the checkout. The caller holds the checkout's build lock. */
export interface SourceProvider {
  /**
   * Makes each requested source stand in the checkout: present and intact, from the store, or fetched and verified.
   * Where it stands already this costs some `stat` calls and no read.
   *
   * @throws {SourceError} For a mismatch nothing is unpacked, and the message has both digests.
   */
  provide(requests: readonly SourceRequest[], signal: AbortSignal): Promise<readonly ReadySource[]>;
  /**
   * Reads every byte of the source's tree and puts back what differs from begat.lock.
   *
   * @throws {SourceError} `LOCK_ENTRY_MISSING` when nothing is pinned under this name.
   */
  verifySource(name: string, signal: AbortSignal): Promise<ReadySource>;
}

/** How a source is named in the ledger: `deb-src:lua5.4`, `npm:esbuild`, `url:...` (without credentials). */
export function sourceUri(lock: SourceLock): string {
  return `${lock.kind}:${lock.words.join(" ")}`;
}

/** Something a person waits for. */
export interface SourceProgress {
  readonly name: string;
  /** `debian package lua5.4`, `npm package esbuild@0.28.2`, `https://example.org/a.tar.gz` (without credentials). */
  readonly what: string;
}
