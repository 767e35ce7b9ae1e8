import type { Digest } from "../../base/index.ts";
import { explain } from "../../base/index.ts";
import { type farm, millisecondsOf, type reapi } from "../../protocol/index.ts";
import {
  type Answer,
  type AssignEffect,
  DEFAULT_LEADER_CONFIG,
  type DecisionReason,
  type LeaderConfig,
  type LeaderEffect,
  LeaderState,
  pendingReason,
  pendingText,
} from "../leader/index.ts";
import { failureResponse, resultResponse } from "./answers.ts";
import type { Connection } from "./connections.ts";
import { Connections } from "./connections.ts";
import { Decider } from "./decider.ts";
import { DecisionLog } from "./decision-log.ts";
import { takeIn } from "./intake.ts";
import type { Journal, Restored } from "./journal.ts";
import type { Operation, OperationRequest } from "./operation.ts";
import { Operations } from "./operations.ts";
import type { LeaderFigures, LeaderOptions } from "./options.ts";
import { type TakenResult, takeResult } from "./result-intake.ts";
import type { AssignedWork } from "./rnode-trust.ts";
import { travellingBlobs } from "./travelling-blobs.ts";

/** Assignments remembered for the results of leases that have ended. */
const MOST_ASSIGNED = 100_000;

/** What the leader's services share: what is asked for, who runs it, and the decisions in between. */
export class Executions {
  readonly operations: Operations;
  readonly connections = new Connections();
  readonly log: DecisionLog;
  readonly boot: string;
  readonly #options: LeaderOptions;
  readonly #journal: Journal;
  readonly #decider: Decider;
  /** By lease: what was assigned, and the result that is being decided about. */
  readonly #assigned = new Map<string, AssignedWork>();
  readonly #taken = new Map<string, TakenResult>();
  /** By lease: kept where results are kept, before anybody is told. */
  readonly #keeping = new Map<string, Promise<void>>();
  readonly #killed = new Map<string, string>();
  readonly #changes = new Set<() => void>();
  readonly #counts = { submitted: 0, cacheHits: 0, executed: 0, failed: 0, cancelled: 0, untrusted: 0, queuedAgain: 0 };

  constructor(options: LeaderOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
    const { clock, random } = options.ports;
    const config: LeaderConfig = { ...DEFAULT_LEADER_CONFIG, ...options.config, epoch: journal.epoch };
    this.boot = Buffer.from(random.bytes(8)).toString("hex");
    this.log = new DecisionLog(clock);
    this.operations = new Operations(clock, config.keepAnswersMs, (name) => {
      this.log.forget(name);
      this.#killed.delete(name);
    });
    this.#decider = new Decider(new LeaderState(config), clock, {
      perform: (effect) => this.#perform(effect),
      explain: (reason) => this.#explain(reason),
    });
  }

  /** Only to be read. */
  get state(): LeaderState {
    return this.#decider.state;
  }

  get nowMs(): number {
    return this.#options.ports.clock.monotonicMs();
  }

  get wallMs(): number {
    return this.#options.ports.clock.nowMs();
  }

  /** Goes on with what an earlier leader left. */
  restore({ requests, rnodes, history }: Restored): void {
    for (const [historyKey, durationsMs] of history) this.#decider.tell({ type: "history", historyKey, durationsMs });
    if (requests.length === 0) return;
    const submissions = requests.map((request) => {
      this.operations.add(request);
      const waitedMs = Math.max(0, this.wallMs - request.queuedAtMs);
      return { ...request.submission, inputs: this.#inputsOf(request.action), submittedAt: this.nowMs - waitedMs };
    });
    this.#decider.tell({ type: "restored", submissions, rnodes });
  }

  /** What is gone meanwhile will be missed by the rnode, and the client be told then. */
  #inputsOf(action: Digest): { digest: string; sizeBytes: number }[] {
    try {
      const intake = takeIn(this.#options.blobs, action);
      return intake.kind === "ready" ? intake.inputs.map(sized) : [];
    } catch {
      return [];
    }
  }

  submit(request: OperationRequest, inputs: readonly Digest[]): Operation {
    const operation = this.operations.add(request);
    this.#counts.submitted++;
    this.#journal.submitted(request);
    this.#decider.tell({ type: "submit", submission: { ...request.submission, inputs: inputs.map(sized) } });
    return operation;
  }

  countHit(): void {
    this.#counts.cacheHits++;
  }

  /** A stream tells of it: it is wanted. */
  followed(operation: Operation): void {
    operation.followers++;
    if (operation.followers === 1 && operation.response === undefined) {
      this.#decider.tell({ type: "client-back", client: operation.name });
    }
  }

  /** The stream is gone; with the last one the time runs in which somebody has to ask again. */
  left(operation: Operation): void {
    operation.followers--;
    if (operation.followers > 0 || operation.response !== undefined) return;
    if (operation.isLeft) this.#decider.tell({ type: "cancel", execution: operation.name });
    else this.#decider.tell({ type: "client-lost", client: operation.name });
  }

  /** Its client will not come back: it ends with its last stream, which may be cut already or not yet. */
  leave(name: string): void {
    const operation = this.operations.get(name);
    if (operation === undefined || operation.response !== undefined) return;
    operation.isLeft = true;
    if (operation.followers === 0) this.#decider.tell({ type: "cancel", execution: name });
  }

  /** @returns `false` where there is nothing to end. */
  kill(name: string, reason: string): boolean {
    const operation = this.operations.get(name);
    if (operation === undefined || operation.response !== undefined) return false;
    this.#killed.set(name, reason);
    this.log.note(name, `ended by an operator: ${reason}`);
    this.#decider.tell({ type: "cancel", execution: name });
    return true;
  }

  // What rnodes say.

  said(connection: Connection, message: NonNullable<farm.WorkerMessage["message"]>): void {
    if (!this.connections.isCurrent(connection)) return;
    connection.lastHeardMs = this.wallMs;
    const { rnode, boot } = connection;
    switch (message.$case) {
      case "hello":
        break;
      case "beat": {
        const { sequence, held } = message.value;
        this.#decider.tell({ type: "heartbeat", rnode, boot, sequence, held });
        break;
      }
      case "accepted":
        this.#decider.tell({ type: "accepted", rnode, boot, lease: message.value.leaseId, fence: message.value.fence });
        break;
      case "running":
        this.#decider.tell({ type: "running", rnode, boot, lease: message.value.leaseId, fence: message.value.fence });
        break;
      case "refused": {
        const { leaseId, fence, reason, unfit } = message.value;
        this.#decider.tell({ type: "refused", rnode, boot, lease: leaseId, fence, text: reason, isUnfit: unfit });
        break;
      }
      case "draining":
        this.#decider.tell({ type: "draining", rnode, boot });
        this.changed();
        break;
      case "result":
        this.#result(connection, message.value);
        break;
    }
  }

  connected(connection: Connection): void {
    const { rnode, boot, number, hello } = connection;
    for (const { leaseId, actionDigest } of hello.held) {
      if (actionDigest === undefined || this.#assigned.has(leaseId)) continue;
      this.#remember(leaseId, { action: actionDigest as Digest, context: undefined });
    }
    this.#decider.tell({
      type: "hello",
      rnode,
      boot,
      connection: number,
      slots: hello.slots,
      labels: hello.labels,
      images: hello.anyImage ? "any" : hello.images,
      held: hello.held.map(({ leaseId, fence, key, actionDigest }) => ({
        lease: leaseId,
        fence,
        key,
        action: actionText(actionDigest),
      })),
    });
    this.changed();
  }

  disconnected({ rnode, number }: Connection): void {
    this.#decider.tell({ type: "rnode-lost", rnode, connection: number });
    this.changed();
  }

  #result(connection: Connection, message: farm.Result): void {
    const { rnode, boot } = connection;
    const { blobs, trust } = this.#options;
    const work = this.#assigned.get(message.leaseId);
    const taken: TakenResult =
      work === undefined
        ? // Of a lease that nobody knows: it is acknowledged, so that it is not said again, and that is all.
          { outcome: { kind: "stopped" }, checked: undefined, isCacheable: false, outputs: [] }
        : takeResult(message, rnode, work, blobs, trust);
    if (taken.outcome.kind === "untrusted") {
      this.#counts.untrusted++;
      this.#options.ports.log.warn("a result is not believed", {
        rnode,
        lease: message.leaseId,
        why: taken.outcome.text,
      });
    }
    if (taken.checked !== undefined) this.#taken.set(message.leaseId, taken);
    try {
      this.#decider.tell({
        type: "result",
        rnode,
        boot,
        lease: message.leaseId,
        fence: message.fence,
        key: message.key,
        action: work === undefined ? actionText(message.actionDigest) : actionText(work.action),
        outcome: taken.outcome,
        outputs: taken.outputs,
      });
    } finally {
      this.#taken.delete(message.leaseId);
    }
  }

  // What was decided.

  #perform(effect: LeaderEffect): void {
    switch (effect.type) {
      case "assign":
        this.#assign(effect);
        break;
      case "cancel":
        this.connections.send(effect.rnode, {
          $case: "cancel",
          value: { leaseId: effect.lease, reason: effect.reason },
        });
        break;
      case "renew":
        this.connections.send(effect.rnode, {
          $case: "renewed",
          value: { sequence: effect.sequence, leases: [...effect.leases] },
        });
        break;
      case "acknowledge":
        this.connections.send(effect.rnode, {
          $case: "acknowledged",
          value: { leaseId: effect.lease, counted: effect.isCounted },
        });
        if (!this.state.leases.has(effect.lease)) this.#assigned.delete(effect.lease);
        break;
      case "stage":
        this.operations.get(effect.execution)?.setStage(effect.stage, this.wallMs);
        this.changed();
        break;
      case "answer":
        this.#answer(effect.execution, effect.answer);
        break;
      case "compare":
        if (!effect.isEqual) {
          const { action, rnode } = effect;
          this.#options.ports.log.warn("an action gave two results: it is not reproducible, or an rnode lies", {
            action,
            rnode,
          });
        }
        break;
      case "quarantine":
        this.#options.ports.log.warn("an rnode gets no more work for a while", {
          rnode: effect.rnode,
          why: effect.text,
        });
        this.changed();
        break;
      case "release":
        this.#options.ports.log.info("an rnode gets work again", { rnode: effect.rnode });
        this.changed();
        break;
      case "timer":
        break;
    }
  }

  #assign(effect: AssignEffect): void {
    const operation = this.operations.get(effect.execution);
    if (operation === undefined) return;
    const { action, context, instance } = operation.request;
    this.#remember(effect.lease, { action, context });
    this.#journal.assigned(effect.execution, effect.rnode);
    for (const { id } of this.state.leases.get(effect.lease)?.chore.executions ?? []) {
      this.log.placed(id, effect.rnode, effect.reason, effect.hedge);
    }
    this.connections.send(effect.rnode, {
      $case: "assign",
      value: {
        leaseId: effect.lease,
        fence: effect.fence,
        actionDigest: { hash: action.hash, sizeBytes: action.sizeBytes },
        context,
        heard: effect.heard,
        key: effect.key,
        hedge: effect.hedge,
        instanceName: instance,
        probe: effect.probe,
        blobs: travellingBlobs(this.#options.blobs, action, effect.reason.missingBytes === 0),
      },
    });
  }

  #remember(lease: string, work: AssignedWork): void {
    this.#assigned.set(lease, work);
    if (this.#assigned.size > MOST_ASSIGNED) this.#assigned.delete(this.#assigned.keys().next().value as string);
  }

  #answer(name: string, answer: Answer): void {
    const operation = this.operations.get(name);
    if (operation === undefined || answer.kind === "unknown") return;
    if (answer.kind !== "result") {
      if (answer.kind === "cancelled") this.#counts.cancelled++;
      else this.#counts.failed++;
      this.#finish(operation, failureResponse(answer, this.#killed.get(name)));
      return;
    }
    const taken = this.#taken.get(answer.result);
    if (taken?.checked === undefined) return;
    const { checked } = taken;
    this.#counts.executed++;
    this.log.note(name, `the result of rnode ${answer.rnode} counts${usageText(taken.stats)}`);
    let kept = this.#keeping.get(answer.result);
    if (kept === undefined) {
      kept = this.#keep(operation.request, taken);
      this.#keeping.set(answer.result, kept);
      kept.finally(() => this.#keeping.delete(answer.result));
    }
    void kept.then(() =>
      this.#finish(operation, resultResponse(this.#options.blobs, checked, false, operation.request)),
    );
  }

  /** A result that cannot be kept is worth an answer all the same. */
  async #keep(request: OperationRequest, taken: TakenResult): Promise<void> {
    const { results, ports } = this.#options;
    const { instance, action, submission } = request;
    const result = taken.checked?.result as reapi.ActionResult;
    const isCacheable = taken.isCacheable && !submission.doNotCache;
    try {
      if (isCacheable) await results.put(instance, action, result, undefined);
    } catch (error) {
      ports.log.warn("a result could not be kept", { action: action.hash, why: explain(error) });
    }
    if (submission.historyKey !== "") this.#journal.took(submission.historyKey, durationOf(taken));
  }

  #finish(operation: Operation, response: reapi.ExecuteResponse): void {
    this.#journal.ended(operation.name);
    this.operations.finish(operation.name, response);
    this.changed();
  }

  #explain(reason: DecisionReason): void {
    if (reason.about === "queued-again") this.#counts.queuedAgain++;
    this.log.explain(reason, this.nowMs);
  }

  /** Completes "pending because ..."; `undefined` for what does not wait. */
  pendingText(name: string): string | undefined {
    const reason = pendingReason(this.state, name, this.nowMs);
    return reason === undefined ? undefined : pendingText(reason, this.nowMs);
  }

  figures(): LeaderFigures {
    const rnodes = [...this.state.rnodes.values()].filter(({ isConnected }) => isConnected);
    return {
      ...this.#counts,
      queued: this.state.queue.size,
      executing: this.state.leases.size,
      rnodes: rnodes.length,
      slots: rnodes.reduce((sum, { slots }) => sum + slots, 0),
      busy: rnodes.reduce((sum, { leases }) => sum + leases.size, 0),
    };
  }

  changed(): void {
    for (const tell of [...this.#changes]) tell();
  }

  /** Resolves at the next change, or when the signal aborts. */
  nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#changes.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#changes.add(done);
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }

  stop(): void {
    this.#decider.stop();
    this.connections.closeAll();
    this.#journal.close();
  }
}

/** What an execution used, as far as its rnode says. */
function usageText(stats: farm.ExecutionStats | undefined): string {
  const parts: string[] = [];
  if (stats?.cpu !== undefined) parts.push(`${(millisecondsOf(stats.cpu) / 1000).toFixed(2)} s of processor time`);
  if (stats !== undefined && stats.peakMemoryBytes > 0) {
    parts.push(`${(stats.peakMemoryBytes / 2 ** 20).toFixed(0)} MiB of memory at most`);
  }
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

const sized = ({ hash, sizeBytes }: Digest) => ({ digest: hash, sizeBytes });

export const actionText = (digest: { readonly hash: string; readonly sizeBytes: number } | undefined): string =>
  `${digest?.hash ?? ""}/${digest?.sizeBytes ?? 0}`;

const durationOf = ({ outcome }: TakenResult): number => (outcome.kind === "done" ? outcome.durationMs : 0);
