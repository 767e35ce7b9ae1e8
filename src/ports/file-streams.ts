/** Takes bytes one after another. `close` must come at the end, also after a failure. */
export interface FileSink {
  write(bytes: Uint8Array): void;
  close(): void;
}

export interface FileSource {
  readonly sizeBytes: number;
  /** Fills `into` from `position` on; answers how many bytes there were, 0 at the end. */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/**
 * Files too large to hold in memory, piece by piece. Synchronous, as `FileTree` is: pieces are for a caller that lets
 * others run in between. Paths are absolute.
 *
 * @throws {FileTreeError}
 */
export interface FileStreams {
  /** A new file whose permissions are exactly `mode`, whatever the umask; refuses an existing one with `FILE_EXISTS`. */
  create(path: string, mode: number): FileSink;
  /** A regular file. A symlink in the last component is refused. */
  open(path: string): FileSource;
}
