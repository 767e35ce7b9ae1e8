import { BegatError } from "../../base/index.ts";
import type { Clock } from "../../ports/index.ts";
import type { farm } from "../../protocol/index.ts";
import { MessageQueue } from "../execution/message-queue.ts";

export interface LeaderConnection {
  /** Lease/Work. */
  work(messages: AsyncIterable<farm.WorkerMessage>, signal: AbortSignal): AsyncIterable<farm.LeaderMessage>;
  close(): void;
}

type Said = NonNullable<farm.WorkerMessage["message"]>;
type Heard = NonNullable<farm.LeaderMessage["message"]>;

/** Whom a session belongs to. */
export interface SessionListener {
  /** Leases held at the moment, for a beat. */
  held(): readonly string[];
  onWelcome(welcome: farm.Welcome): void;
  /** Everything else the leader says. */
  onMessage(message: Heard): void;
  /** After each beat. */
  onBeat(): void;
}

/** How long a leader may take to answer the first word. */
const WELCOME_MS = 10_000;
/** Heartbeats without an answer after which the connection is taken as broken. */
const PATIENCE_BEATS = 2.5;

class LeaderSilent extends BegatError<"RNODE_LEADER_SILENT"> {}

/** One connection to a leader, from the Hello to its end; see docs/formats.md, "Leases". */
export class LeaderSession {
  readonly #clock: Clock;
  readonly #connection: LeaderConnection;
  readonly #listener: SessionListener;
  readonly #outgoing = new MessageQueue<farm.WorkerMessage>();
  readonly #broken = new AbortController();
  /** By sequence, monotonic milliseconds; those that no lease can rest on any more are forgotten. */
  readonly #sentAtMs = new Map<number, number>();
  #sequence = 0;
  #answeredAtMs: number;
  #isWelcome = false;

  constructor(clock: Clock, connection: LeaderConnection, hello: farm.Hello, listener: SessionListener) {
    this.#clock = clock;
    this.#connection = connection;
    this.#listener = listener;
    this.#answeredAtMs = clock.monotonicMs();
    this.#sentAtMs.set(0, this.#answeredAtMs);
    this.say({ $case: "hello", value: hello });
  }

  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  /** Until the connection breaks, the leader is silent for too long, or the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const broken = this.#broken;
    const end = () => broken.abort(signal.reason);
    signal.addEventListener("abort", end);
    // It may have come while the connection was made.
    if (signal.aborted) end();
    this.#clock.sleep(WELCOME_MS, broken.signal).then(
      () => this.#isWelcome || this.#silent(`the leader does not answer for ${WELCOME_MS} ms`),
      () => {},
    );
    try {
      for await (const { message } of this.#connection.work(this.#outgoing, broken.signal)) {
        if (message?.$case === "welcome") this.#welcomed(message.value);
        else if (message !== undefined) this.#heard(message);
      }
    } finally {
      signal.removeEventListener("abort", end);
      this.#isWelcome = false;
      broken.abort();
      this.#outgoing.close();
      this.#connection.close();
    }
  }

  say(message: Said): void {
    this.#outgoing.send({ message });
  }

  /** When the beat, or for 0 the Hello, was sent; `undefined` for one that was not, or so long ago that nothing rests on it. */
  sentAtMs(sequence: number): number | undefined {
    return this.#sentAtMs.get(sequence);
  }

  #welcomed(welcome: farm.Welcome): void {
    this.#isWelcome = true;
    this.#answered(0);
    this.#listener.onWelcome(welcome);
    void this.#beat(Math.max(1, welcome.heartbeatMs), welcome.leaseMs);
  }

  #heard(message: Heard): void {
    if (message.$case === "renewed") this.#answered(message.value.sequence);
    this.#listener.onMessage(message);
  }

  /** Says every `heartbeatMs` what is held, until the connection is broken. */
  async #beat(heartbeatMs: number, leaseMs: number): Promise<void> {
    const pause = () =>
      this.#clock.sleep(heartbeatMs, this.#broken.signal).then(
        () => true,
        () => false,
      );
    while (await pause()) {
      const now = this.#clock.monotonicMs();
      if (now - this.#answeredAtMs > PATIENCE_BEATS * heartbeatMs) {
        this.#silent(`the leader has answered nothing for ${Math.round(now - this.#answeredAtMs)} ms`);
        return;
      }
      for (const [sequence, sentAtMs] of this.#sentAtMs) {
        if (sentAtMs + leaseMs >= now) break;
        this.#sentAtMs.delete(sequence);
      }
      const sequence = ++this.#sequence;
      this.#sentAtMs.set(sequence, now);
      this.say({ $case: "beat", value: { sequence, held: [...this.#listener.held()] } });
      this.#listener.onBeat();
    }
  }

  /** A beat was answered: the leader is there, as of its sending. */
  #answered(sequence: number): void {
    if (this.#sentAtMs.has(sequence)) this.#answeredAtMs = this.#clock.monotonicMs();
  }

  #silent(what: string): void {
    this.#broken.abort(new LeaderSilent("RNODE_LEADER_SILENT", what));
  }
}
