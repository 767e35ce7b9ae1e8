import { dirname } from "node:path/posix";
import type { Sha256 } from "../base/index.ts";
import { type FileTree, FileTreeError, type Random, STAT_NUMBERS } from "../ports/index.ts";
import { CacheLayout, temporaryName } from "./cache-layout.ts";
import type { ProcessTable } from "./process-table.ts";
import { storeFailure } from "./store-failure.ts";

export interface BlobFilesOptions {
  readonly fs: FileTree;
  readonly processes: ProcessTable;
  readonly random: Random;
  /** Absolute; made when the first blob is written. */
  readonly cacheHome: string;
}

/** The files of a cache home: names, temporary names, renames. Knows hashes but not whether bytes match them. */
export class BlobFiles {
  readonly layout: CacheLayout;
  readonly #fs: FileTree;
  readonly #processes: ProcessTable;
  /** Tells these temporary files from those of another store in the same process. */
  readonly #nonce: string;
  readonly #numbers = new Float64Array(STAT_NUMBERS);
  #temporaries = 0;
  #umaskHides: boolean | undefined;

  constructor(options: BlobFilesOptions) {
    this.#fs = options.fs;
    this.#processes = options.processes;
    this.layout = new CacheLayout(options.cacheHome);
    this.#nonce = Buffer.from(options.random.bytes(6)).toString("hex");
  }

  /** Size of the blob's file, bytes. Looks in the trash too, from where a blob that is wanted comes back. */
  sizeOf(hash: Sha256): number | undefined {
    const path = this.layout.blob(hash);
    if (this.#fs.statInto(path, this.#numbers, 0)) return this.#numbers[0];
    return this.#rescue(hash) && this.#fs.statInto(path, this.#numbers, 0) ? this.#numbers[0] : undefined;
  }

  /** Whether the blob's file is there and of this size; one in the trash is not looked for, since it can be written anew. */
  stands(hash: Sha256, sizeBytes: number): boolean {
    return this.#fs.statInto(this.layout.blob(hash), this.#numbers, 0) && this.#numbers[0] === sizeBytes;
  }

  /** The file's bytes, unverified; `undefined` when there is none. */
  read(hash: Sha256): Buffer | undefined {
    const path = this.layout.blob(hash);
    try {
      return this.#fs.readFile(path);
    } catch (cause) {
      if (!isNotFound(cause)) throw storeFailure(cause, `read blob ${hash}`, this.layout.home);
    }
    return this.#rescue(hash) ? this.read(hash) : undefined;
  }

  /** A name in `tmp` that nobody else uses. */
  temporary(): string {
    return `${this.layout.tmp}/${this.temporaryName()}`;
  }

  temporaryName(): string {
    return temporaryName(this.#processes.self, `${this.#nonce}-${++this.#temporaries}`);
  }

  /** Writes a temporary file of mode 0444 and makes it the blob. */
  write(hash: Sha256, bytes: Uint8Array, durable: boolean): void {
    const doing = `store a blob of ${bytes.length} bytes`;
    const temporary = this.temporary();
    const options = { mode: 0o444, exclusive: true, durable };
    try {
      this.inDirectory(temporary, doing, () => {
        if (durable) this.#fs.replaceFile(temporary, bytes, options);
        else this.#fs.writeFile(temporary, bytes, options);
      });
      this.publish(temporary, hash, doing);
    } catch (cause) {
      this.discard(temporary);
      throw cause;
    }
  }

  /** Makes a finished temporary file the blob. Over one that is there already: the bytes are the same. */
  publish(temporary: string, hash: Sha256, doing: string): void {
    this.#showToAll(temporary);
    const path = this.layout.blob(hash);
    this.inDirectory(path, doing, () => this.#fs.rename(temporary, path));
  }

  /** Moves the blob's file to the quarantine. Answers where it would be, too, when another process was quicker. */
  setAside(hash: Sha256): string {
    let movedTo = "";
    for (let n = 1; movedTo === ""; n++) {
      const candidate = `${this.layout.quarantine}/${hash}-${n}`;
      if (this.#fs.lstat(candidate) === undefined) movedTo = candidate;
    }
    try {
      this.#fs.makeDirectory(this.layout.quarantine);
      this.#fs.rename(this.layout.blob(hash), movedTo);
    } catch (cause) {
      if (!isNotFound(cause)) throw storeFailure(cause, `set corrupt blob ${hash} aside`, this.layout.home);
    }
    return movedTo;
  }

  /** Removes a temporary file if it is there; a second failure must not hide the first. */
  discard(temporary: string): void {
    try {
      this.#fs.remove(temporary);
    } catch {
      // The collector finds it by its name once this process has ended.
    }
  }

  /** Runs `action`, which makes the file `path`; makes its directory when that is what was missing. */
  inDirectory(path: string, doing: string, action: () => void): void {
    try {
      try {
        action();
      } catch (cause) {
        if (!isNotFound(cause)) throw cause;
        this.#fs.makeDirectory(dirname(path));
        action();
      }
    } catch (cause) {
      throw storeFailure(cause, doing, this.layout.home);
    }
  }

  #rescue(hash: Sha256): boolean {
    const trashed = this.layout.trashed(hash);
    if (!this.#fs.statInto(trashed, this.#numbers, 0)) return false;
    try {
      this.#fs.rename(trashed, this.layout.blob(hash));
      return true;
    } catch {
      // The collector or another reader was quicker: the blob is gone, or back already.
      return this.#fs.statInto(this.layout.blob(hash), this.#numbers, 0);
    }
  }

  /** A sandbox of another user reads blobs through bind mounts, so 0444 must hold whatever the umask is. */
  #showToAll(temporary: string): void {
    if (this.#umaskHides === undefined) {
      this.#fs.statInto(temporary, this.#numbers, 0);
      this.#umaskHides = ((this.#numbers[4] as number) & 0o777) !== 0o444;
    }
    if (this.#umaskHides) this.#fs.setMode(temporary, 0o444);
  }
}

export function isNotFound(cause: unknown): boolean {
  return cause instanceof FileTreeError && cause.code === "FILE_NOT_FOUND";
}
