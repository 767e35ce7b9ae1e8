import { compareUtf8, type Sha256 } from "../base/index.ts";
import type { Protection } from "./lease-table.ts";
import type { StoredBlob } from "./stored-blobs.ts";

/**
 * Why a blob stays or goes: `held` is claimed by name, `in-use` was used since the oldest live lease began, `required`
 * is needed to verify the ledger, `within-budget` fits, `least-recently-used` did not.
 */
export type CollectionReason = "held" | "in-use" | "required" | "within-budget" | "least-recently-used";

export interface CollectionDecision {
  readonly hash: Sha256;
  readonly sizeBytes: number;
  /** Wall milliseconds since 1970. */
  readonly lastUsedMs: number;
  readonly remove: boolean;
  readonly reason: CollectionReason;
}

export interface CollectionFacts {
  readonly blobs: readonly StoredBlob[];
  /** From the index; a blob it does not know counts as used when its file was last changed. */
  readonly lastUsesMs: ReadonlyMap<Sha256, number>;
  readonly protection: Protection;
  readonly isRequired: (hash: Sha256) => boolean;
  /** What all that stays may come to, as far as protection allows. */
  readonly maxSizeBytes: number;
}

/** Decides about every blob, least recently used first. Blobs of the same age go in the order of their hashes. */
export function planCollection(facts: CollectionFacts): CollectionDecision[] {
  const aged = facts.blobs.map((blob) => ({
    ...blob,
    lastUsedMs: Math.max(blob.changedMs, facts.lastUsesMs.get(blob.hash) ?? Number.NEGATIVE_INFINITY),
  }));
  aged.sort((a, b) => a.lastUsedMs - b.lastUsedMs || compareUtf8(a.hash, b.hash));
  let total = 0;
  for (const blob of aged) total += blob.sizeBytes;
  return aged.map(({ hash, sizeBytes, lastUsedMs }) => {
    const reason = protectedBecause(hash, lastUsedMs, facts) ?? fits();
    if (reason === "least-recently-used") total -= sizeBytes;
    return { hash, sizeBytes, lastUsedMs, remove: reason === "least-recently-used", reason };
  });

  function fits(): CollectionReason {
    return total > facts.maxSizeBytes ? "least-recently-used" : "within-budget";
  }
}

/** What keeps a blob whatever the budget says. */
export function protectedBecause(
  hash: Sha256,
  lastUsedMs: number,
  facts: Pick<CollectionFacts, "protection" | "isRequired">,
): CollectionReason | undefined {
  if (facts.protection.held.has(hash)) return "held";
  if (lastUsedMs >= facts.protection.sinceMs) return "in-use";
  return facts.isRequired(hash) ? "required" : undefined;
}
