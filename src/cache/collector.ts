import type { Sha256 } from "../base/index.ts";
import type { Clock, FileTree } from "../ports/index.ts";
import { isNotFound } from "./blob-files.ts";
import type { BlobIndex } from "./blob-index.ts";
import { USES_WRITTEN_EVERY_MS } from "./build-leases.ts";
import { CacheLayout, temporaryWriter } from "./cache-layout.ts";
import { type CollectionDecision, planCollection, protectedBecause } from "./collection-plan.ts";
import type { Protection } from "./lease-table.ts";
import type { ProcessTable } from "./process-table.ts";
import { storeFailure } from "./store-failure.ts";
import { names, storedBlobs } from "./stored-blobs.ts";

export interface CollectorOptions {
  readonly fs: FileTree;
  readonly clock: Clock;
  readonly processes: ProcessTable;
  readonly cacheHome: string;
  /** A `CacheIndex`, as far as it is needed. */
  readonly index: { readonly blobs: BlobIndex; readonly leases: { protection(): Protection } };
  /** What the store may come to, as far as leases allow; bytes. */
  readonly maxSizeBytes: number;
  /** Blobs an unpruned ledger entry needs to be verified. */
  readonly isRequired?: (hash: Sha256) => boolean;
  /** Only says what would go. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface CollectionResult {
  readonly removed: number;
  readonly freedBytes: number;
  readonly kept: number;
  readonly keptBytes: number;
  /** Of those kept: only because a running build uses them. */
  readonly leased: number;
  readonly leasedBytes: number;
  /** Temporary files of processes that are gone, removed too. */
  readonly leftovers: number;
  /** About each blob, least recently used first. */
  readonly decisions: readonly CollectionDecision[];
}

/** Long enough that every live holder has written down what it used before its blob went to the trash. */
const GRACE_MS = 3 * USES_WRITTEN_EVERY_MS;

/** A temporary file whose name does not tell its writer is left alone for this long. */
const NAMELESS_LEFTOVER_MS = 24 * 3600 * 1000;

/**
 * Removes blobs, least recently used first, until the store keeps to its budget; and what dead processes left behind.
 *
 * What goes is first moved to the trash, where a reader that misses it finds it and puts it back. While other builds
 * run the trash is emptied only after a grace, and without what turned out to be used in it. A holder that was stopped
 * for longer than the grace finds its blob evicted and makes it again: leases save work, nothing rests on them.
 *
 * @throws {BlobStoreError} `BLOB_STORE_UNUSABLE` when the directory cannot be written.
 */
export async function collectGarbage(options: CollectorOptions): Promise<CollectionResult> {
  const layout = new CacheLayout(options.cacheHome);
  try {
    return await new Collection(options, layout).run();
  } catch (cause) {
    throw storeFailure(cause, "collect garbage", layout.home);
  }
}

class Collection {
  readonly #options: CollectorOptions;
  readonly #fs: FileTree;
  readonly #layout: CacheLayout;
  readonly #isRequired: (hash: Sha256) => boolean;

  constructor(options: CollectorOptions, layout: CacheLayout) {
    this.#options = options;
    this.#fs = options.fs;
    this.#layout = layout;
    this.#isRequired = options.isRequired ?? (() => false);
  }

  async run(): Promise<CollectionResult> {
    const { index, maxSizeBytes, dryRun } = this.#options;
    const leftovers = dryRun ? 0 : this.#removeLeftovers();
    // A build that begins after this is seen before the trash is emptied.
    const protection = index.leases.protection();
    const decisions = planCollection({
      blobs: storedBlobs(this.#fs, this.#layout),
      lastUsesMs: index.blobs.lastUsesMs(),
      protection,
      isRequired: this.#isRequired,
      maxSizeBytes,
    });
    if (dryRun) return summary(decisions, leftovers);
    const doomed = decisions.filter((decision) => decision.remove);
    if (doomed.length > 0) this.#fs.makeDirectory(this.#layout.trash);
    for (const { hash } of doomed) this.#move(this.#layout.blob(hash), this.#layout.trashed(hash));
    const rescued = await this.#emptyTrash(new Map(doomed.map((decision) => [decision.hash, decision])));
    return summary(
      decisions.map((decision) => rescued.get(decision.hash) ?? decision),
      leftovers,
    );
  }

  /** Also what a collector that died had in it. Answers the decisions that were taken back. */
  async #emptyTrash(doomed: ReadonlyMap<Sha256, CollectionDecision>): Promise<Map<Sha256, CollectionDecision>> {
    const { clock, index, signal } = this.#options;
    const rescued = new Map<Sha256, CollectionDecision>();
    const trash = names(this.#fs, this.#layout.trash) as Sha256[];
    if (trash.length > 0 && index.leases.protection().leases > 0) await clock.sleep(GRACE_MS, signal);
    const facts = { protection: index.leases.protection(), isRequired: this.#isRequired };
    const lastUsesMs = facts.protection.leases > 0 ? index.blobs.lastUsesMs() : new Map<Sha256, number>();
    for (const hash of trash) {
      const decision = doomed.get(hash);
      const reason = protectedBecause(hash, lastUsesMs.get(hash) ?? Number.NEGATIVE_INFINITY, facts);
      if (reason === undefined) this.#fs.remove(this.#layout.trashed(hash));
      else this.#move(this.#layout.trashed(hash), this.#layout.blob(hash));
      if (decision !== undefined && reason !== undefined) rescued.set(hash, { ...decision, remove: false, reason });
    }
    // A blob that a reader took back out of the trash is in its old place again.
    const gone: Sha256[] = [];
    for (const [hash, decision] of doomed) {
      if (rescued.has(hash)) continue;
      if (this.#fs.lstat(this.#layout.blob(hash)) === undefined) gone.push(hash);
      else rescued.set(hash, { ...decision, remove: false, reason: "in-use" });
    }
    index.blobs.forget(gone);
    return rescued;
  }

  /** Nothing happens where `from` is gone: another process was quicker. */
  #move(from: string, to: string): void {
    try {
      this.#fs.rename(from, to);
    } catch (cause) {
      if (!isNotFound(cause)) throw cause;
    }
  }

  #removeLeftovers(): number {
    const { clock, processes } = this.#options;
    let removed = 0;
    for (const name of names(this.#fs, this.#layout.tmp)) {
      const path = `${this.#layout.tmp}/${name}`;
      const writer = temporaryWriter(name);
      const ageMs = clock.nowMs() - (this.#fs.lstat(path)?.ctimeMs ?? Number.POSITIVE_INFINITY);
      if (writer === undefined ? ageMs < NAMELESS_LEFTOVER_MS : processes.isAlive(writer)) continue;
      this.#fs.remove(path);
      removed++;
    }
    return removed;
  }
}

function summary(decisions: readonly CollectionDecision[], leftovers: number): CollectionResult {
  const total = { removed: 0, freedBytes: 0, kept: 0, keptBytes: 0, leased: 0, leasedBytes: 0 };
  for (const { remove, reason, sizeBytes } of decisions) {
    if (remove) {
      total.removed++;
      total.freedBytes += sizeBytes;
      continue;
    }
    total.kept++;
    total.keptBytes += sizeBytes;
    if (reason === "held" || reason === "in-use") {
      total.leased++;
      total.leasedBytes += sizeBytes;
    }
  }
  return { ...total, leftovers, decisions };
}
