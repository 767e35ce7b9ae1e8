import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { Clock, Log } from "../../ports/index.ts";
import {
  type Appended,
  type BuildEndBody,
  type Entry,
  type Ledger,
  type ManifestBlob,
  planRoot,
} from "../../provenance/index.ts";
import type { AssignedAction } from "./assigned-action.ts";
import type { Outcome } from "./outcome.ts";
import type { SignedTravail } from "./travail.ts";

export interface MemoirOptions {
  readonly ledger: Ledger;
  readonly blobs: Pick<BlobStore, "read">;
  readonly clock: Clock;
  readonly log: Log;
  readonly who: string;
  /** Tells the builds of this process from those of all others. */
  readonly bootId: string;
}

interface Written {
  readonly lease: string;
  readonly signed: SignedTravail;
  readonly manifests: readonly ManifestBlob[];
}

/**
 * What is written together, milliseconds: the end of a build has the ledger sign and sync what it says of itself, 40 ms of
 * waiting disk that no chore of a fraction of that should have to itself.
 */
const TOGETHER_MS = 3_000;
/** At most; with more the record of one build would grow long. */
const MOST_TOGETHER = 256;

/**
 * The rnode's own ledger: an account of everything it executed, whoever else has one. What is executed within three seconds is a build;
 * the names that were signed stand in `from`.
 */
export class Memoir {
  readonly ledger: Ledger;
  readonly #options: MemoirOptions;
  #pending: Written[] = [];
  #builds = 0;
  /** Each writes when the one before it has. */
  #last: Promise<void> = Promise.resolve();
  #timer: AbortController | undefined;

  constructor(options: MemoirOptions) {
    this.ledger = options.ledger;
    this.#options = options;
  }

  /** Nobody waits for it: the client's ledger has the execution too, and a slot is worth more than a sync. */
  write(signed: SignedTravail, lease: string, action: AssignedAction, outcome: Outcome): void {
    this.#pending.push({ lease, signed, manifests: [...action.manifests, ...this.#trees(outcome)] });
    if (this.#pending.length >= MOST_TOGETHER) void this.flush();
    else this.#timer ??= this.#flushLater();
  }

  /** Resolves when what was written so far is durable. */
  flush(): Promise<void> {
    this.#timer?.abort();
    this.#timer = undefined;
    const batch = this.#pending.splice(0);
    if (batch.length > 0) {
      this.#last = this.#last
        .then(() => this.#writeBuild(batch))
        .catch((error: unknown) => {
          const because = String(error);
          this.#options.log.warn("executions are not in the memoir", { executions: batch.length, because });
        });
    }
    return this.#last;
  }

  #flushLater(): AbortController {
    const timer = new AbortController();
    this.#options.clock.sleep(TOGETHER_MS, timer.signal).then(
      () => this.flush(),
      () => {},
    );
    return timer;
  }

  async #writeBuild(batch: readonly Written[]): Promise<void> {
    const { ledger, who, bootId } = this.#options;
    const build = `${bootId}-${++this.#builds}`;
    // The books of a build count chores, each by the last record of it.
    const ends = new Map(batch.map(({ signed }) => [signed.body.chore, signed.body.kind]));
    const begin: Entry = {
      body: {
        kind: "build.begin",
        build,
        goal: batch.map(({ lease }) => lease),
        plan: { n: ends.size, root: planRoot([...ends.keys()]) },
        vars: {},
        who,
      },
      manifests: [],
    };
    const entries = batch.map(({ signed, manifests }): Entry => {
      const { log, build: signedBuild, chore, dictum, attempt } = signed.names;
      return { body: { ...signed.body, build, from: { log, build: signedBuild, chore, dictum, attempt } }, manifests };
    });
    const writing = ledger.append([begin, ...entries]);
    ledger.flush().catch(() => {});
    const [first] = await writing;
    const fail = [...ends.values()].filter((kind) => kind === "fail").length;
    const end: BuildEndBody = {
      kind: "build.end",
      build,
      begin: (first as Appended).seq,
      n: { exec: ends.size - fail, hit: 0, fail, skip: 0, settled: 0 },
      outcome: fail > 0 ? "failed" : "ok",
      artifacts: [],
    };
    const ending = ledger.append([{ body: end, manifests: [] }]);
    ledger.flush().catch(() => {});
    await ending;
  }

  /** The list of files of a tree must outlive the cache: without it the record could not be verified. */
  #trees(outcome: Outcome): ManifestBlob[] {
    const manifestOf = (digest: Digest): ManifestBlob => ({
      hash: digest.hash,
      bytes: this.#options.blobs.read(digest),
    });
    return outcome.outputs
      .filter(({ kind, digest }) => kind === "tree" && digest.sizeBytes > 0)
      .map(({ digest }) => manifestOf(digest));
  }
}
