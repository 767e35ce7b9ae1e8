import { ExecutorError } from "../executor/index.ts";
import type { Place } from "./place.ts";
import type { Plan } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { ResourcePool } from "./resource-pool.ts";

/** When recipes may start: of those that run here, as this machine's resources go. */
export class Turns {
  readonly #plan: Plan;
  readonly #pool: ResourcePool;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  readonly #isStopping: () => boolean;

  constructor(
    plan: Plan,
    resources: Readonly<Record<string, number>>,
    progress: Progress,
    signal: AbortSignal,
    isStopping: () => boolean,
  ) {
    this.#plan = plan;
    this.#pool = new ResourcePool(resources);
    this.#progress = progress;
    this.#signal = signal;
    this.#isStopping = isStopping;
  }

  /** @throws {ExecutorError} `EXECUTOR_CANCELLED` when nothing more is to be started. */
  async take(chore: number, resources: Readonly<Record<string, number>>, place?: Place): Promise<() => void> {
    const end = place?.on === "farm" ? this.#elsewhere(chore) : await this.takeHere(chore, resources);
    this.#progress.started(chore);
    return end;
  }

  /** Of a run that is no part of the build's progress. */
  async takeHere(chore: number, resources: Readonly<Record<string, number>>): Promise<() => void> {
    const alone = this.#plan.has(chore, "exclusive") || this.#plan.has(chore, "interactive");
    const end = await this.#pool.turn(resources, alone, this.#signal);
    if (this.#isStopping()) {
      end();
      throw this.#unstarted(chore);
    }
    return end;
  }

  /** Nothing of this machine is taken. */
  #elsewhere(chore: number): () => void {
    if (this.#isStopping()) throw this.#unstarted(chore);
    return () => {};
  }

  #unstarted(chore: number): ExecutorError {
    return new ExecutorError("EXECUTOR_CANCELLED", `${this.#plan.label(chore)} was not started: the build is ending`);
  }
}
