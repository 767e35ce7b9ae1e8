import { type Digest, invariant } from "../../base/index.ts";
import type { farm } from "../../protocol/index.ts";
import { digestFrom } from "../services/request-checks.ts";

/** One lease as its rnode sees it, from the assignment to the leader's word that it may be forgotten. */
export class HeldLease {
  readonly id: string;
  readonly fence: number;
  readonly key: string;
  readonly action: Digest;
  /** Of a lease that an earlier process took only its end is known. */
  readonly assign: farm.Assign | undefined;
  /** Aborts when nobody may work on it any more. */
  readonly stop = new AbortController();
  /** Aborts when nothing of it runs. */
  readonly over = new AbortController();
  /** Monotonic milliseconds; by then nothing of it may run. */
  endsAtMs: number;
  label = "";
  /** Milliseconds since 1970: when its recipe was begun. */
  startedAtMs: number | undefined;
  /** What is said of it until it is acknowledged. */
  result: farm.Result | undefined;

  constructor(
    lease: Pick<HeldLease, "id" | "fence" | "key" | "action" | "assign" | "endsAtMs">,
    result?: farm.Result | undefined,
  ) {
    this.id = lease.id;
    this.fence = lease.fence;
    this.key = lease.key;
    this.action = lease.action;
    this.assign = lease.assign;
    this.endsAtMs = lease.endsAtMs;
    this.result = result;
    if (result !== undefined) this.over.abort();
  }

  /** @throws {RpcError} `RPC_INVALID_ARGUMENT` for an assignment without an action. */
  static of(assign: farm.Assign, endsAtMs: number): HeldLease {
    const { leaseId: id, fence, key } = assign;
    return new HeldLease({ id, fence, key, action: digestFrom(assign.actionDigest, "the action"), assign, endsAtMs });
  }

  get isRunning(): boolean {
    return !this.over.signal.aborted;
  }

  end(result: farm.Result | undefined): void {
    invariant(this.result === undefined, "a lease ends once");
    this.result = result;
    this.over.abort();
  }

  held(): farm.HeldLease {
    return { leaseId: this.id, fence: this.fence, key: this.key, actionDigest: this.action };
  }
}

/** Leases seen, by id; the oldest are forgotten, long after their leader has. */
const REMEMBERED = 20_000;

/** Which leases were ever heard of: none of them is begun a second time. */
export class SeenLeases {
  readonly #ids = new Set<string>();

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size > REMEMBERED) this.#ids.delete(this.#ids.values().next().value as string);
  }
}
