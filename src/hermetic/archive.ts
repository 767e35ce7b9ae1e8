import { extract, type Header } from "tar-stream";
import type { BlobStore } from "../cache/index.ts";
import { type DecompressionTools, decompress } from "./decompression.ts";
import { SourceError } from "./source.ts";
import type { SourceLimits } from "./source-limits.ts";
import { entrySegments, SourceTree, unsafe } from "./source-tree.ts";

export interface Unpacking extends DecompressionTools {
  readonly blobs: BlobStore;
  readonly limits: SourceLimits;
}

const BLOCK_BYTES = 512;

/** Both are in tar-stream's manual but not in its types. The second lets pre-POSIX archives in. */
const READER_OPTIONS = { filenameEncoding: "latin1", allowUnknownFormat: true } as Parameters<typeof extract>[0];

class NotAnArchive extends Error {}

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
  // latin1 keeps the bytes of names apart; as UTF-8, bad ones would all become U+FFFD, and two names could be one.
  const reader = extract(READER_OPTIONS);
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    reader.destroy();
  };
  const closed = new Promise<void>((resolve) => reader.once("close", resolve));
  reader.on("error", (cause) => {
    failure ??= new SourceError("SOURCE_MALFORMED", "tar archive is damaged", { cause });
  });
  reader.on("entry", (header, body, next) => {
    const chunks: Uint8Array[] = [];
    body.on("error", fail);
    body.on("data", (chunk: unknown) => chunks.push(chunk as Uint8Array));
    body.on("end", () => {
      try {
        addEntry(tree, header, Buffer.concat(chunks), unpacking.blobs, stripFirst);
        next(null);
      } catch (error) {
        fail(error);
      }
    });
    try {
      tree.reserve(header.size, nameOf(header));
    } catch (error) {
      fail(error);
    }
  });

  const start: Uint8Array[] = [];
  let startBytes = 0;
  let isArchive = false;
  try {
    await decompress(
      bytes,
      unpacking,
      (chunk) => {
        if (failure !== undefined) throw failure;
        if (isArchive) {
          reader.write(chunk);
          return;
        }
        start.push(chunk);
        startBytes += chunk.length;
        if (startBytes < BLOCK_BYTES) return;
        const head = Buffer.concat(start);
        if (!isTarHeader(head)) throw new NotAnArchive();
        isArchive = true;
        reader.write(head);
      },
      signal,
    );
  } catch (error) {
    reader.destroy();
    const damagedBeforeTheFirstBlock = error instanceof SourceError && error.code === "SOURCE_MALFORMED" && !isArchive;
    if (error instanceof NotAnArchive || damagedBeforeTheFirstBlock) return undefined;
    throw failure ?? error;
  }
  if (!isArchive) {
    reader.destroy();
    return undefined;
  }
  reader.end(null);
  await closed;
  if (failure !== undefined) throw failure;
  return tree;
}

function addEntry(tree: SourceTree, header: Header, body: Buffer, blobs: BlobStore, stripFirst: boolean): void {
  const shown = nameOf(header);
  const all = entrySegments(shown);
  const segments = stripFirst ? all.slice(1) : all;
  switch (header.type) {
    case "directory":
      tree.addDirectory(segments, shown);
      return;
    case "file":
    case "contiguous-file": {
      if (Object.keys(paxOf(header)).some((key) => key.startsWith("GNU.sparse"))) {
        throw unsafe(`archive entry ${shown} is a sparse file, which this reader does not know`);
      }
      if (segments.length === 0 && stripFirst) return;
      // Set-user-id, set-group-id and sticky bits go the way of all modes: only "may be executed" is left.
      const executable = (header.mode & 0o111) !== 0;
      tree.addLeaf(segments, { kind: "file", digest: blobs.write(body), executable }, shown);
      return;
    }
    case "symlink": {
      if (segments.length === 0 && stripFirst) return;
      const target = linkNameOf(header);
      if (target === "" || /[\u0000-\u001f\u007f]/.test(target)) {
        throw unsafe(`link ${shown} has the target ${JSON.stringify(target)}`);
      }
      tree.addLeaf(segments, { kind: "symlink", target }, shown);
      return;
    }
    case "link": {
      const target = linkNameOf(header);
      const targetSegments = entrySegments(target);
      const linked = tree.find(stripFirst ? targetSegments.slice(1) : targetSegments);
      if (linked?.kind !== "file") throw unsafe(`hard link ${shown} leads to ${target}, which is no file before it`);
      tree.addLeaf(segments, linked, shown);
      return;
    }
    default:
      throw unsafe(`archive entry ${shown} is a ${header.type ?? "special file"}, which a source cannot hold`);
  }
}

function paxOf(header: Header): Readonly<Record<string, string>> {
  return (header.pax ?? {}) as Record<string, string>;
}

function nameOf(header: Header): string {
  return decodeName(header.name, paxOf(header).path);
}

function linkNameOf(header: Header): string {
  return decodeName(header.linkname ?? "", paxOf(header).linkpath);
}

/** A pax record is UTF-8 by definition and comes decoded; everything else comes byte for byte. */
function decodeName(latin1: string, pax: string | undefined): string {
  if (pax !== undefined && pax !== "") {
    if (pax.includes("\ufffd")) throw unsafe(`archive entry ${JSON.stringify(pax)} has a name that is not UTF-8`);
    return pax;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    throw unsafe(`archive entry ${JSON.stringify(latin1)} has a name that is not UTF-8`);
  }
}

/** Whether a block's checksum (POSIX ustar, field `chksum`) fits; chance does so once in some thousand texts at most. */
export function isTarHeader(block: Uint8Array): boolean {
  const recorded = Number.parseInt(Buffer.from(block.subarray(148, 156)).toString("latin1").trim(), 8);
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return Number.isInteger(recorded) && recorded === sum && sum > 8 * 0x20;
}
