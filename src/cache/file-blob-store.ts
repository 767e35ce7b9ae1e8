import { type Digest, digestOf, EMPTY_DIGEST, type Sha256, sha256 } from "../base/index.ts";
import { type FileTree, FileTreeError, STAT_NUMBERS } from "../ports/index.ts";
import { BlobFiles, type BlobFilesOptions, isNotFound } from "./blob-files.ts";
import type { BlobIndex } from "./blob-index.ts";
import { type BlobStore, BlobStoreError, type Materialisation, type QuarantinedBlob } from "./blob-store.ts";
import { type BulkFiles, LARGE_FILE_BYTES } from "./bulk-files.ts";
import type { CacheLayout } from "./cache-layout.ts";
import { CheckoutWriter } from "./checkout-writer.ts";
import { storeFailure } from "./store-failure.ts";

export interface FileBlobStoreOptions extends BlobFilesOptions {
  readonly bulk: BulkFiles;
  /** Where files on their way into the checkout are written first, on the checkout's device; made when needed. */
  readonly checkoutTmp?: string;
  /** Syncs every blob before it becomes visible. Blobs are verified and disposable, so by default none is. */
  readonly durable?: boolean;
  /** From how many bytes on a file is copied and hashed by `bulk`; `LARGE_FILE_BYTES` unless something else is tried. */
  readonly largeFileBytes?: number;
  /** Told of each blob set aside, at once. */
  readonly onQuarantine?: (blob: QuarantinedBlob) => void;
}

/** How many uses wait in memory before they are written to the index. */
const TOUCHES_KEPT = 256;

/** Blobs as files: `<cacheHome>/cas/ab/cdef...`, mode 0444, visible by rename only. */
export class FileBlobStore implements BlobStore {
  readonly layout: CacheLayout;
  readonly quarantined: QuarantinedBlob[] = [];
  readonly #fs: FileTree;
  readonly #bulk: BulkFiles;
  readonly #files: BlobFiles;
  readonly #checkout: CheckoutWriter;
  readonly #durable: boolean;
  readonly #largeFileBytes: number;
  readonly #onQuarantine: ((blob: QuarantinedBlob) => void) | undefined;
  readonly #verified = new Set<Sha256>();
  /** Large blobs that were hashed on their way in and not written out since: what `stat` said of each when it stood. */
  readonly #settled = new Map<Sha256, Float64Array>();
  readonly #verifying = new Map<Sha256, Promise<void>>();
  readonly #touched = new Map<Sha256, number | undefined>();
  #index: BlobIndex | undefined;

  constructor(options: FileBlobStoreOptions) {
    this.#fs = options.fs;
    this.#bulk = options.bulk;
    this.#files = new BlobFiles(options);
    this.layout = this.#files.layout;
    this.#checkout = new CheckoutWriter(options.fs, options.checkoutTmp, () => this.#files.temporaryName());
    this.#durable = options.durable ?? false;
    this.#largeFileBytes = options.largeFileBytes ?? LARGE_FILE_BYTES;
    this.#onQuarantine = options.onQuarantine;
  }

  /** From now on uses are written to `index`; until then they are kept in memory. */
  attachIndex(index: BlobIndex): void {
    this.#index = index;
  }

  has(digest: Digest): boolean {
    if (isEmpty(digest)) return true;
    if (this.#files.sizeOf(digest.hash) !== digest.sizeBytes) return false;
    this.#touch(digest.hash, digest.sizeBytes);
    return true;
  }

  read(digest: Digest): Buffer {
    if (isEmpty(digest)) return Buffer.alloc(0);
    const bytes = this.#files.read(digest.hash);
    if (bytes === undefined) throw missing(digest);
    if (!this.#verified.has(digest.hash) || bytes.length !== digest.sizeBytes) {
      this.#accept(digest, { hash: sha256(bytes), sizeBytes: bytes.length });
    }
    this.#touch(digest.hash, digest.sizeBytes);
    return bytes;
  }

  write(bytes: Uint8Array, known?: Digest): Digest {
    const digest = known ?? digestOf(bytes);
    if (isEmpty(digest)) return digest;
    if (this.#files.stands(digest.hash, digest.sizeBytes)) {
      this.#touch(digest.hash, digest.sizeBytes);
      return digest;
    }
    this.#files.write(digest.hash, bytes, this.#durable);
    this.#touch(digest.hash, digest.sizeBytes);
    return digest;
  }

  async ingest(path: string, options: { readonly take: boolean }): Promise<Digest> {
    const stat = options.take ? this.#fs.lstat(path) : this.#fs.stat(path);
    if (stat === undefined) throw new FileTreeError("FILE_NOT_FOUND", `${path} does not exist`);
    if (stat.kind === "directory") throw new FileTreeError("FILE_IS_DIRECTORY", `${path} is a directory`);
    if (stat.kind !== "file") throw new FileTreeError("FILE_IO", `${path} is no regular file`);
    let digest: Digest | undefined;
    // A small file is written anew rather than moved: that costs less than making another user's file ours.
    if (stat.sizeBytes < this.#largeFileBytes) digest = this.write(this.#fs.readFile(path));
    else if (options.take && stat.linkCount === 1) digest = await this.#moveIn(path);
    digest ??= await this.#copyIn(path, stat.sizeBytes);
    if (options.take) this.#fs.remove(path);
    return digest;
  }

  async materialise(files: readonly Materialisation[]): Promise<void> {
    const large = files.filter((file) => file.digest.sizeBytes >= this.#largeFileBytes);
    // The large ones are copied in their threads while the small ones are written here.
    const copies = large.map((file) => this.#copyOut(file));
    let failure: { readonly cause: unknown } | undefined;
    try {
      for (const file of files) if (file.digest.sizeBytes < this.#largeFileBytes) this.#writeOut(file);
    } catch (cause) {
      failure = { cause };
    }
    for (const outcome of await Promise.allSettled(copies)) {
      if (outcome.status === "rejected") failure ??= { cause: outcome.reason };
    }
    if (failure !== undefined) throw failure.cause;
  }

  async pathOf(digest: Digest): Promise<string> {
    const { hash, sizeBytes } = digest;
    if (isEmpty(digest)) {
      if (this.#files.sizeOf(hash) === undefined) this.#files.write(hash, new Uint8Array(0), this.#durable);
    } else if (!this.#verified.has(hash) || !this.has(digest)) {
      if (sizeBytes < this.#largeFileBytes) this.read(digest);
      else await this.#verifyLarge(digest);
    }
    return this.layout.blob(hash);
  }

  /** A name of the store's own for a file that `adopt` is to make a blob of. */
  temporaryFile(): string {
    const path = this.#files.temporary();
    this.#files.inDirectory(path, "store a blob", () => this.#fs.makeDirectory(this.layout.tmp));
    return path;
  }

  /** Makes the finished file at `temporary` the blob of `digest`, which the caller has found to be its bytes' own. */
  adopt(temporary: string, digest: Digest): void {
    this.#settle(temporary, digest, `store a blob of ${digest.sizeBytes} bytes`);
  }

  /** Removes such a file. */
  discard(temporary: string): void {
    this.#files.discard(temporary);
  }

  touch(hash: Sha256): void {
    this.#touch(hash, undefined);
  }

  flush(): void {
    if (this.#index === undefined || this.#touched.size === 0) return;
    const uses = Array.from(this.#touched, ([hash, sizeBytes]) => ({ hash, sizeBytes }));
    this.#touched.clear();
    this.#index.recordUses(uses);
  }

  #touch(hash: Sha256, sizeBytes: number | undefined): void {
    if (sizeBytes === undefined && this.#touched.has(hash)) return;
    this.#touched.set(hash, sizeBytes);
    if (this.#touched.size >= TOUCHES_KEPT) this.flush();
  }

  /** Takes note that the blob of `digest` was found to be `found`: it is verified, or set aside. */
  #accept(digest: Digest, found: Digest): void {
    const { hash, sizeBytes } = digest;
    if (found.hash !== hash) {
      this.#verified.delete(hash);
      const blob = { digest, found: found.hash, movedTo: this.#files.setAside(hash) };
      this.quarantined.push(blob);
      this.#onQuarantine?.(blob);
      throw corrupt(digest, found, blob.movedTo);
    }
    this.#verified.add(hash);
    if (found.sizeBytes !== sizeBytes) {
      throw new BlobStoreError("BLOB_MISMATCH", `blob ${hash} has ${found.sizeBytes} bytes, not ${sizeBytes}`);
    }
  }

  async #verifyLarge(digest: Digest): Promise<void> {
    const { hash } = digest;
    let running = this.#verifying.get(hash);
    if (running === undefined) {
      running = this.#hashBlob(digest).finally(() => this.#verifying.delete(hash));
      this.#verifying.set(hash, running);
    }
    await running;
    this.#touch(hash, digest.sizeBytes);
  }

  async #hashBlob(digest: Digest): Promise<void> {
    if (this.#files.sizeOf(digest.hash) === undefined) throw missing(digest);
    const found = await this.#bulk.hash(this.layout.blob(digest.hash)).catch((cause) => this.#lost(digest, cause));
    this.#accept(digest, found);
  }

  #lost(digest: Digest, cause: unknown): never {
    throw isNotFound(cause) ? missing(digest) : storeFailure(cause, `read blob ${digest.hash}`, this.layout.home);
  }

  /** Moves a large file into the store; `undefined` when it is on another device or cannot become ours. */
  async #moveIn(path: string): Promise<Digest | undefined> {
    const temporary = this.#files.temporary();
    const doing = `store ${path}`;
    try {
      this.#files.inDirectory(temporary, doing, () => this.#fs.rename(path, temporary));
    } catch {
      return undefined;
    }
    try {
      // Under a name of our own before its bytes are hashed: nobody can put another file there.
      const digest = await this.#bulk.hash(temporary, { seal: true });
      this.#settle(temporary, digest, doing);
      return digest;
    } catch (cause) {
      this.#fs.rename(temporary, path);
      if (cause instanceof FileTreeError && cause.code === "FILE_ACCESS_DENIED") return undefined;
      throw storeFailure(cause, doing, this.layout.home);
    }
  }

  async #copyIn(path: string, sizeBytes: number): Promise<Digest> {
    const temporary = this.#files.temporary();
    const doing = `store ${path} of ${sizeBytes} bytes`;
    try {
      this.#fs.makeDirectory(this.layout.tmp);
    } catch (cause) {
      throw storeFailure(cause, doing, this.layout.home);
    }
    try {
      const digest = await this.#bulk.copy(path, temporary, 0o444, { durable: this.#durable });
      this.#settle(temporary, digest, doing);
      return digest;
    } catch (cause) {
      this.#files.discard(temporary);
      const code = cause instanceof FileTreeError ? cause.code : undefined;
      // Other failures can be the source's own, and say which file they are about.
      const ours = code === "FILE_SYSTEM_FULL" || code === "FILE_SYSTEM_READ_ONLY";
      throw ours ? storeFailure(cause, doing, this.layout.home) : cause;
    }
  }

  /** Also over a blob that is there already: that one may be corrupt, these bytes were hashed just now. */
  #settle(temporary: string, digest: Digest, doing: string): void {
    this.#files.publish(temporary, digest.hash, doing);
    this.#verified.add(digest.hash);
    if (digest.sizeBytes >= this.#largeFileBytes) this.#settled.set(digest.hash, this.#statOf(digest.hash));
    this.#touch(digest.hash, digest.sizeBytes);
  }

  #statOf(hash: Sha256): Float64Array {
    const numbers = new Float64Array(STAT_NUMBERS);
    this.#fs.statInto(this.layout.blob(hash), numbers, 0);
    return numbers;
  }

  /** Whether the blob's file is the very one that was hashed on its way in. Answers so once: later it is hashed again. */
  #isAsSettled(hash: Sha256): boolean {
    const then = this.#settled.get(hash);
    this.#settled.delete(hash);
    if (then === undefined) return false;
    const now = this.#statOf(hash);
    return then.every((number, i) => number === now[i]);
  }

  #writeOut(file: Materialisation): void {
    const bytes = this.read(file.digest);
    const mode = file.executable ? 0o755 : 0o644;
    this.#checkout.replace(file.path, (temporary) => {
      this.#fs.writeFile(temporary, bytes, { mode, exclusive: true });
    });
  }

  async #copyOut(file: Materialisation): Promise<void> {
    const { digest, path, executable } = file;
    await this.#checkout.replaceSlowly(path, async (temporary) => {
      this.#accept(digest, await this.#copyBlob(digest, temporary, executable ? 0o755 : 0o644));
    });
    this.#touch(digest.hash, digest.sizeBytes);
  }

  async #copyBlob(digest: Digest, to: string, mode: number): Promise<Digest> {
    for (let attempt = 1; ; attempt++) {
      if (this.#files.sizeOf(digest.hash) === undefined) throw missing(digest);
      try {
        const known = this.#isAsSettled(digest.hash) ? { known: digest } : {};
        return await this.#bulk.copy(this.layout.blob(digest.hash), to, mode, known);
      } catch (cause) {
        // Gone to the trash since it was looked for, from where `sizeOf` takes it back; or the target's directory is
        // what is missing, and stays so.
        if (attempt === 3 || !isNotFound(cause)) throw cause;
      }
    }
  }
}

function isEmpty(digest: Digest): boolean {
  return digest.sizeBytes === 0 && digest.hash === EMPTY_DIGEST.hash;
}

function missing(digest: Digest): BlobStoreError {
  return new BlobStoreError("BLOB_MISSING", `blob ${digest.hash} of ${digest.sizeBytes} bytes is not in the store`);
}

function corrupt(digest: Digest, found: Digest, movedTo: string): BlobStoreError {
  const is = `it has ${found.sizeBytes} bytes with digest ${found.hash} and was moved to ${movedTo}`;
  return new BlobStoreError(
    "BLOB_CORRUPT",
    `blob ${digest.hash} of ${digest.sizeBytes} bytes is corrupt in the store: ${is}`,
  );
}
