import type { BlobStore } from "../cache/index.ts";
import type { DecompressionTools } from "./decompression.ts";
import type { SourceLimits } from "./source-limits.ts";
import { entrySegments, SourceTree, unsafe } from "./source-tree.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

export interface Unpacking extends DecompressionTools {
  readonly blobs: BlobStore;
  readonly limits: SourceLimits;
}

/**
 * The tree in a tar archive, compressed or not, its files kept in the blob store; `undefined` where `bytes` are no
 * such archive. Owners, times and all permissions but "executable" are dropped: they are no part of a tree.
 *
 * @param stripFirst Takes the first segment off every name, as npm does; what has no second one is left out.
 * @throws {SourceError} `SOURCE_UNSAFE_PATH`, `SOURCE_TOO_LARGE`, `SOURCE_MALFORMED`, `SOURCE_TOOL_MISSING`.
 */
export async function readArchive(
  bytes: Uint8Array,
  unpacking: Unpacking,
  signal: AbortSignal,
  { stripFirst = false } = {},
): Promise<SourceTree | undefined> {
  const tree = new SourceTree(unpacking.limits);
  const isArchive = await readTar(
    bytes,
    unpacking,
    (entry) => {
      tree.reserve(entry.sizeBytes, entry.path);
      const chunks: Uint8Array[] = [];
      return {
        take: (chunk) => chunks.push(chunk),
        end: () => addEntry(tree, entry, Buffer.concat(chunks), unpacking.blobs, stripFirst),
      };
    },
    signal,
  );
  return isArchive ? tree : undefined;
}

function addEntry(tree: SourceTree, entry: TarEntry, body: Buffer, blobs: BlobStore, stripFirst: boolean): void {
  const shown = entry.path;
  const all = entrySegments(shown);
  const segments = stripFirst ? all.slice(1) : all;
  switch (entry.type) {
    case "directory":
      tree.addDirectory(segments, shown);
      return;
    case "file":
    case "contiguous-file": {
      if (entry.isSparse) throw unsafe(`archive entry ${shown} is a sparse file, which this reader does not know`);
      if (segments.length === 0 && stripFirst) return;
      // Set-user-id, set-group-id and sticky bits go the way of all modes: only "may be executed" is left.
      const executable = (entry.mode & 0o111) !== 0;
      tree.addLeaf(segments, { kind: "file", digest: blobs.write(body), executable }, shown);
      return;
    }
    case "symlink": {
      if (segments.length === 0 && stripFirst) return;
      const { target } = entry;
      if (target === "" || /[\u0000-\u001f\u007f]/.test(target)) {
        throw unsafe(`link ${shown} has the target ${JSON.stringify(target)}`);
      }
      tree.addLeaf(segments, { kind: "symlink", target }, shown);
      return;
    }
    case "link": {
      const targetSegments = entrySegments(entry.target);
      const linked = tree.find(stripFirst ? targetSegments.slice(1) : targetSegments);
      if (linked?.kind !== "file")
        throw unsafe(`hard link ${shown} leads to ${entry.target}, which is no file before it`);
      tree.addLeaf(segments, linked, shown);
      return;
    }
    default:
      throw unsafe(
        `archive entry ${shown} is a ${entry.type === "unknown" ? "special file" : entry.type}, which a source cannot hold`,
      );
  }
}
