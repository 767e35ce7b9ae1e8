import { type Channel, openChannel } from "../../src/fulcrum-client/index.ts";
import { farm, reapi, rpc } from "../../src/protocol/index.ts";

type Said = NonNullable<farm.WorkerMessage["message"]>;
type Heard = NonNullable<farm.LeaderMessage["message"]>;

/** What a scripted rnode answers an assignment with; what it leaves out is filled in. */
export type Outcome = Partial<farm.Result>;

/** An rnode's side of the lease protocol, whose every word the test decides. It executes what `run` does. */
export class ScriptedRnode {
  readonly name: string;
  readonly heard: Heard[] = [];
  /** By lease. */
  readonly assigned = new Map<string, farm.Assign>();
  #beats = 0;
  #channel: Channel | undefined;
  #outgoing: Said[] = [];
  #wake = () => {};
  #isOver = false;
  #waiting = new Set<() => void>();
  readonly #run: ((assign: farm.Assign) => Promise<Outcome>) | undefined;

  constructor(name: string, run?: (assign: farm.Assign) => Promise<Outcome>) {
    this.name = name;
    this.#run = run;
  }

  /** Connects and says Hello; resolves with the Welcome. */
  async connect(address: string, hello: Partial<farm.Hello> = {}): Promise<farm.Welcome> {
    this.#isOver = false;
    this.#beats = 0;
    this.#outgoing = [];
    this.heard.length = 0;
    this.#channel = await openChannel({ address });
    const given = { name: this.name, bootId: `${this.name} boot 1`, slots: 1, anyImage: true, ...hello };
    this.say({ $case: "hello", value: farm.Hello.fromPartial(given) });
    void this.#listen(this.#channel.client(farm.LeaseDefinition).work(this.#said()));
    return (await this.next("welcome")) as farm.Welcome;
  }

  /** Connects where it is not let in; rejects with why. */
  async refusal(address: string, hello: Partial<farm.Hello> = {}): Promise<void> {
    const channel = await openChannel({ address });
    const given = { name: this.name, bootId: `${this.name} boot 1`, slots: 1, ...hello };
    async function* said(): AsyncGenerator<farm.WorkerMessage> {
      yield { message: { $case: "hello", value: farm.Hello.fromPartial(given) } };
    }
    try {
      for await (const _ of channel.client(farm.LeaseDefinition).work(said())) return;
    } finally {
      channel.close();
    }
  }

  say(message: Said): void {
    this.#outgoing.push(message);
    this.#wake();
  }

  /** Says which leases it holds: all that were assigned, or these. */
  beat(held: readonly string[] = [...this.assigned.keys()]): void {
    this.say({ $case: "beat", value: { sequence: ++this.#beats, held: [...held] } });
  }

  accept(assign: farm.Assign): void {
    const { leaseId, fence } = assign;
    this.say({ $case: "accepted", value: { leaseId, fence } });
    this.say({ $case: "running", value: { leaseId, fence, startedAt: undefined } });
  }

  result({ leaseId, fence, key, actionDigest }: farm.Assign, outcome: Outcome): void {
    this.say({ $case: "result", value: farm.Result.fromPartial({ leaseId, fence, key, actionDigest, ...outcome }) });
  }

  /** The first message of this kind that was not taken yet. */
  async next<C extends Heard["$case"]>($case: C): Promise<Extract<Heard, { $case: C }>["value"]> {
    for (;;) {
      const at = this.heard.findIndex((message) => message.$case === $case);
      if (at >= 0) return this.heard.splice(at, 1)[0]?.value as never;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Cuts the connection. */
  close(): void {
    this.#isOver = true;
    this.#wake();
    this.#channel?.close();
  }

  async *#said(): AsyncGenerator<farm.WorkerMessage> {
    for (;;) {
      for (const message of this.#outgoing.splice(0)) yield { message };
      if (this.#isOver) return;
      if (this.#outgoing.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #listen(messages: AsyncIterable<farm.LeaderMessage>): Promise<void> {
    try {
      for await (const { message } of messages) {
        if (message === undefined) continue;
        this.heard.push(message);
        if (message.$case === "acknowledged") this.assigned.delete(message.value.leaseId);
        if (message.$case === "assign") void this.#assigned(message.value);
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      }
    } catch {
      // Cut: by the test, or by a leader that stops.
    }
  }

  async #assigned(assign: farm.Assign): Promise<void> {
    this.assigned.set(assign.leaseId, assign);
    if (this.#run === undefined) return;
    this.accept(assign);
    this.result(assign, await this.#run(assign));
  }
}

/** A success that made these files, which are in the leader's store already. */
export function success(files: Readonly<Record<string, { hash: string; sizeBytes: number }>> = {}): Outcome {
  const outputFiles = Object.entries(files).map(([path, digest]) => ({ path, digest }));
  return { verdict: "ok", actionResult: reapi.ActionResult.fromPartial({ outputFiles }) };
}

export const failure = (code: number, message: string): Outcome => ({
  status: rpc.Status.fromPartial({ code, message }),
});
