import type { Clock } from "../../ports/index.ts";
import type { reapi } from "../../protocol/index.ts";
import { Operation, type OperationRequest } from "./operation.ts";

/** Finished ones kept for clients whose stream broke; beyond that the oldest are forgotten, whatever their age. */
const MOST_FINISHED = 10_000;

/** Executions by name: those that wait or run, and for a while those that ended. */
export class Operations {
  readonly #active = new Map<string, Operation>();
  /** Oldest first. */
  readonly #finished = new Map<string, { readonly operation: Operation; readonly atMs: number }>();
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #onForgotten: (name: string) => void;

  constructor(clock: Clock, keepMs: number, onForgotten: (name: string) => void) {
    this.#clock = clock;
    this.#keepMs = keepMs;
    this.#onForgotten = onForgotten;
  }

  add(request: OperationRequest): Operation {
    const operation = new Operation(request);
    this.#active.set(operation.name, operation);
    return operation;
  }

  get(name: string): Operation | undefined {
    return this.#active.get(name) ?? this.#finished.get(name)?.operation;
  }

  /** In the order they were asked for. */
  active(): IterableIterator<Operation> {
    return this.#active.values();
  }

  get activeCount(): number {
    return this.#active.size;
  }

  finish(name: string, response: reapi.ExecuteResponse): void {
    const operation = this.#active.get(name);
    if (operation === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    this.#active.delete(name);
    this.#finished.set(name, { operation, atMs: nowMs });
    operation.finish(response);
    for (const [old, { atMs }] of this.#finished) {
      if (atMs >= nowMs - this.#keepMs && this.#finished.size <= MOST_FINISHED) break;
      this.#finished.delete(old);
      this.#onForgotten(old);
    }
  }
}
