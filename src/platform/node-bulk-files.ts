import type { Worker } from "node:worker_threads";
import type { Digest, Sha256 } from "../base/index.ts";
import { BULK_WORKER_SOURCE } from "./bulk-worker.ts";
import { fileTreeFailure } from "./file-tree-failure.ts";

interface Job {
  readonly from: string;
  readonly to?: string;
  readonly mode?: number;
  readonly seal?: boolean;
  readonly durable?: boolean;
  readonly known?: Digest | undefined;
}

interface Pending extends Job {
  readonly id: number;
  readonly resolve: (digest: Digest) => void;
  readonly reject: (reason: unknown) => void;
}

interface Answer {
  readonly id: number;
  readonly hash?: Sha256;
  readonly sizeBytes?: number;
  readonly message?: string;
  readonly code?: string;
}

interface Crew {
  readonly worker: Worker;
  busy: Pending | undefined;
}

/** Two saturate what SHA-256 gets out of a small machine; more would only take cores from recipes. */
const MOST_WORKERS = 2;

/**
 * Hashes and copies large files in worker threads, with 1 MiB of memory each. Workers start with the first file and
 * never keep the process alive once they are idle.
 */
export class NodeBulkFiles {
  readonly #crew: Crew[] = [];
  readonly #waiting: Pending[] = [];
  #jobs = 0;

  /**
   * Digest of the file at `path`.
   *
   * @param options `seal` first makes the file ours (owner, mode 0444, through the open descriptor), so that whoever
   *   owned it can no longer open it for writing; a symlink is then refused.
   * @throws {FileTreeError}
   */
  hash(path: string, options: { readonly seal?: boolean } = {}): Promise<Digest> {
    return this.#run({ from: path, seal: options.seal ?? false });
  }

  /**
   * Copies `from` to the new file `to` and answers the digest of exactly the bytes written. Runs of zeros become
   * holes. `mode` is less the umask. Nothing is left at `to` when it fails. With `known`, that is answered, and the
   * kernel copies by itself what has no holes.
   *
   * @throws {FileTreeError} `FILE_EXISTS` when there is something at `to`.
   */
  copy(
    from: string,
    to: string,
    mode: number,
    { durable = false, known }: { readonly durable?: boolean; readonly known?: Digest } = {},
  ): Promise<Digest> {
    return this.#run({ from, to, mode, durable, known });
  }

  /** Ends the workers; jobs under way are finished first by whoever awaits them. */
  async close(): Promise<void> {
    await Promise.all(this.#crew.splice(0).map((member) => member.worker.terminate()));
  }

  #run(job: Job): Promise<Digest> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...job, id: ++this.#jobs, resolve, reject });
      this.#assign();
    });
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const member = this.#crew.find((one) => one.busy === undefined) ?? this.#hire();
      if (member === undefined) return;
      const pending = this.#waiting.shift() as Pending;
      member.busy = pending;
      member.worker.ref();
      const { id, from, to, mode, seal, durable, known } = pending;
      member.worker.postMessage({ id, from, to, mode, seal, durable, known });
    }
  }

  #hire(): Crew | undefined {
    if (this.#crew.length >= MOST_WORKERS) return undefined;
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const worker = new Worker(BULK_WORKER_SOURCE, { eval: true, env: {}, execArgv: [] });
    const member: Crew = { worker, busy: undefined };
    worker.unref();
    worker.on("message", (answer: Answer) => {
      const job = member.busy;
      member.busy = undefined;
      worker.unref();
      if (job !== undefined) settle(job, answer);
      this.#assign();
    });
    const lost = (cause: unknown) => {
      const at = this.#crew.indexOf(member);
      if (at >= 0) this.#crew.splice(at, 1);
      member.busy?.reject(cause);
      member.busy = undefined;
      this.#assign();
    };
    worker.on("error", lost);
    worker.on("exit", (code) => lost(new Error(`worker for large files ended with code ${code}`)));
    this.#crew.push(member);
    return member;
  }
}

function settle(job: Pending, answer: Answer): void {
  if (answer.hash !== undefined && answer.sizeBytes !== undefined) {
    job.resolve({ hash: answer.hash, sizeBytes: answer.sizeBytes });
    return;
  }
  const cause = Object.assign(new Error(answer.message ?? "unknown failure"), { code: answer.code });
  const verb = job.to === undefined ? "hash" : `copy ${job.from} to`;
  job.reject(fileTreeFailure(cause, verb, job.to ?? job.from));
}
