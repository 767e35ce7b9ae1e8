import type { Digest } from "../../base/index.ts";

/** `digests` in their order, cut so that no batch has more than `count` of them or `bytes` in them; one always fits. */
export function* batches(
  digests: Iterable<Digest>,
  most: { readonly count: number; readonly bytes: number },
): Generator<Digest[]> {
  let batch: Digest[] = [];
  let bytes = 0;
  for (const digest of digests) {
    if (batch.length > 0 && (batch.length === most.count || bytes + digest.sizeBytes > most.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(digest);
    bytes += digest.sizeBytes;
  }
  if (batch.length > 0) yield batch;
}

/** Does `work` for each item, at most `most` at a time; after the first failure no further one is begun. */
export async function inParallel<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++] as T;
      try {
        await work(item);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}
