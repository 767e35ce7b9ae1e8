import { createHash } from "node:crypto";
import type { Digest, Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams } from "../../ports/index.ts";
import type { PackageListing } from "./listing.ts";
import { TAR_END_BYTES } from "./tar-entry.ts";

/** A stretch of a blob. */
export interface LayerPiece {
  readonly hash: Sha256;
  /** Of the whole blob. */
  readonly sizeBytes: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * An uncompressed layer as stretches of blobs, one after another, and zeros at its end. It is never stored as a whole:
 * what images share stands in the store once.
 */
export interface LayerPlan {
  readonly pieces: readonly LayerPiece[];
  readonly endBytes: number;
}

/** A layer whose digest is known. */
export interface Layer extends LayerPlan {
  readonly diffId: Sha256;
  readonly sizeBytes: number;
}

const PIECE_BYTES = 1024 * 1024;

/** What of a package's segment goes into a layer: all but the entries that stand in it by somebody else. */
export function piecesOf(listing: PackageListing, isOurs: (place: string) => boolean): readonly LayerPiece[] {
  const { hash, sizeBytes } = listing.segment;
  const pieces: LayerPiece[] = [];
  for (const entry of listing.entries) {
    if (entry.kind === "directory" || !isOurs(entry.place)) continue;
    const last = pieces.at(-1);
    if (last !== undefined && last.offset + last.length === entry.offset) {
      pieces[pieces.length - 1] = { ...last, length: last.length + entry.length };
    } else {
      pieces.push({ hash, sizeBytes, offset: entry.offset, length: entry.length });
    }
  }
  return pieces;
}

/** The image's own segment, then those of its packages. */
export function layerOf(own: Digest, packages: readonly (readonly LayerPiece[])[]): LayerPlan {
  const first = { ...own, offset: 0, length: own.sizeBytes };
  return { pieces: [first, ...packages.flat()], endBytes: TAR_END_BYTES };
}

export function layerSize(plan: LayerPlan): number {
  return plan.pieces.reduce((sum, { length }) => sum + length, plan.endBytes);
}

/**
 * The layer's bytes. Each chunk is good until the next is asked for.
 *
 * @throws {BlobStoreError} `BLOB_MISSING`, `BLOB_CORRUPT`.
 */
export async function* layerBytes(
  plan: LayerPlan,
  blobs: BlobStore,
  streams: FileStreams,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  // The first use of a blob verifies it, large ones in workers: they may work ahead of the reading.
  const places = new Map<Sha256, Promise<string>>();
  for (const { hash, sizeBytes } of plan.pieces) {
    if (places.has(hash)) continue;
    const place = blobs.pathOf({ hash, sizeBytes });
    place.catch(() => {});
    places.set(hash, place);
  }
  for (const { hash, offset, length } of plan.pieces) {
    const source = streams.open(await (places.get(hash) as Promise<string>));
    try {
      for (let at = 0; at < length; ) {
        const into = length - at < PIECE_BYTES ? buffer.subarray(0, length - at) : buffer;
        const count = source.read(into, offset + at);
        if (count === 0) throw new RangeError(`blob ${hash} ended ${length - at} bytes early`);
        at += count;
        yield into.subarray(0, count);
      }
    } finally {
      source.close();
    }
  }
  if (plan.endBytes > 0) yield Buffer.alloc(plan.endBytes);
}

/** Reads the layer once for its digest. */
export async function digestLayer(plan: LayerPlan, blobs: BlobStore, streams: FileStreams): Promise<Layer> {
  const hash = createHash("sha256");
  for await (const chunk of layerBytes(plan, blobs, streams)) hash.update(chunk);
  return { ...plan, diffId: hash.digest("hex") as Sha256, sizeBytes: layerSize(plan) };
}
