import { compareUtf8, type Digest, digestOf, type Sha256, type WorkspacePath } from "../base/index.ts";
import { type BlobStore, BlobStoreError } from "../cache/index.ts";
import type { Fetcher, FileTree, ProcessRunner } from "../ports/index.ts";
import type { Unpacking } from "./archive.ts";
import { debianSource } from "./debian-source.ts";
import { answers, formatLock, readLock } from "./lock.ts";
import { npmSource } from "./npm-source.ts";
import {
  type LockedFile,
  type ReadySource,
  SourceError,
  type SourceLock,
  type SourceProgress,
  type SourceProvider,
  type SourceRequest,
} from "./source.ts";
import type { SourceKind, SourcePlan } from "./source-kind.ts";
import { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "./source-limits.ts";
import { type EncodeTree, type SourceTree, treeNode } from "./source-tree.ts";
import { differences, looksUntouched, markOf, readMark, standUp, writeMark } from "./standing-tree.ts";
import { urlSource } from "./url-source.ts";

export interface SourceProviderOptions {
  readonly fs: FileTree;
  readonly fetcher: Fetcher;
  readonly blobs: BlobStore;
  readonly runner: ProcessRunner;
  /** Absolute; `begat.lock` stands in it. */
  readonly workspace: string;
  /** `encodeTree` of the protocol room. */
  readonly encodeTree: EncodeTree;
  /** What apt, npm and xz of this machine run with: the environment of the user. */
  readonly environment: Readonly<Record<string, string>>;
  /** Fetch nothing; what would have been fetched is an error that names it. */
  readonly offline?: boolean;
  readonly limits?: SourceLimits;
  /** Told before anything a person has to wait for. */
  readonly onFetching?: (progress: SourceProgress) => void;
}

const RESTORED_LIMIT = 100;
const LOSS_LIMIT = 10;

/** What can be written as `$name` in a begatfile; and `<name>.json` beside it is nobody else's. */
const SOURCE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

/** Sources in `.begat/source/`, pinned by `begat.lock`, kept in the blob store. */
export function createSourceProvider(options: SourceProviderOptions): SourceProvider {
  const { fs, blobs, workspace } = options;
  const lockPath = `${workspace}/begat.lock`;
  const scratch = `${workspace}/.begat/tmp/source`;
  const unpacking: Unpacking = {
    runner: options.runner,
    environment: options.environment,
    cwd: workspace,
    blobs,
    limits: options.limits ?? DEFAULT_SOURCE_LIMITS,
  };
  const tool = { runner: options.runner, environment: options.environment };
  const kinds: Readonly<Record<SourceRequest["kind"], SourceKind>> = {
    "deb-src": debianSource(fs, tool, unpacking),
    npm: npmSource(fs, tool, unpacking),
    url: urlSource(options.fetcher, unpacking),
    git: {
      plan(request) {
        const message = `source ${request.name}: sources of kind git cannot be fetched`;
        throw new SourceError("SOURCE_KIND_UNSUPPORTED", message, { hint: "kinds deb-src, npm and url can be" });
      },
    },
  };

  async function provideOne(request: SourceRequest, signal: AbortSignal): Promise<ReadySource> {
    if (!SOURCE_NAME.test(request.name)) {
      throw new SourceError("SOURCE_MALFORMED", `${JSON.stringify(request.name)} cannot name a source`);
    }
    const plan = kinds[request.kind].plan(request);
    const pinned = readLock(fs, lockPath).sources.get(request.name);
    const locked = pinned !== undefined && answers(pinned, request, plan.words) ? pinned : undefined;
    if (locked !== undefined) {
      const mark = readMark(fs, markPath(request.name));
      if (mark?.tree === locked.tree && looksUntouched(fs, standingPath(request.name), mark)) {
        return ready(locked, { ingested: false, lockChanged: false, restored: [] });
      }
      return restore(locked, plan, signal);
    }
    const { version, files } = await fetchFiles(request, plan, undefined, signal);
    const lock = await afterLosses(async () => {
      const tree = await plan.unpack(version, files, readBlob, signal);
      const digest = keepTree(tree);
      const made = { name: request.name, kind: request.kind, words: plan.words, version, files, tree: digest };
      await replaceStanding(made, tree);
      return made;
    });
    const whole = readLock(fs, lockPath);
    const sources = new Map(whole.sources).set(lock.name, lock);
    fs.replaceFile(lockPath, formatLock({ ...whole, sources }), { mode: 0o644, durable: true });
    return ready(lock, { ingested: true, lockChanged: true, restored: [] });
  }

  /** Makes a pinned source stand as the lock says, from the store where it can be. */
  function restore(locked: SourceLock, plan: SourcePlan, signal: AbortSignal): Promise<ReadySource> {
    return afterLosses(async () => {
      const fetched = !locked.files.every(isKept);
      if (fetched) await fetchFiles(locked, plan, locked, signal);
      const tree = await plan.unpack(locked.version, locked.files, readBlob, signal);
      const digest = keepTree(tree);
      if (digest !== locked.tree) {
        const message = `source ${locked.name} unpacks to tree ${digest}, begat.lock says ${locked.tree}`;
        throw new SourceError("SOURCE_DIGEST_MISMATCH", message, { hint: tamperHint(locked) });
      }
      const directory = standingPath(locked.name);
      const missing = fs.lstat(directory) === undefined;
      const changed = missing ? [] : differences(fs, tree.root, directory);
      if (missing || changed.length > 0) await replaceStanding(locked, tree);
      else writeMark(fs, markPath(locked.name), markOf(fs, tree.root, locked.tree, directory));
      const restored = changed.slice(0, RESTORED_LIMIT);
      return ready(locked, { ingested: fetched || missing, lockChanged: false, restored });
    });
  }

  /**
   * Does `step` again when a blob was lost under it: evicted by another process, or corrupt and set aside just now.
   * Each round finds at least one, and what is fetched and unpacked again is written again.
   */
  async function afterLosses<T>(step: () => Promise<T>): Promise<T> {
    for (let round = 1; ; round++) {
      try {
        return await step();
      } catch (error) {
        if (!isLoss(error) || round === LOSS_LIMIT) throw error;
      }
    }
  }

  async function fetchFiles(
    request: SourceRequest,
    plan: SourcePlan,
    locked: SourceLock | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly files: readonly LockedFile[] }> {
    if (options.offline === true && plan.remote) {
      const total = locked?.files.reduce((sum, file) => sum + file.sizeBytes, 0);
      const size =
        locked === undefined ? "" : ` (version ${locked.version}, ${locked.files.length} files, ${total} bytes)`;
      const message = `source ${request.name} would have to be fetched: ${plan.what}${size}`;
      throw new SourceError("SOURCE_UNREACHABLE", message, { hint: "build once without --offline" });
    }
    options.onFetching?.({ name: request.name, what: plan.what });
    const place = `${scratch}/${request.name}.fetch`;
    fs.remove(place);
    fs.makeDirectory(place, 0o755);
    try {
      const fetched = await plan.fetch(locked, place, signal);
      const files = fetched.files.map(({ name, bytes }) => {
        const { hash, sizeBytes } = digestOf(bytes);
        return { name, sha256: hash, sizeBytes };
      });
      if (locked !== undefined) checkAgainst(locked, files);
      // Nothing enters the store before the lock agreed to it.
      for (const { bytes } of fetched.files) blobs.write(bytes);
      return { version: fetched.version, files: files.sort((a, b) => compareUtf8(a.name, b.name)) };
    } finally {
      fs.remove(place);
    }
  }

  async function replaceStanding(lock: SourceLock, tree: SourceTree): Promise<void> {
    const directory = standingPath(lock.name);
    const place = `${scratch}/${lock.name}.tree`;
    fs.remove(place);
    fs.makeDirectory(`${workspace}/.begat/source`, 0o755);
    fs.remove(markPath(lock.name));
    fs.remove(directory);
    try {
      await standUp(fs, blobs, tree.root, directory, place);
    } finally {
      fs.remove(place);
    }
    writeMark(fs, markPath(lock.name), markOf(fs, tree.root, lock.tree, directory));
  }

  /** Checks the links of a finished tree and keeps its REAPI Tree message; its files are kept already. */
  function keepTree(tree: SourceTree): Sha256 {
    tree.checkLinks();
    const { bytes, digest } = options.encodeTree(treeNode(tree.root));
    blobs.write(bytes, digest);
    return digest.hash;
  }

  function isKept(file: LockedFile): boolean {
    if (!blobs.has(blobOf(file))) return false;
    try {
      blobs.read(blobOf(file));
      return true;
    } catch (error) {
      if (isLoss(error)) return false;
      throw error;
    }
  }

  function readBlob(file: LockedFile): Uint8Array {
    return blobs.read(blobOf(file));
  }

  function standingPath(name: string): string {
    return `${workspace}/.begat/source/${name}`;
  }

  function markPath(name: string): string {
    return `${workspace}/.begat/source/${name}.json`;
  }

  return {
    async provide(requests, signal) {
      const provided: ReadySource[] = [];
      for (const request of requests) {
        signal.throwIfAborted();
        provided.push(await provideOne(request, signal));
      }
      return provided;
    },

    async verifySource(name, signal) {
      const locked = readLock(fs, lockPath).sources.get(name);
      if (locked === undefined) {
        throw new SourceError("LOCK_ENTRY_MISSING", `begat.lock has no source ${JSON.stringify(name)}`);
      }
      return restore(locked, kinds[locked.kind].plan(locked), signal);
    },
  };
}

function ready(lock: SourceLock, how: Pick<ReadySource, "ingested" | "lockChanged" | "restored">): ReadySource {
  return { lock, directory: `.begat/source/${lock.name}` as WorkspacePath, ...how };
}

function isLoss(error: unknown): boolean {
  return error instanceof BlobStoreError && (error.code === "BLOB_MISSING" || error.code === "BLOB_CORRUPT");
}

function blobOf(file: LockedFile): Digest {
  return { hash: file.sha256, sizeBytes: file.sizeBytes };
}

/** @throws {SourceError} `SOURCE_DIGEST_MISMATCH` unless exactly the pinned files came. */
function checkAgainst(locked: SourceLock, files: readonly LockedFile[]): void {
  for (const pinned of locked.files) {
    const found = files.find(({ name }) => name === pinned.name);
    if (found?.sha256 === pinned.sha256 && found.sizeBytes === pinned.sizeBytes) continue;
    const what = found === undefined ? "did not come" : `has digest ${found.sha256} (${found.sizeBytes} bytes)`;
    const message = `source ${locked.name}: ${pinned.name} ${what}, begat.lock says ${pinned.sha256} (${pinned.sizeBytes} bytes)`;
    throw new SourceError("SOURCE_DIGEST_MISMATCH", message, { hint: tamperHint(locked) });
  }
  const other = files.find(({ name }) => !locked.files.some((pinned) => pinned.name === name));
  if (other === undefined) return;
  const message = `source ${locked.name}: ${other.name} came with digest ${other.sha256}, begat.lock has no such file`;
  throw new SourceError("SOURCE_DIGEST_MISMATCH", message, { hint: tamperHint(locked) });
}

function tamperHint(locked: SourceLock): string {
  return `if the change is meant, remove the entry ${JSON.stringify(locked.name)} from begat.lock to pin it anew`;
}
