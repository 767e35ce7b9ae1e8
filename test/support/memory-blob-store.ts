import { dirname } from "node:path/posix";
import { type Digest, digestOf, EMPTY_DIGEST, type Sha256 } from "../../src/base/index.ts";
import { type BlobStore, BlobStoreError, type Materialisation, type QuarantinedBlob } from "../../src/cache/index.ts";
import { type FileTree, FileTreeError } from "../../src/ports/index.ts";
import { MemoryFileTree } from "./memory-file-tree.ts";

/** A blob store in memory. Files come from and go to `fs`; `pathOf` writes below `/blobs` there. */
export class MemoryBlobStore implements BlobStore {
  readonly quarantined: QuarantinedBlob[] = [];
  /** Everything used since start, in the order of its last use. */
  readonly used = new Set<Sha256>();
  /** Bytes it may hold. */
  capacityBytes = Number.POSITIVE_INFINITY;
  readonly #fs: FileTree;
  readonly #blobs: Map<Sha256, Buffer>;
  readonly #verified = new Set<Sha256>();

  constructor(fs: FileTree = new MemoryFileTree(), blobs = new Map<Sha256, Buffer>()) {
    this.#fs = fs;
    this.#blobs = blobs;
  }

  /** The same blobs as a process sees them that was started just now: nothing is verified. */
  again(): MemoryBlobStore {
    return new MemoryBlobStore(this.#fs, this.#blobs);
  }

  /** Loses the blob, as a collector does. */
  evict(hash: Sha256): void {
    this.#blobs.delete(hash);
  }

  /** Damages the blob on its disk, and forgets that it was verified, as a new process would. */
  corrupt(hash: Sha256, bytes: Uint8Array): void {
    this.#blobs.set(hash, Buffer.from(bytes));
    this.#verified.delete(hash);
  }

  has(digest: Digest): boolean {
    if (isEmpty(digest)) return true;
    if (this.#blobs.get(digest.hash)?.length !== digest.sizeBytes) return false;
    this.touch(digest.hash);
    return true;
  }

  read(digest: Digest): Buffer {
    if (isEmpty(digest)) return Buffer.alloc(0);
    const { hash, sizeBytes } = digest;
    const bytes = this.#blobs.get(hash);
    if (bytes === undefined) {
      throw new BlobStoreError("BLOB_MISSING", `blob ${hash} of ${sizeBytes} bytes is not in the store`);
    }
    const found = digestOf(bytes);
    if (!this.#verified.has(hash) && found.hash !== hash) {
      this.#blobs.delete(hash);
      this.quarantined.push({ digest, found: found.hash, movedTo: `memory:${hash}` });
      throw new BlobStoreError("BLOB_CORRUPT", `blob ${hash} of ${sizeBytes} bytes is corrupt in the store`);
    }
    this.#verified.add(hash);
    if (bytes.length !== sizeBytes) {
      throw new BlobStoreError("BLOB_MISMATCH", `blob ${hash} has ${bytes.length} bytes, not ${sizeBytes}`);
    }
    this.touch(hash);
    return Buffer.from(bytes);
  }

  write(bytes: Uint8Array, known?: Digest): Digest {
    const digest = known ?? digestOf(bytes);
    if (this.has(digest)) return digest;
    let stored = 0;
    for (const blob of this.#blobs.values()) stored += blob.length;
    if (stored + bytes.length > this.capacityBytes) {
      throw new BlobStoreError("BLOB_STORE_FULL", `cannot store a blob of ${bytes.length} bytes: no room left`);
    }
    this.#blobs.set(digest.hash, Buffer.from(bytes));
    this.touch(digest.hash);
    return digest;
  }

  async ingest(path: string, options: { readonly take: boolean }): Promise<Digest> {
    const stat = options.take ? this.#fs.lstat(path) : this.#fs.stat(path);
    if (stat === undefined) throw new FileTreeError("FILE_NOT_FOUND", `${path} does not exist`);
    if (stat.kind === "directory") throw new FileTreeError("FILE_IS_DIRECTORY", `${path} is a directory`);
    if (stat.kind !== "file") throw new FileTreeError("FILE_IO", `${path} is no regular file`);
    const digest = this.write(this.#fs.readFile(path));
    if (options.take) this.#fs.remove(path);
    return digest;
  }

  async materialise(files: readonly Materialisation[]): Promise<void> {
    for (const { digest, path, executable } of files) {
      this.#fs.replaceFile(path, this.read(digest), { mode: executable ? 0o755 : 0o644 });
    }
  }

  async pathOf(digest: Digest): Promise<string> {
    const path = `/blobs/${digest.hash}`;
    const bytes = this.read(digest);
    this.#fs.makeDirectory(dirname(path));
    if (this.#fs.stat(path) === undefined) this.#fs.writeFile(path, bytes, { mode: 0o444 });
    return path;
  }

  touch(hash: Sha256): void {
    this.used.delete(hash);
    this.used.add(hash);
  }

  flush(): void {}
}

function isEmpty(digest: Digest): boolean {
  return digest.sizeBytes === 0 && digest.hash === EMPTY_DIGEST.hash;
}
