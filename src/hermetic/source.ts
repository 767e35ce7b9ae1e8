import type { Sha256, WorkspacePath } from "../base/index.ts";
import { BegatError } from "../base/index.ts";

export type SourceErrorCode =
  | "SOURCE_DIGEST_MISMATCH"
  | "SOURCE_VANISHED"
  | "SOURCE_UNREACHABLE"
  | "SOURCE_MALFORMED"
  | "SOURCE_UNSAFE_PATH"
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

/** What `begat.lock` pins it to. */
export interface SourceLock {
  readonly name: string;
  readonly kind: SourceRequest["kind"];
  readonly words: readonly string[];
  readonly version: string;
  /** Everything fetched, by name, sorted. */
  readonly files: readonly { readonly name: string; readonly sha256: Sha256; readonly sizeBytes: number }[];
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
}

/** Brings pinned outside inputs into the checkout. */
export interface SourceProvider {
  /**
   * Makes each requested source stand in the checkout: present and intact, from the store, or fetched and verified.
   *
   * @throws {SourceError} For a mismatch nothing is unpacked, and the message has both digests.
   */
  provide(requests: readonly SourceRequest[], signal: AbortSignal): Promise<readonly ReadySource[]>;
}
