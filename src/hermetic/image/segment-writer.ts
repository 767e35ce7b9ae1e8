import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileSink, FileStreams } from "../../ports/index.ts";
import type { InSegment } from "./listing.ts";
import { type TarMember, tarHeader, tarPadding } from "./tar-entry.ts";

const PIECE_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(512);

/** Writes tar members one after another to a file that becomes a blob; no file is ever whole in memory. */
export class SegmentWriter {
  readonly #streams: FileStreams;
  readonly #path: string;
  readonly #sink: FileSink;
  #position = 0;
  #piece: Buffer | undefined;

  /** @param path absolute; must not exist. */
  constructor(streams: FileStreams, path: string) {
    this.#streams = streams;
    this.#path = path;
    this.#sink = streams.create(path, 0o644);
  }

  async directory(place: string, mode = 0o755): Promise<void> {
    await this.#header({ kind: "directory", place, mode });
  }

  async symlink(place: string, target: string): Promise<InSegment> {
    const offset = this.#position;
    await this.#header({ kind: "symlink", place, target, mode: 0o777 });
    return { offset, length: this.#position - offset };
  }

  /** The file at `from`, absolute, of `sizeBytes`. */
  async file(place: string, from: string, sizeBytes: number, executable: boolean): Promise<InSegment> {
    const offset = this.#position;
    await this.#header({ kind: "file", place, sizeBytes, mode: executable ? 0o755 : 0o644 });
    const source = this.#streams.open(from);
    try {
      this.#piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
      for (let at = 0; at < sizeBytes; ) {
        const length = source.read(this.#piece, at);
        if (length === 0) break;
        this.#write(this.#piece.subarray(0, Math.min(length, sizeBytes - at)));
        at += length;
      }
    } finally {
      source.close();
    }
    this.#write(ZEROS.subarray(0, tarPadding(sizeBytes)));
    return { offset, length: this.#position - offset };
  }

  /** Closes the file and gives it to the store. */
  async finish(blobs: BlobStore): Promise<Digest> {
    this.#sink.close();
    return blobs.ingest(this.#path, { take: true });
  }

  /** After a failure; the file stays where it is. */
  abandon(): void {
    this.#sink.close();
  }

  async #header(member: TarMember): Promise<void> {
    this.#write(await tarHeader(member));
  }

  #write(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#position += bytes.length;
  }
}
