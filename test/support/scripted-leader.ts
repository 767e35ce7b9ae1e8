import type { LeaderConnection } from "../../src/fulcrum/index.ts";
import { farm } from "../../src/protocol/index.ts";

type Said = NonNullable<farm.LeaderMessage["message"]>;
type Heard = NonNullable<farm.WorkerMessage["message"]>;

/** The leader's side of the lease protocol without a wire, whose every word the test decides. */
export class ScriptedLeader {
  readonly heard: Heard[] = [];
  /** `false`: it takes connections and says nothing. */
  welcomes = true;
  answersBeats = true;
  connections = 0;
  #outgoing: farm.LeaderMessage[] = [];
  #wake = () => {};
  #cut = () => {};
  readonly #waiting = new Set<() => void>();
  #assigned = 0;

  /** Of outputs that a result may bring along. */
  resultBlobBytes = 0;
  readonly connect = async (): Promise<LeaderConnection> => {
    const cut = new AbortController();
    this.#cut = () => cut.abort();
    this.#outgoing = [];
    this.connections++;
    return {
      work: (messages, signal) => this.#work(messages, AbortSignal.any([signal, cut.signal])),
      close: () => cut.abort(),
    };
  };

  /** Breaks the connection off without a word. */
  cut(): void {
    this.#cut();
  }

  say(message: Said): void {
    this.#outgoing.push({ message });
    this.#wake();
  }

  assign(parts: Partial<farm.Assign>): farm.Assign {
    const number = ++this.#assigned;
    const value = farm.Assign.fromPartial({ leaseId: `L${number}`, fence: number, key: `key ${number}`, ...parts });
    this.say({ $case: "assign", value });
    return value;
  }

  acknowledge(leaseId: string): void {
    this.say({ $case: "acknowledged", value: { leaseId, counted: true } });
  }

  /** The first message of this kind that was not taken yet. */
  async next<C extends Heard["$case"]>($case: C): Promise<Extract<Heard, { $case: C }>["value"]> {
    for (;;) {
      const at = this.heard.findIndex((message) => message.$case === $case);
      if (at >= 0) return this.heard.splice(at, 1)[0]?.value as never;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async *#work(messages: AsyncIterable<farm.WorkerMessage>, signal: AbortSignal): AsyncGenerator<farm.LeaderMessage> {
    const over = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    void this.#listen(messages, signal);
    while (!signal.aborted) {
      const batch = this.#outgoing.splice(0);
      yield* batch;
      if (this.#outgoing.length > 0) continue;
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([more, over]);
    }
  }

  async #listen(messages: AsyncIterable<farm.WorkerMessage>, signal: AbortSignal): Promise<void> {
    for await (const { message } of messages) {
      if (signal.aborted) return;
      if (message === undefined) continue;
      this.heard.push(message);
      if (message.$case === "hello" && this.welcomes) {
        const { resultBlobBytes } = this;
        const value = { leaseMs: 15_000, heartbeatMs: 3_000, leaderBoot: "leader boot", resultBlobBytes };
        this.say({ $case: "welcome", value });
      }
      if (message.$case === "beat" && this.answersBeats) {
        this.say({ $case: "renewed", value: { sequence: message.value.sequence, leases: message.value.held } });
      }
      for (const tell of [...this.#waiting]) tell();
      this.#waiting.clear();
    }
  }
}
