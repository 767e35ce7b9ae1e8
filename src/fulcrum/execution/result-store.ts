import { type Digest, sha256 } from "../../base/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";
import { type Clock, type FileTree, FileTreeError, type Log } from "../../ports/index.ts";
import { reapi } from "../../protocol/index.ts";
import type { ActionResults } from "../services/index.ts";
import type { CallContext } from "../wire/index.ts";
import { outcomeText } from "./result-intake.ts";
import { RETENTION, ResultSweep, type Retention, USE_WRITTEN_EVERY_MS } from "./result-retention.ts";
import type { RnodeTrust } from "./rnode-trust.ts";

export interface ResultStoreOptions {
  readonly files: FileTree;
  readonly clock: Clock;
  readonly log: Log;
  /** Of its own; may be deleted while nobody leads. */
  readonly directory: string;
  readonly trust: RnodeTrust;
  /** As the leader's: results in another default image are others. */
  readonly defaultImage?: string | undefined;
  /** Whether results are kept that clients bring and nobody signed. */
  readonly takesUnsigned: boolean;
  /** Absent: `RETENTION`. */
  readonly retention?: Partial<Retention> | undefined;
}

interface Known {
  readonly result: reapi.ActionResult;
  readonly isRevoked: () => boolean;
  readonly path: string;
  /** As its file has it: once a day at most. */
  usedMs: number;
}

/** Results that were found to hold since start; a hit costs no signature. */
const REMEMBERED = 20_000;

/**
 * The leader's action cache, a file a result. No file is believed: a result counts as what is signed in it, by a key that is
 * endorsed and not revoked, about this action. So whoever can write here can lose results and not make any.
 */
export class ResultStore implements ActionResults {
  readonly #options: ResultStoreOptions;
  /** Least recently used first. */
  readonly #known = new Map<string, Known>();

  constructor(options: ResultStoreOptions) {
    this.#options = options;
  }

  async get(instance: string, action: Digest): Promise<reapi.ActionResult | undefined> {
    const key = this.#key(instance, action);
    const known = this.#known.get(key) ?? this.#read(this.#fileName(key), action);
    if (known === undefined || known.isRevoked()) return undefined;
    this.#remember(key, known);
    this.#used(known);
    return known.result;
  }

  /** Removes what has not been used for long, a part at a time. */
  sweep(): ResultSweep {
    const { files, clock, directory, retention } = this.#options;
    const directories = (["signed", "unsigned"] as const).map((folder) => `${directory}/${folder}`);
    return new ResultSweep(files, clock, directories, { ...RETENTION, ...retention });
  }

  #used(known: Known): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - known.usedMs < USE_WRITTEN_EVERY_MS) return;
    known.usedMs = nowMs;
    try {
      this.#options.files.setTimes(known.path, nowMs, nowMs);
    } catch (error) {
      // It was removed meanwhile: what is remembered of it is still true, and forgotten sooner.
      if (!(error instanceof FileTreeError)) throw error;
    }
  }

  async put(
    instance: string,
    action: Digest,
    result: reapi.ActionResult,
    context: CallContext | undefined,
  ): Promise<void> {
    const { files, log, takesUnsigned } = this.#options;
    const key = this.#key(instance, action);
    let folder: Folder = "signed";
    if (context !== undefined) {
      const belief = this.#options.trust.belief(undefined, { action, context: undefined }, result);
      if (!belief.holds) {
        if (!takesUnsigned) {
          throw new RpcError("PERMISSION_DENIED", `results of others are not taken here: ${belief.because}`);
        }
        folder = "unsigned";
      }
    }
    const name = this.#fileName(key);
    const before = this.#known.get(key) ?? this.#read(name, action);
    if (before !== undefined && outcomeText(before.result, 0) !== outcomeText(result, 0)) {
      log.warn("an action has another result than before: it is not reproducible, or an rnode lies", {
        action: action.hash,
      });
    }
    this.#known.delete(key);
    const path = this.#path(folder, name);
    files.makeDirectory(path.slice(0, path.lastIndexOf("/")), 0o700);
    files.replaceFile(path, reapi.ActionResult.encode(result).finish(), { mode: 0o600 });
  }

  #read(name: string, action: Digest): Known | undefined {
    const { trust, takesUnsigned } = this.#options;
    const signed = this.#decoded(this.#path("signed", name));
    if (signed !== undefined) {
      const belief = trust.belief(undefined, { action, context: undefined }, signed.result);
      if (belief.holds && belief.isCacheable) return { ...signed, isRevoked: belief.isRevoked };
    }
    const unsigned = takesUnsigned ? this.#decoded(this.#path("unsigned", name)) : undefined;
    return unsigned && { ...unsigned, isRevoked: () => false };
  }

  #decoded(path: string): Omit<Known, "isRevoked"> | undefined {
    const stat = this.#options.files.lstat(path);
    if (stat === undefined) return undefined;
    try {
      const result = reapi.ActionResult.decode(this.#options.files.readFile(path));
      return { result, path, usedMs: stat.mtimeMs };
    } catch {
      // Damaged, or gone since it was looked for: a miss either way.
      return undefined;
    }
  }

  #remember(key: string, known: Known): void {
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
  }

  #key(instance: string, { hash, sizeBytes }: Digest): string {
    return `${hash}/${sizeBytes} ${instance}`;
  }

  #fileName(key: string): string {
    return sha256(`${this.#options.defaultImage ?? ""}\n${key}`);
  }

  #path(folder: Folder, name: string): string {
    return `${this.#options.directory}/${folder}/${name.slice(0, 2)}/${name.slice(2)}`;
  }
}

type Folder = "signed" | "unsigned";
