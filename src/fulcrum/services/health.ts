import { RpcError } from "../../fulcrum-client/index.ts";
import { health } from "../../protocol/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;

/** What is fit for work, by full name of the service; the empty name is the whole server. */
export class HealthBoard {
  readonly #serving: Map<string, boolean>;
  readonly #listeners = new Set<() => void>();

  constructor(services: readonly string[]) {
    this.#serving = new Map(["", ...services].map((name) => [name, true]));
  }

  set(service: string, isServing: boolean): void {
    if (this.#serving.get(service) === isServing) return;
    this.#serving.set(service, isServing);
    for (const tell of [...this.#listeners]) tell();
  }

  /** All of them at once, before the server stops. */
  setAll(isServing: boolean): void {
    for (const service of this.#serving.keys()) this.set(service, isServing);
  }

  status(service: string): health.HealthCheckResponse_ServingStatus {
    const isServing = this.#serving.get(service);
    return isServing === undefined ? SERVICE_UNKNOWN : isServing ? SERVING : NOT_SERVING;
  }

  service(): BoundService {
    const board = this;
    return bindService(health.HealthDefinition, {
      async check({ service }) {
        const status = board.status(service);
        if (status === SERVICE_UNKNOWN)
          throw new RpcError("NOT_FOUND", `there is no service ${JSON.stringify(service)}`);
        return { status };
      },
      async *watch({ service }, { signal }) {
        let told: number | undefined;
        while (!signal.aborted) {
          const changed = board.#changed(signal);
          const status = board.status(service);
          if (status !== told) yield { status };
          told = status;
          await changed;
        }
      },
    });
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#listeners.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener("abort", done);
    });
  }
}
