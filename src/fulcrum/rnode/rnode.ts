import { BegatError, EMPTY_DIGEST, explain } from "../../base/index.ts";
import { RpcError, statusNumber } from "../../fulcrum-client/index.ts";
import type { Random } from "../../ports/index.ts";
import { type farm, millisecondsOf, timestampOf } from "../../protocol/index.ts";
import type { Revocations } from "../authority/index.ts";
import { HeldLease, SeenLeases } from "./held-lease.ts";
import { type LeaderConnection, LeaderSession } from "./leader-session.ts";
import type { LeaseJournal } from "./lease-journal.ts";
import { RefusedError } from "./placing.ts";
import { failedResult, interruptedResult, stoppedResult, type WorkRooms, work } from "./work.ts";

export interface RnodeOptions extends WorkRooms {
  readonly name: string;
  readonly version: string;
  /** Another one with each process. */
  readonly bootId: string;
  /** Executions at once. */
  readonly slots: number;
  readonly hello: Pick<farm.Hello, "executor" | "hostLevel" | "imageLevel" | "anyImage">;
  readonly journal: LeaseJournal;
  /** Whose certificates it refuses itself; the leader says which those are. */
  readonly revocations: Pick<Revocations, "list" | "take">;
  readonly random: Random;
  /** A connection of its own each time: what is broken without a word is not used again. */
  readonly connect: () => Promise<LeaderConnection>;
  /** Milliseconds before the lease's end at which its work is stopped, so that nothing runs when it comes. */
  readonly stopBeforeMs?: number;
}

/** What an rnode does at the moment, and since it was started. */
export interface RnodeFigures {
  readonly isConnected: boolean;
  readonly isDraining: boolean;
  readonly running: readonly { readonly lease: string; readonly label: string; readonly sinceMs: number | undefined }[];
  /** Ended, and the leader has not said that it knows. */
  readonly unacknowledged: number;
  readonly executed: number;
  readonly failed: number;
  readonly refused: number;
  readonly stopped: number;
  readonly fetchedBytes: number;
  readonly uploadedBytes: number;
  /** Processor time of recipes, where their executor tells. */
  readonly cpuMs: number;
  readonly connections: number;
}

const RECONNECT_FIRST_MS = 200;
const RECONNECT_MOST_MS = 5_000;
const STOP_BEFORE_MS = 1_000;
/** How long the end of a drain waits for the leader's last words. */
const FAREWELL_MS = 5_000;

const INTERNAL = statusNumber("INTERNAL");
const CANCELLED = statusNumber("CANCELLED");

const isOver = (error: BegatError): boolean =>
  error instanceof RpcError && error.peerCode === "FARM_CERTIFICATE_REVOKED";

class LeaseEnd extends BegatError<"RNODE_LEASE_ENDED"> {}
class Cancelled extends BegatError<"RNODE_CANCELLED"> {}

/** Executes what a leader assigns, under leases; see docs/formats.md, "Leases". */
export class Rnode {
  readonly #options: RnodeOptions;
  readonly #held = new Map<string, HeldLease>();
  readonly #seen = new SeenLeases();
  readonly #works = new Set<Promise<void>>();
  /** The last one: nothing is said to it once it is over. */
  #session: LeaderSession | undefined;
  #leaseMs = 0;
  #resultBlobBytes = 0;
  #isDraining = false;
  #change: () => void = () => {};
  #firstWelcome: () => void = () => {};
  readonly #wasWelcome = new Promise<void>((resolve) => {
    this.#firstWelcome = resolve;
  });
  readonly #counts = {
    executed: 0,
    failed: 0,
    refused: 0,
    stopped: 0,
    fetched: 0,
    uploaded: 0,
    connections: 0,
    cpuMs: 0,
  };

  /** Takes over what the process before it left in the journal: nothing of it is begun again. */
  constructor(options: RnodeOptions) {
    this.#options = options;
    for (const entry of options.journal.read(options.log)) {
      const lease = new HeldLease({ ...entry, id: entry.lease, assign: undefined, endsAtMs: 0 });
      const result = entry.result ?? interruptedResult(lease);
      if (entry.result === undefined) options.journal.ended(entry.lease, result);
      lease.end(result);
      this.#held.set(lease.id, lease);
      this.#seen.add(lease.id);
    }
  }

  /**
   * Works until `signal`; connects again whenever the connection breaks.
   *
   * @throws {RpcError} whose `peerCode` is `FARM_CERTIFICATE_REVOKED`: the farm wants nothing of this rnode any more.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      try {
        await this.#meet(signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof BegatError) || isOver(error)) throw error;
        // Once for each time it goes away, not for each try to find it again.
        if (failures === 0) log.warn("the leader cannot be reached", { because: explain(error) });
      }
      if (signal.aborted) break;
      failures = clock.monotonicMs() - beganMs > RECONNECT_MOST_MS ? 0 : failures + 1;
      const most = Math.min(RECONNECT_FIRST_MS * 2 ** failures, RECONNECT_MOST_MS);
      await clock.sleep(most / 2 + random.below(Math.ceil(most / 2)), signal).catch(() => {});
    }
    for (const lease of this.#held.values()) lease.stop.abort(new LeaseEnd("RNODE_LEASE_ENDED", "the rnode stops"));
    await Promise.allSettled(this.#works);
    await this.#options.memoir.flush();
  }

  /** Resolves when a leader has answered for the first time. */
  welcomed(): Promise<void> {
    return this.#wasWelcome;
  }

  /** Takes no more work, ends what it has and hands its results over; then `run` may be aborted. */
  async drain(): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#say({ $case: "draining", value: {} });
    }
    while (this.#works.size > 0) await Promise.race([...this.#works]);
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + FAREWELL_MS;
    while (this.#held.size > 0 && clock.monotonicMs() < untilMs) {
      const changed = new Promise<void>((resolve) => {
        this.#change = resolve;
      });
      const timeout = new AbortController();
      await Promise.race([changed, clock.sleep(untilMs - clock.monotonicMs(), timeout.signal).catch(() => {})]);
      timeout.abort();
    }
  }

  figures(): RnodeFigures {
    const held = [...this.#held.values()];
    const { fetched, uploaded, ...counts } = this.#counts;
    return {
      ...counts,
      isConnected: this.#session?.isWelcome === true,
      isDraining: this.#isDraining,
      running: held
        .filter(({ isRunning }) => isRunning)
        .map(({ id, label, startedAtMs }) => ({ lease: id, label, sinceMs: startedAtMs })),
      unacknowledged: held.filter(({ isRunning }) => !isRunning).length,
      fetchedBytes: fetched,
      uploadedBytes: uploaded,
    };
  }

  async #meet(signal: AbortSignal): Promise<void> {
    const connection = await this.#options.connect();
    this.#counts.connections++;
    this.#session = new LeaderSession(this.#options.clock, connection, this.#hello(), {
      held: () => [...this.#held.keys()],
      onWelcome: (welcome) => this.#welcomed(welcome),
      onMessage: (message) => this.#receive(message),
      onBeat: () => this.#tellResults(),
    });
    await this.#session.run(signal);
  }

  #hello(): farm.Hello {
    const { name, bootId, slots, placing, version, hello, revocations } = this.#options;
    return {
      ...hello,
      name,
      bootId,
      slots,
      labels: { ...placing.options.labels },
      version,
      held: [...this.#held.values()].map((lease) => lease.held()),
      images: placing.offered(),
      revocations: revocations.list().length,
    };
  }

  #welcomed({ leaseMs, resultBlobBytes }: farm.Welcome): void {
    this.#firstWelcome();
    this.#leaseMs = leaseMs;
    this.#resultBlobBytes = resultBlobBytes;
    for (const lease of this.#held.values()) this.#renew(lease, 0);
    if (this.#isDraining) this.#say({ $case: "draining", value: {} });
    this.#tellResults();
  }

  #receive(message: NonNullable<farm.LeaderMessage["message"]>): void {
    switch (message.$case) {
      case "assign":
        this.#assigned(message.value);
        break;
      case "cancel":
        this.#cancelled(message.value);
        break;
      case "acknowledged":
        this.#acknowledged(message.value.leaseId);
        break;
      case "revoked":
        this.#revoked(message.value.documents);
        break;
      case "renewed":
        for (const id of message.value.leases) {
          const lease = this.#held.get(id);
          if (lease !== undefined) this.#renew(lease, message.value.sequence);
        }
        break;
    }
  }

  #revoked(documents: readonly Uint8Array[]): void {
    const { revocations, log } = this.#options;
    try {
      revocations.take(documents);
      log.info("memberships are over", { count: documents.length });
    } catch (error) {
      if (!(error instanceof BegatError)) throw error;
      log.warn("what the leader says of memberships that are over cannot be taken", { because: explain(error) });
    }
  }

  /** From the *sending* of the beat: no clock of the leader's is compared with ours. */
  #renew(lease: HeldLease, sequence: number): void {
    const sentAtMs = this.#session?.sentAtMs(sequence);
    if (sentAtMs !== undefined) lease.endsAtMs = Math.max(lease.endsAtMs, sentAtMs + this.#leaseMs);
  }

  #assigned(assign: farm.Assign): void {
    const { clock, slots } = this.#options;
    const { leaseId, fence } = assign;
    const known = this.#held.get(leaseId);
    if (known !== undefined) {
      if (known.result !== undefined) this.#tell(known.result);
      else this.#say({ $case: "accepted", value: { leaseId, fence } });
      return;
    }
    // It ended or was cancelled before it came: it is not begun, and the leader hears so with the next beat.
    if (this.#seen.has(leaseId)) return;
    const endsAtMs = (this.#session?.sentAtMs(assign.heard) ?? Number.NEGATIVE_INFINITY) + this.#leaseMs;
    if (endsAtMs - this.#stopBeforeMs() <= clock.monotonicMs()) return;
    const full =
      this.#works.size >= slots ? (slots === 1 ? "its slot is taken" : `all ${slots} slots are taken`) : undefined;
    const reason = this.#isDraining ? "the rnode is draining" : full;
    if (reason === undefined) this.#begin(assign, endsAtMs);
    else this.#refuse({ leaseId, fence, reason, unfit: false });
  }

  #begin(assign: farm.Assign, endsAtMs: number): void {
    const { leaseId, fence } = assign;
    let lease: HeldLease;
    try {
      lease = HeldLease.of(assign, endsAtMs);
      this.#options.journal.took({ ...lease, lease: leaseId });
    } catch (error) {
      if (!(error instanceof BegatError)) throw error;
      this.#refuse({ leaseId, fence, reason: explain(error), unfit: false });
      return;
    }
    this.#seen.add(leaseId);
    this.#held.set(leaseId, lease);
    this.#say({ $case: "accepted", value: { leaseId, fence } });
    void this.#watchEnd(lease);
    const working = this.#perform(lease).finally(() => {
      this.#works.delete(working);
      this.#change();
    });
    this.#works.add(working);
  }

  #stopBeforeMs(): number {
    return Math.min(this.#options.stopBeforeMs ?? STOP_BEFORE_MS, this.#leaseMs / 4);
  }

  /** Stops the work in time before its lease's end, which beats that are answered put off. */
  async #watchEnd(lease: HeldLease): Promise<void> {
    const { clock } = this.#options;
    while (lease.isRunning && !lease.stop.signal.aborted) {
      const leftMs = lease.endsAtMs - this.#stopBeforeMs() - clock.monotonicMs();
      if (leftMs > 0) await clock.sleep(leftMs, lease.over.signal).catch(() => {});
      else lease.stop.abort(new LeaseEnd("RNODE_LEASE_ENDED", "its lease ended unheard"));
    }
  }

  async #perform(lease: HeldLease): Promise<void> {
    const { journal, clock, log } = this.#options;
    const { id: leaseId, fence } = lease;
    const onRunning = () =>
      this.#say({ $case: "running", value: { leaseId, fence, startedAt: timestampOf(clock.nowMs()) } });
    let result: farm.Result;
    try {
      result = await work(this.#options, lease, { onRunning, resultBlobBytes: () => this.#resultBlobBytes });
    } catch (error) {
      if (error instanceof RefusedError) {
        this.#forget(lease);
        this.#refuse({ leaseId, fence, reason: explain(error), unfit: true });
        return;
      }
      log.warn("an execution came to nothing by a mistake of begat's own", { lease: leaseId, because: String(error) });
      result = failedResult(lease, { code: INTERNAL, message: explain(error), details: [] });
    }
    this.#count(result);
    if (lease.stop.signal.reason instanceof LeaseEnd) {
      // The leader has given it up: there is nothing to say.
      log.warn("an execution was stopped", { lease: leaseId, because: explain(lease.stop.signal.reason) });
      this.#forget(lease);
      return;
    }
    lease.end(result);
    try {
      journal.ended(leaseId, result);
    } catch (error) {
      // It is said all the same; only a restart would not know of it.
      if (!(error instanceof BegatError)) throw error;
      log.warn("the journal cannot be written", { because: explain(error) });
    }
    this.#tell(result);
  }

  #count({ status, stats, verdict }: farm.Result): void {
    const counts = this.#counts;
    if (status?.code === CANCELLED) counts.stopped++;
    else if (verdict === "ok") counts.executed++;
    else counts.failed++;
    counts.fetched += stats?.fetchedBytes ?? 0;
    counts.uploaded += stats?.uploadedBytes ?? 0;
    counts.cpuMs += stats?.cpu === undefined ? 0 : millisecondsOf(stats.cpu);
  }

  #cancelled({ leaseId, reason }: farm.Cancel): void {
    this.#seen.add(leaseId);
    const lease = this.#held.get(leaseId);
    if (lease === undefined) {
      const unknown = { id: leaseId, fence: 0, key: "", action: EMPTY_DIGEST, assign: undefined, endsAtMs: 0 };
      this.#tell(stoppedResult(new HeldLease(unknown), "it is not known here"));
    } else if (lease.result !== undefined) this.#tell(lease.result);
    else lease.stop.abort(new Cancelled("RNODE_CANCELLED", reason));
  }

  #acknowledged(leaseId: string): void {
    const lease = this.#held.get(leaseId);
    if (lease !== undefined && !lease.isRunning) this.#forget(lease);
  }

  #forget(lease: HeldLease): void {
    lease.over.abort();
    this.#held.delete(lease.id);
    this.#options.journal.forget(lease.id);
    this.#change();
  }

  #refuse(refused: farm.Refused): void {
    this.#counts.refused++;
    this.#options.log.info("an assignment was refused", { lease: refused.leaseId, because: refused.reason });
    this.#say({ $case: "refused", value: refused });
  }

  #tellResults(): void {
    for (const { result } of this.#held.values()) if (result !== undefined) this.#tell(result);
  }

  #tell(value: farm.Result): void {
    this.#say({ $case: "result", value });
  }

  /** What is said while nobody listens is lost, and said again where it matters. */
  #say(message: Parameters<LeaderSession["say"]>[0]): void {
    this.#session?.say(message);
  }
}
