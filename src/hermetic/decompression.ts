import { createGunzip } from "node:zlib";
import { ProcessError, type ProcessRunner } from "../ports/index.ts";
import { lastLines } from "./address.ts";
import { SourceError } from "./source.ts";

export type Compression = "none" | "gzip" | "xz" | "bzip2" | "zstd";

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** Told by the first bytes: names lie, and addresses often have none. */
export function compressionOf(bytes: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0] ?? "none";
}

/** Up to here starting a program costs more than reading slowly: 1.5 ms in this process for a typical control archive. */
const SMALL_XZ_BYTES = 64 * 1024;
const XZ_PIECE_BYTES = 64 * 1024;

export interface DecompressionTools {
  readonly runner: ProcessRunner;
  /** For programs of this machine: PATH and whatever its tools are configured by. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute; exists. */
  readonly cwd: string;
}

/**
 * Hands the plain bytes to `onChunk`, in order. gzip is read here; the others by the machine's `xz`, `bzip2`, `zstd`,
 * which work beside this process. Small xz data, and all of it where there is no such program, is read here too.
 * An error that `onChunk` throws ends the reading at once and is thrown on.
 *
 * @throws {SourceError} `SOURCE_MALFORMED` for damaged bytes, `SOURCE_TOOL_MISSING`.
 */
export async function decompress(
  bytes: Uint8Array,
  tools: DecompressionTools,
  onChunk: (chunk: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  const compression = compressionOf(bytes);
  switch (compression) {
    case "none":
      signal.throwIfAborted();
      onChunk(bytes);
      return;
    case "gzip":
      return gunzip(bytes, onChunk, signal);
    case "xz":
      if (bytes.length <= SMALL_XZ_BYTES) return unxz(bytes, onChunk, signal);
      return throughProgram(compression, bytes, tools, onChunk, signal);
    default:
      return throughProgram(compression, bytes, tools, onChunk, signal);
  }
}

async function gunzip(bytes: Uint8Array, onChunk: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
  const stream = createGunzip({ chunkSize: 64 * 1024 });
  stream.end(bytes);
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks.next().catch((cause: unknown) => {
        throw new SourceError("SOURCE_MALFORMED", "gzip data is damaged", { cause });
      });
      if (next.done === true) return;
      signal.throwIfAborted();
      onChunk(next.value);
    }
  } finally {
    stream.destroy();
  }
}

async function throughProgram(
  program: "xz" | "bzip2" | "zstd",
  bytes: Uint8Array,
  tools: DecompressionTools,
  onChunk: (chunk: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  // What the reader of the chunks throws must stop the program too: a bomb would go on for ever.
  const refusal = new AbortController();
  let refused: unknown;
  const outcome = await tools.runner
    .run(
      {
        argv: [program, "-d", "-c"],
        cwd: tools.cwd,
        env: tools.environment,
        stdin: bytes,
        outputLimitBytes: 4096,
        timeoutMs: 0,
        onOutput(stream, chunk) {
          if (stream !== "stdout" || refusal.signal.aborted) return;
          try {
            onChunk(chunk);
          } catch (error) {
            refused = error;
            refusal.abort(error);
          }
        },
      },
      AbortSignal.any([signal, refusal.signal]),
    )
    .catch((cause: unknown) => {
      if (refusal.signal.aborted) throw refused;
      if (!(cause instanceof ProcessError)) throw cause;
      if (program === "xz") return undefined;
      throw new SourceError("SOURCE_TOOL_MISSING", `${program} is needed to unpack and could not be run`, {
        cause,
        hint: `install the program ${program} (Debian package ${program})`,
      });
    });
  if (refusal.signal.aborted) throw refused;
  if (outcome === undefined) return unxz(bytes, onChunk, signal);
  if (outcome.exitCode !== 0) {
    throw new SourceError("SOURCE_MALFORMED", `${program} data is damaged: ${lastLines(outcome.stderr)}`);
  }
}

/** xz without the program of that name: slower by half, and the event loop waits meanwhile. */
async function unxz(bytes: Uint8Array, onChunk: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
  const { default: loaded } = await import("xz-decompress");
  let at = 0;
  const compressed = new ReadableStream<Uint8Array>({
    pull(controller) {
      // The decoder copies what it is given, so pieces keep that copy small.
      const piece = bytes.subarray(at, at + XZ_PIECE_BYTES);
      at += piece.length;
      if (piece.length === 0) controller.close();
      else controller.enqueue(piece);
    },
  });
  const reader = new loaded.XzReadableStream(compressed).getReader();
  try {
    for (;;) {
      const next = await reader.read().catch((cause: unknown) => {
        throw new SourceError("SOURCE_MALFORMED", "xz data is damaged", { cause });
      });
      if (next.done) return;
      signal.throwIfAborted();
      // Its memory is used again for what comes next.
      onChunk(Uint8Array.from(next.value));
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
