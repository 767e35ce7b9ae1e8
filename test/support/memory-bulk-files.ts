import { type Digest, digestOf } from "../../src/base/index.ts";
import type { BulkFiles } from "../../src/cache/index.ts";
import { type FileTree, FileTreeError } from "../../src/ports/index.ts";

/** Hashes and copies on a file tree, in its own turn of the event loop as a worker's answer would come. */
export class MemoryBulkFiles implements BulkFiles {
  readonly #fs: FileTree;

  constructor(fs: FileTree) {
    this.#fs = fs;
  }

  async hash(path: string, options: { readonly seal?: boolean } = {}): Promise<Digest> {
    await Promise.resolve();
    if (options.seal) {
      if (this.#fs.lstat(path)?.kind === "symlink") throw new FileTreeError("FILE_IO", `cannot hash ${path}`);
      this.#fs.setMode(path, 0o444);
    }
    return digestOf(this.#fs.readFile(path));
  }

  async copy(from: string, to: string, mode: number): Promise<Digest> {
    await Promise.resolve();
    const bytes = this.#fs.readFile(from);
    try {
      this.#fs.writeFile(to, bytes, { mode, exclusive: true });
    } catch (cause) {
      if (!(cause instanceof FileTreeError && cause.code === "FILE_EXISTS")) this.#fs.remove(to);
      throw cause;
    }
    return digestOf(bytes);
  }
}
