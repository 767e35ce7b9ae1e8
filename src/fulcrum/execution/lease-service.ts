import { RpcError } from "../../fulcrum-client/index.ts";
import { farm } from "../../protocol/index.ts";
import { HEARTBEAT_MS } from "../leader/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";
import type { Connection } from "./connections.ts";
import type { Executions } from "./executions.ts";
import { MessageQueue } from "./message-queue.ts";
import type { LeaderOptions } from "./options.ts";

const MOST_SLOTS = 4096;
/** Outputs that a result brings along, bytes: above it the two calls of an upload cost little beside their bytes. */
const RESULT_BLOB_BYTES = 64 * 1024;

/** One stream for each rnode: what it is told, and what it says. Protocol: docs/formats.md, "Leases". */
export function leaseService(executions: Executions, options: LeaderOptions): BoundService {
  return bindService(farm.LeaseDefinition, {
    async *work(requests, context) {
      const incoming = requests[Symbol.asyncIterator]();
      const first = await incoming.next();
      const hello = first.done ? undefined : first.value.message;
      if (hello?.$case !== "hello") throw new RpcError("INVALID_ARGUMENT", "the first message of an rnode is Hello");
      const rnode = checkedName(hello.value, options.trust.nameOf(context));
      const outgoing = new MessageQueue<farm.LeaderMessage>();
      const connection = executions.connections.open(hello.value, rnode, outgoing, executions.wallMs);
      const leave = () => outgoing.close();
      context.signal.addEventListener("abort", leave);
      try {
        const { leaseMs } = executions.state.config;
        const welcome = {
          leaseMs,
          leaderBoot: executions.boot,
          heartbeatMs: HEARTBEAT_MS,
          resultBlobBytes: RESULT_BLOB_BYTES,
        };
        outgoing.send({ message: { $case: "welcome", value: welcome } });
        const tellRevoked = revocationsFor(outgoing, hello.value.revocations);
        tellRevoked();
        executions.connected(connection);
        listen(connection, incoming, tellRevoked).then(leave, leave);
        yield* outgoing;
      } finally {
        context.signal.removeEventListener("abort", leave);
        executions.disconnected(connection);
      }
    },
  });

  /** Tells the rnode of memberships that are over, each once: when it comes, and then within a heartbeat. */
  function revocationsFor(outgoing: MessageQueue<farm.LeaderMessage>, known: number): () => void {
    let told = known;
    return () => {
      const { count, documents } = options.revocations?.documents(told) ?? { count: told, documents: [] };
      told = count;
      if (documents.length > 0)
        outgoing.send({ message: { $case: "revoked", value: { documents: [...documents] as Buffer[] } } });
    };
  }

  /** Until the rnode says no more. */
  async function listen(
    connection: Connection,
    incoming: AsyncIterator<farm.WorkerMessage>,
    onBeat: () => void,
  ): Promise<void> {
    for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
      // A kind of message that this version does not know is none of its business.
      const { message } = next.value;
      if (message === undefined) continue;
      if (message.$case === "beat") onBeat();
      executions.said(connection, message);
    }
  }
}

/** An rnode is who its certificate says; nobody speaks for another one. */
function checkedName(hello: farm.Hello, certified: string | undefined): string {
  if (hello.name === "" || hello.bootId === "")
    throw new RpcError("INVALID_ARGUMENT", "an rnode has a name and a boot");
  if (certified !== undefined && hello.name !== certified) {
    throw new RpcError("PERMISSION_DENIED", `the certificate is that of rnode ${certified}, not of ${hello.name}`);
  }
  if (hello.slots < 1 || hello.slots > MOST_SLOTS) {
    throw new RpcError(
      "INVALID_ARGUMENT",
      `rnode ${hello.name} has ${hello.slots} slots; there are 1 to ${MOST_SLOTS}`,
    );
  }
  return hello.name;
}
