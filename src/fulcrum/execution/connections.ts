import type { farm } from "../../protocol/index.ts";
import type { MessageQueue } from "./message-queue.ts";

/** One stream of one rnode, from its Hello to its end. */
export interface Connection {
  readonly rnode: string;
  /** Of the rnode's process. */
  readonly boot: string;
  /** Grows with each connection, whosever. */
  readonly number: number;
  readonly outgoing: MessageQueue<farm.LeaderMessage>;
  /** As it introduced itself. */
  readonly hello: farm.Hello;
  /** Milliseconds since 1970. */
  lastHeardMs: number;
}

/** The newest stream of each rnode: the only one it is spoken to by. */
export class Connections {
  readonly #current = new Map<string, Connection>();
  #numbers = 0;

  open(hello: farm.Hello, rnode: string, outgoing: MessageQueue<farm.LeaderMessage>, nowMs: number): Connection {
    const number = ++this.#numbers;
    const connection: Connection = { rnode, boot: hello.bootId, number, outgoing, hello, lastHeardMs: nowMs };
    // The rnode has given up the one before, or does not know yet that it is broken.
    this.#current.get(rnode)?.outgoing.close();
    this.#current.set(rnode, connection);
    return connection;
  }

  /** Also after it was closed, for status. */
  get(rnode: string): Connection | undefined {
    return this.#current.get(rnode);
  }

  isCurrent(connection: Connection): boolean {
    return this.#current.get(connection.rnode) === connection;
  }

  send(rnode: string, message: NonNullable<farm.LeaderMessage["message"]>): void {
    this.#current.get(rnode)?.outgoing.send({ message });
  }

  closeAll(): void {
    for (const { outgoing } of this.#current.values()) outgoing.close();
  }
}
