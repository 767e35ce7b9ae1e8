import { codeOf, type Digest, digestOf, type Sha256, type WorkspacePath } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { type EncodedRequest, type ExecutionRequest, ExecutorError, type InputFile } from "../../executor/index.ts";
import type { FileTree } from "../../ports/index.ts";
import type { RemoteBlobs } from "../blobs/index.ts";

/** An image as its OCI blobs. */
export interface TravellingImage {
  readonly manifest: Digest;
  /** Manifest, config and layers. */
  readonly blobs: readonly Digest[];
  /** Puts one of them into the own store, from where it is sent. */
  stand(digest: Digest): Promise<void>;
}

/** A blob that travels with the execution that needs it, whether or not the endpoint has it. */
export interface Loose {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Of a source that goes along unasked, bytes: asking costs more than sending it twice. */
const LARGEST_LOOSE_SOURCE = 4 * 1024;
/** Most digests that are remembered to be there; 100 bytes each. */
const MOST_KNOWN = 1_000_000;

/**
 * Brings what executions need to an endpoint, each blob once. What was seen there is not asked for again, directories
 * included, so that of a tree that many chores share only the first one asks; `forget` takes that back when it turns out
 * to be gone.
 */
export class InputUploads {
  readonly #remote: RemoteBlobs;
  readonly #blobs: BlobStore;
  readonly #files: Pick<FileTree, "readFile">;
  readonly #known = new Set<Sha256>();
  readonly #pending = new Map<Sha256, Promise<unknown>>();

  constructor(remote: RemoteBlobs, blobs: BlobStore, files: Pick<FileTree, "readFile">) {
    this.#remote = remote;
    this.#blobs = blobs;
    this.#files = files;
  }

  /** Takes it that the endpoint has them, as it does of what it made itself. */
  know(digests: Iterable<Digest>): void {
    if (this.#known.size > MOST_KNOWN) this.#known.clear();
    for (const { hash } of digests) this.#known.add(hash);
  }

  forget(hashes: Iterable<Sha256>): void {
    for (const hash of hashes) this.#known.delete(hash);
  }

  /**
   * Makes the endpoint have all that the action names but what may go along with the execution.
   *
   * @param mostLooseBytes Of all that goes along.
   * @returns That: what is small and was not seen there. It is known to be there once the execution was answered.
   * @throws {ExecutorError} `EXECUTOR_INPUT_MISSING`, `EXECUTOR_INPUT_CHANGED` where an input that must be sent is not
   *   what it was. @throws {RpcError}
   */
  async bring(
    request: ExecutionRequest,
    encoded: EncodedRequest,
    image: TravellingImage | undefined,
    signal: AbortSignal,
    mostLooseBytes = 0,
  ): Promise<readonly Loose[]> {
    const loose = new Map<Sha256, Loose>();
    let room = mostLooseBytes;
    const mayGoAlong = ({ hash, sizeBytes }: Digest): boolean => {
      if (this.#known.has(hash) || loose.has(hash) || sizeBytes > room) return false;
      room -= sizeBytes;
      return true;
    };
    const wanted = new Map<Sha256, { readonly digest: Digest; readonly stand: () => Promise<void> | void }>();
    for (const { hash, bytes } of encoded.blobs) {
      const digest = { hash, sizeBytes: bytes.length };
      if (mayGoAlong(digest)) loose.set(hash, { digest, bytes });
      else if (!loose.has(hash) && !this.#known.has(hash))
        wanted.set(hash, { digest, stand: () => void this.#blobs.write(bytes, digest) });
    }
    for (const input of request.inputs) {
      const { digest } = input;
      const isSmall = digest.sizeBytes <= LARGEST_LOOSE_SOURCE;
      if (isSmall && mayGoAlong(digest)) loose.set(digest.hash, { digest, bytes: this.#bytesOf(input) });
      else if (!loose.has(digest.hash) && !this.#known.has(digest.hash))
        wanted.set(digest.hash, { digest, stand: () => this.#stand(input) });
    }
    for (const digest of image?.blobs ?? []) {
      if (!this.#known.has(digest.hash)) wanted.set(digest.hash, { digest, stand: () => image?.stand(digest) });
    }
    while (wanted.size > 0) {
      const others: Promise<unknown>[] = [];
      const own: Digest[] = [];
      for (const [hash, { digest }] of wanted) {
        const pending = this.#pending.get(hash);
        if (pending === undefined) own.push(digest);
        else others.push(pending);
      }
      if (own.length > 0) {
        const sending = this.#send(own, (hash) => wanted.get(hash)?.stand(), signal);
        const settled = sending.catch(() => {});
        for (const { hash } of own) this.#pending.set(hash, settled);
        try {
          await sending;
        } finally {
          for (const { hash } of own) this.#pending.delete(hash);
        }
      }
      await Promise.all(others);
      // What another one failed to bring is this one's to bring.
      for (const hash of wanted.keys()) if (this.#known.has(hash)) wanted.delete(hash);
    }
    return [...loose.values()];
  }

  async #send(
    digests: readonly Digest[],
    stand: (hash: Sha256) => Promise<void> | void,
    signal: AbortSignal,
  ): Promise<void> {
    const missing = await this.#remote.missing(digests, signal);
    for (const { hash } of missing) await stand(hash);
    await this.#remote.upload(missing, signal, missing);
    this.know(digests);
  }

  /** The bytes of a small input, found to be what it is said to be. */
  #bytesOf({ path, digest, from }: InputFile): Uint8Array {
    if ("bytes" in from) return from.bytes;
    if ("blob" in from) {
      if (!this.#blobs.has(digest)) throw missingInput(path, digest);
      return this.#blobs.read(digest);
    }
    let bytes: Buffer;
    try {
      bytes = this.#files.readFile(from.file);
    } catch (cause) {
      if (codeOf(cause) === "FILE_NOT_FOUND") throw missingInput(path, digest, cause);
      throw cause;
    }
    if (digestOf(bytes).hash === digest.hash) return bytes;
    throw changedInput(path);
  }

  /** Has the input in the own store, found to be what it is said to be. */
  async #stand({ path, digest, from }: InputFile): Promise<void> {
    if (this.#blobs.has(digest)) return;
    if ("bytes" in from) {
      this.#blobs.write(from.bytes, digest);
      return;
    }
    if ("blob" in from) throw missingInput(path, digest);
    let found: Digest;
    try {
      found = await this.#blobs.ingest(from.file, { take: false });
    } catch (cause) {
      if (codeOf(cause) === "FILE_NOT_FOUND") throw missingInput(path, digest, cause);
      throw cause;
    }
    if (found.hash === digest.hash && found.sizeBytes === digest.sizeBytes) return;
    throw changedInput(path);
  }
}

function changedInput(path: WorkspacePath): ExecutorError {
  return new ExecutorError("EXECUTOR_INPUT_CHANGED", `input ${path} changed after it was hashed`, { inputs: [path] });
}

function missingInput(path: WorkspacePath, { hash }: Digest, cause?: unknown): ExecutorError {
  return new ExecutorError("EXECUTOR_INPUT_MISSING", `input ${path} (${hash}) is nowhere to be had`, {
    cause,
    inputs: [path],
  });
}
