import type { Answer, Submission } from "../../../src/fulcrum/leader/index.ts";
import type { SimFarm } from "./sim-farm.ts";

const ASK_AGAIN_MS = 4_000;

/** A client that submits what is ready, asks again where it hears nothing, and submits again what is unknown. */
export class SimClient {
  readonly name: string;
  readonly plan: readonly { submission: Submission; after: readonly number[] }[];
  /** By execution: how it ended. */
  readonly ended = new Map<string, Answer>();
  isUp = true;
  readonly #farm: SimFarm;
  readonly #submitted = new Set<number>();

  constructor(farm: SimFarm, name: string, plan: SimClient["plan"]) {
    this.#farm = farm;
    this.name = name;
    this.plan = plan;
  }

  get isDone(): boolean {
    return this.ended.size === this.plan.length;
  }

  start(): void {
    this.#submitReady();
    const again = (): void => {
      if (this.isDone) return;
      if (this.isUp) this.#askAgain();
      this.#farm.time.after(ASK_AGAIN_MS, again);
    };
    this.#farm.time.after(ASK_AGAIN_MS, again);
  }

  /** Everything after an execution that did not give a result is not submitted; it counts as ended with it. */
  #submitReady(): void {
    for (const [i, { submission, after }] of this.plan.entries()) {
      if (this.#submitted.has(i)) continue;
      const before = after.map((n) =>
        this.ended.get((this.plan[n] as (typeof this.plan)[number]).submission.execution),
      );
      if (before.some((answer) => answer === undefined)) continue;
      this.#submitted.add(i);
      if (before.some((answer) => answer?.kind !== "result")) {
        this.ended.set(submission.execution, { kind: "cancelled", because: "asked" });
        this.#submitReady();
        return;
      }
      this.#farm.fromClient(this, { type: "submit", submission });
    }
  }

  #askAgain(): void {
    for (const i of this.#submitted) {
      const { execution } = (this.plan[i] as (typeof this.plan)[number]).submission;
      if (!this.ended.has(execution)) this.#farm.fromClient(this, { type: "wait", execution, client: this.name });
    }
  }

  receive(execution: string, answer: Answer): void {
    if (!this.isUp) return;
    const one = this.plan.find(({ submission }) => submission.execution === execution);
    if (one === undefined) return;
    if (answer.kind === "unknown") {
      if (!this.ended.has(execution)) this.#farm.fromClient(this, { type: "submit", submission: one.submission });
      return;
    }
    if (this.ended.has(execution)) return;
    this.ended.set(execution, answer);
    this.#submitReady();
  }
}
