import type { Digest } from "../base/index.ts";

/** From this size on a file is hashed and copied off the main thread; below it a thread's round trip costs more. */
export const LARGE_FILE_BYTES = 4 * 1024 * 1024;

/** Hashes and copies large files without holding up the main thread. `NodeBulkFiles` of platform is one. */
export interface BulkFiles {
  /**
   * Digest of the file at `path`. `seal` first makes the file ours (owner, mode 0444, through the open descriptor), so
   * that whoever owned it can no longer open it for writing; a symlink is then refused.
   *
   * @throws {FileTreeError}
   */
  hash(path: string, options?: { readonly seal?: boolean }): Promise<Digest>;
  /**
   * Copies `from` to the new file `to` and answers the digest of exactly the bytes copied. `mode` is less the umask.
   * Nothing is left at `to` when it fails. With `known`, which whoever asks has of these bytes, none is computed: the
   * kernel may then copy by itself.
   *
   * @throws {FileTreeError} `FILE_EXISTS` when there is something at `to`.
   */
  copy(
    from: string,
    to: string,
    mode: number,
    options?: { readonly durable?: boolean; readonly known?: Digest },
  ): Promise<Digest>;
}
