import { createHash } from "node:crypto";
import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  openSync,
  promises,
  readSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { sha256, type WorkspacePath } from "../../base/index.ts";
import { type BlobStore, BlobStoreError } from "../../cache/index.ts";
import { type ExecutionRequest, ExecutorError, type FileSignature, type InputFile } from "../executor.ts";
import { LARGE_FILE_BYTES } from "../limits.ts";
import { readSignature, sameSignature } from "./file-signature.ts";
import type { VerifiedContents } from "./verified-contents.ts";

/** A large input that the sandbox sees in its own place, read-only. */
export interface BoundInput {
  readonly input: InputFile;
  /** Absolute: the file itself, and the same as the sandbox's maker reaches it. */
  readonly source: string;
  readonly bindFrom: string;
  readonly signature: FileSignature;
}

export interface StagedInputs {
  readonly bound: readonly BoundInput[];
  /** Every directory and file that was staged, from the build root; what else is there afterwards was made. */
  readonly paths: ReadonlySet<string>;
}

export interface StagingPlace {
  /** Absolute. Exists and is empty. */
  readonly buildRoot: string;
  /** Owner of the directories, where it is not begat's own user. */
  readonly uid: number | undefined;
  /** Where a large file can be bound from, if it can be reached in the sandbox at all. */
  readonly bindSource: ((file: string) => string | undefined) | undefined;
  /** The last input first: another order for whoever reads a directory on a tmpfs. */
  readonly isReversed?: boolean;
}

/** All staged files and links have this time: a recipe must not see when it is run. */
export const STAGED_SECONDS = 1;
/** bubblewrap reads the mount table once per mount: beyond some dozens, copying is quicker. */
const MOST_BINDS = 64;
/** Staged between two looks at the event loop; about 5 ms. */
const FILES_AT_ONCE = 200;

/** Puts the input root of a request into a slot, each file verified against its digest. */
export class InputStager {
  readonly #blobs: BlobStore;
  readonly #contents: VerifiedContents;
  /** With a umask that takes bits from 0555 the mode has to be set in a call of its own. */
  readonly #setModes = (process.umask() & 0o555) !== 0;
  /** Hashes of checkout files that came without a signature. */
  readonly #hashed = new Map<string, { readonly signature: FileSignature; readonly hash: string }>();

  constructor(blobs: BlobStore, contents: VerifiedContents) {
    this.#blobs = blobs;
    this.#contents = contents;
  }

  /** @throws {ExecutorError} `EXECUTOR_INPUT_CHANGED`, `EXECUTOR_INPUT_MISSING`, naming every such input. */
  async stage(request: ExecutionRequest, place: StagingPlace, signal: AbortSignal): Promise<StagedInputs> {
    const paths = new Set<string>();
    const bound: BoundInput[] = [];
    const missing: WorkspacePath[] = [];
    const changed: WorkspacePath[] = [];
    this.#makeDirectory(request.directory, place, paths);
    // Sorted, as they come: on a tmpfs the order of making is the order of reading.
    let count = 0;
    for (const input of place.isReversed ? [...request.inputs].reverse() : request.inputs) {
      if (++count % FILES_AT_ONCE === 0) {
        await new Promise(setImmediate);
        if (signal.aborted) throw new ExecutorError("EXECUTOR_CANCELLED", `${request.label} was cancelled`);
      }
      const slash = input.path.lastIndexOf("/");
      if (slash > 0) this.#makeDirectory(input.path.slice(0, slash), place, paths);
      paths.add(input.path);
      const to = `${place.buildRoot}/${input.path}`;
      const found =
        input.digest.sizeBytes < LARGE_FILE_BYTES || "bytes" in input.from
          ? this.#stageSmall(input, to)
          : await this.#stageLarge(input, to, place, bound);
      if (found === "missing") missing.push(input.path);
      else if (found === "changed") changed.push(input.path);
    }
    if (missing.length > 0) throw inputError("EXECUTOR_INPUT_MISSING", "missing", missing);
    if (changed.length > 0) throw inputError("EXECUTOR_INPUT_CHANGED", "changed after it was hashed", changed);
    for (const directory of request.emptyDirectories) this.#makeDirectory(directory, place, paths);
    for (const output of request.outputs) {
      const slash = output.path.lastIndexOf("/");
      if (slash > 0) this.#makeDirectory(output.path.slice(0, slash), place, paths);
    }
    // Last, so that nothing above was written through a link.
    for (const link of request.links) {
      const slash = link.path.lastIndexOf("/");
      if (slash > 0) this.#makeDirectory(link.path.slice(0, slash), place, paths);
      const to = `${place.buildRoot}/${link.path}`;
      symlinkSync(link.target, to);
      lutimesSync(to, STAGED_SECONDS, STAGED_SECONDS);
      paths.add(link.path);
    }
    return { bound, paths };
  }

  /** After the run: a file that was bound must still be the one that was hashed. */
  checkBound(bound: readonly BoundInput[]): void {
    const changed = bound.filter(({ source, signature }) => !sameSignature(readSignature(source), signature));
    if (changed.length > 0) {
      throw inputError(
        "EXECUTOR_INPUT_CHANGED",
        "changed while it was used",
        changed.map(({ input }) => input.path),
      );
    }
  }

  #makeDirectory(path: string, place: StagingPlace, paths: Set<string>): void {
    if (path === "" || paths.has(path)) return;
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.#makeDirectory(path.slice(0, slash), place, paths);
    const directory = `${place.buildRoot}/${path}`;
    mkdirSync(directory, 0o755);
    if (place.uid !== undefined) chownSync(directory, place.uid, place.uid);
    paths.add(path);
  }

  #stageSmall(input: InputFile, to: string): "ok" | "missing" | "changed" {
    let bytes: Uint8Array | undefined;
    if ("bytes" in input.from) {
      bytes = input.from.bytes;
    } else {
      bytes = this.#contents.get(input.digest);
      if (bytes === undefined) {
        const read = "file" in input.from ? readSmall(input.from.file, input) : this.#readBlob(input);
        if (typeof read === "string") return read;
        this.#contents.set(input.digest, read);
        bytes = read;
      }
    }
    const mode = input.executable ? 0o555 : 0o444;
    const fd = openSync(to, "wx", mode);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      if (this.#setModes) fchmodSync(fd, mode);
      futimesSync(fd, STAGED_SECONDS, STAGED_SECONDS);
    } finally {
      closeSync(fd);
    }
    return "ok";
  }

  #readBlob(input: InputFile): Buffer | "missing" {
    try {
      return this.#blobs.read(input.digest);
    } catch (error) {
      if (error instanceof BlobStoreError && error.code !== "BLOB_STORE_UNUSABLE") return "missing";
      throw error;
    }
  }

  async #stageLarge(
    input: InputFile,
    to: string,
    place: StagingPlace,
    bound: BoundInput[],
  ): Promise<"ok" | "missing" | "changed"> {
    const isBlob = "blob" in input.from;
    const known = "file" in input.from ? input.from.signature : undefined;
    let file: string;
    try {
      file = "file" in input.from ? input.from.file : await this.#blobs.pathOf(input.digest);
    } catch (error) {
      if (error instanceof BlobStoreError && error.code !== "BLOB_STORE_UNUSABLE") return "missing";
      throw error;
    }
    const before = readSignature(file);
    if (before === undefined) return "missing";
    if (before.sizeBytes !== input.digest.sizeBytes) return "changed";
    // A blob was verified by its store, a file with a signature by whoever hashed it.
    if (known !== undefined && !sameSignature(before, known)) return "changed";
    if (!isBlob && known === undefined && (await this.#hashOf(file, before)) !== input.digest.hash) return "changed";
    const bindFrom = bound.length < MOST_BINDS ? place.bindSource?.(file) : undefined;
    // A store keeps its blobs without execute permission, and a bind cannot add it.
    if (bindFrom !== undefined && !(isBlob && input.executable)) {
      closeSync(openSync(to, "wx", 0o444));
      bound.push({ input, source: file, bindFrom, signature: before });
      return "ok";
    }
    await promises.copyFile(file, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await promises.chmod(to, input.executable ? 0o555 : 0o444);
    await promises.utimes(to, STAGED_SECONDS, STAGED_SECONDS);
    return sameSignature(readSignature(file), before) ? "ok" : "changed";
  }

  async #hashOf(file: string, signature: FileSignature): Promise<string> {
    const seen = this.#hashed.get(file);
    if (seen !== undefined && sameSignature(seen.signature, signature)) return seen.hash;
    const hash = createHash("sha256");
    const handle = await promises.open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.allocUnsafe(1024 * 1024);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
    const hex = hash.digest("hex");
    this.#hashed.set(file, { signature, hash: hex });
    return hex;
  }
}

/** Reads a file that should be as its digest says. Never waits: a FIFO in its place reads as empty. */
function readSmall(file: string, input: InputFile): Buffer | "missing" | "changed" {
  const { sizeBytes, hash } = input.digest;
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === "ENOENT" || code === "ENOTDIR" || code === "EACCES" || code === "ELOOP" ? "missing" : "changed";
  }
  try {
    const buffer = Buffer.allocUnsafe(sizeBytes + 1);
    let size = 0;
    for (;;) {
      const count = readSync(fd, buffer, size, buffer.length - size, null);
      size += count;
      if (count === 0 || size > sizeBytes) break;
    }
    const bytes = buffer.subarray(0, size);
    return size === sizeBytes && sha256(bytes) === hash ? bytes : "changed";
  } catch {
    return "changed";
  } finally {
    closeSync(fd);
  }
}

function inputError(code: "EXECUTOR_INPUT_MISSING" | "EXECUTOR_INPUT_CHANGED", what: string, inputs: WorkspacePath[]) {
  const shown = inputs.slice(0, 5).join(", ") + (inputs.length > 5 ? ` and ${inputs.length - 5} more` : "");
  return new ExecutorError(code, `${inputs.length === 1 ? "input" : "inputs"} ${what}: ${shown}`, { inputs });
}
