import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { Log } from "../../ports/index.ts";
import { type Appended, type BuildEndBody, type Ledger, type ManifestBlob, planRoot } from "../../provenance/index.ts";
import type { AssignedAction } from "./assigned-action.ts";
import type { Outcome } from "./outcome.ts";
import type { SignedTravail } from "./travail.ts";

const NONE = { exec: 0, hit: 0, fail: 0, skip: 0, settled: 0 };

/**
 * The rnode's own ledger: an account of everything it executed, whoever else has one. Each execution is a build of one
 * chore named for its lease; the names that were signed stand in `from`.
 */
export class Memoir {
  readonly ledger: Ledger;
  readonly #blobs: Pick<BlobStore, "read">;
  readonly #who: string;
  readonly #log: Log;
  readonly #writing = new Set<Promise<void>>();

  constructor(ledger: Ledger, blobs: Pick<BlobStore, "read">, who: string, log: Log) {
    this.ledger = ledger;
    this.#blobs = blobs;
    this.#who = who;
    this.#log = log;
  }

  /** Nobody waits for it: the client's ledger has the execution too, and a slot is worth more than a sync. */
  write(signed: SignedTravail, lease: string, action: AssignedAction, outcome: Outcome): void {
    const writing = this.#write(signed, lease, action, outcome)
      .catch((error: unknown) => {
        this.#log.warn("an execution is not in the memoir", { lease, because: String(error) });
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Resolves when what was written so far is durable. */
  async flush(): Promise<void> {
    for (const sync = this.ledger.flush(); this.#writing.size > 0; ) {
      await sync;
      await Promise.race(this.#writing);
      await this.ledger.flush();
    }
  }

  async #write(signed: SignedTravail, lease: string, action: AssignedAction, outcome: Outcome): Promise<void> {
    const { body, names } = signed;
    const { log, build, chore, dictum, attempt } = names;
    const [begin] = await this.ledger.append([
      {
        body: {
          kind: "build.begin",
          build: lease,
          goal: [body.chore],
          plan: { n: 1, root: planRoot([body.chore]) },
          vars: {},
          who: this.#who,
        },
        manifests: [],
      },
      {
        body: { ...body, build: lease, from: { log, build, chore, dictum, attempt } },
        manifests: [...action.manifests, ...this.#trees(outcome)],
      },
    ]);
    const hasFailed = body.kind === "fail";
    const end: BuildEndBody = {
      kind: "build.end",
      build: lease,
      begin: (begin as Appended).seq,
      n: { ...NONE, ...(hasFailed ? { fail: 1 } : { exec: 1 }) },
      outcome: hasFailed ? "failed" : "ok",
      artifacts: hasFailed ? [] : body.out.map(({ p, d }) => ({ p, d })),
    };
    await this.ledger.append([{ body: end, manifests: [] }]);
  }

  #trees(outcome: Outcome): ManifestBlob[] {
    const manifestOf = (digest: Digest): ManifestBlob => ({ hash: digest.hash, bytes: this.#blobs.read(digest) });
    return outcome.outputs
      .filter(({ kind, digest }) => kind === "tree" && digest.sizeBytes > 0)
      .map(({ digest }) => manifestOf(digest));
  }
}
