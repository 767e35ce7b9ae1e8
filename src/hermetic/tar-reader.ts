import { extract, type Header } from "tar-stream";
import { type DecompressionTools, decompress } from "./decompression.ts";
import { SourceError } from "./source.ts";

/** One entry of an archive, its names decoded but not judged. */
export interface TarEntry {
  readonly type: NonNullable<Header["type"]> | "unknown";
  readonly path: string;
  /** Where a link or hard link leads; else empty. */
  readonly target: string;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly isSparse: boolean;
}

/** Takes one entry's bytes; a chunk may be kept. What either throws ends the reading. */
export interface EntryTaker {
  take(chunk: Uint8Array): void;
  end(): void;
}

const BLOCK_BYTES = 512;

/** Both are in tar-stream's manual but not in its types. The second lets pre-POSIX archives in. */
const READER_OPTIONS = { filenameEncoding: "latin1", allowUnknownFormat: true } as Parameters<typeof extract>[0];

class NotAnArchive extends Error {}

/**
 * Reads a tar archive, compressed or not, entry by entry; answers whether `bytes` are one. No entry's bytes are kept
 * here, so that an archive may be larger than memory.
 *
 * @throws {SourceError} `SOURCE_MALFORMED`, `SOURCE_UNSAFE_PATH` for names that are not UTF-8, `SOURCE_TOOL_MISSING`;
 *   and whatever `onEntry` and the taker it answers with throw.
 */
export async function readTar(
  bytes: Uint8Array,
  tools: DecompressionTools,
  onEntry: (entry: TarEntry) => EntryTaker,
  signal: AbortSignal,
): Promise<boolean> {
  // latin1 keeps the bytes of names apart; as UTF-8, bad ones would all become U+FFFD, and two names could be one.
  const reader = extract(READER_OPTIONS);
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    reader.destroy();
  };
  const attempt = (step: () => void): void => {
    if (failure !== undefined) return;
    try {
      step();
    } catch (error) {
      fail(error);
    }
  };
  const closed = new Promise<void>((resolve) => reader.once("close", resolve));
  reader.on("error", (cause) => {
    failure ??= new SourceError("SOURCE_MALFORMED", "tar archive is damaged", { cause });
  });
  reader.on("entry", (header, body, next) => {
    body.on("error", fail);
    attempt(() => {
      const taker = onEntry(entryOf(header));
      body.on("data", (chunk: unknown) => attempt(() => taker.take(chunk as Uint8Array)));
      body.on("end", () =>
        attempt(() => {
          taker.end();
          next(null);
        }),
      );
    });
  });

  const start: Uint8Array[] = [];
  let startBytes = 0;
  let isArchive = false;
  try {
    await decompress(
      bytes,
      tools,
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
    if (error instanceof NotAnArchive || damagedBeforeTheFirstBlock) return false;
    throw failure ?? error;
  }
  if (!isArchive) {
    reader.destroy();
    return false;
  }
  reader.end(null);
  await closed;
  if (failure !== undefined) throw failure;
  return true;
}

function entryOf(header: Header): TarEntry {
  const pax = (header.pax ?? {}) as Record<string, string>;
  return {
    type: header.type ?? "unknown",
    path: decodeName(header.name, pax.path),
    target: decodeName(header.linkname ?? "", pax.linkpath),
    mode: header.mode ?? 0,
    uid: header.uid ?? 0,
    gid: header.gid ?? 0,
    sizeBytes: header.size ?? 0,
    isSparse: Object.keys(pax).some((key) => key.startsWith("GNU.sparse")),
  };
}

/** A pax record is UTF-8 by definition and comes decoded; everything else comes byte for byte. */
function decodeName(latin1: string, pax: string | undefined): string {
  const unsafe = (name: string) =>
    new SourceError("SOURCE_UNSAFE_PATH", `archive entry ${JSON.stringify(name)} has a name that is not UTF-8`);
  if (pax !== undefined && pax !== "") {
    if (pax.includes("\ufffd")) throw unsafe(pax);
    return pax;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    throw unsafe(latin1);
  }
}

/** Whether a block's checksum (POSIX ustar, field `chksum`) fits; chance does so once in some thousand texts at most. */
export function isTarHeader(block: Uint8Array): boolean {
  const recorded = Number.parseInt(Buffer.from(block.subarray(148, 156)).toString("latin1").trim(), 8);
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return Number.isInteger(recorded) && recorded === sum && sum > 8 * 0x20;
}
