import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bindService, type CallContext, type RunningServer, startServer } from "../../../src/fulcrum/wire/index.ts";
import { type Channel, openChannel, RpcError, requestMetadata } from "../../../src/fulcrum-client/index.ts";
import { bytestream, durationOf, health, packAny, reapi, reflection, rpc } from "../../../src/protocol/index.ts";

const CHUNK = Buffer.alloc(256 * 1024, 7);

describe("calls over a loopback connection", () => {
  let server: RunningServer;
  let channel: Channel;
  let seen: CallContext | undefined;
  let produced = 0;
  let returned: () => void;
  let isReturned: Promise<void>;

  beforeEach(async () => {
    produced = 0;
    isReturned = new Promise((resolve) => {
      returned = resolve;
    });
    server = await startServer({
      address: "127.0.0.1:0",
      services: [
        bindService(health.HealthDefinition, {
          async check({ service }, context) {
            seen = context;
            if (service === "refused") {
              const details = [packAny("google.rpc.RetryInfo", rpc.RetryInfo, { retryDelay: durationOf(1500) })];
              throw new RpcError("RESOURCE_EXHAUSTED", "no room", { details });
            }
            if (service === "never") {
              const { signal } = context;
              await new Promise<void>((resolve) => {
                if (signal.aborted) resolve();
                else signal.addEventListener("abort", () => resolve());
              });
              returned();
            }
            if (service === "broken") throw new TypeError("begat's own mistake");
            return { status: 1 };
          },
          async *watch({ service }) {
            for (const status of [0, 1, 2] as const) yield { status };
            if (service === "refused") throw new RpcError("ABORTED", "enough");
          },
        }),
        bindService(bytestream.ByteStreamDefinition, {
          async *read() {
            try {
              for (; ; produced++) yield { data: CHUNK };
            } finally {
              returned();
            }
          },
          async write(requests) {
            let committedSize = 0;
            for await (const { data, resourceName } of requests) {
              committedSize += data.length;
              if (resourceName === "early") return { committedSize: 99 };
            }
            return { committedSize };
          },
          queryWriteStatus: async () => ({ committedSize: 0, complete: false }),
        }),
        bindService(reflection.ServerReflectionDefinition, {
          async *serverReflectionInfo(requests) {
            for await (const request of requests)
              yield reflection.ServerReflectionResponse.create({ validHost: request.host });
          },
        }),
      ],
    });
    channel = await openChannel({ address: `127.0.0.1:${server.port}` });
  });
  afterEach(async () => {
    channel.close();
    await server.stop(100);
  });

  const failureOf = async (call: Promise<unknown>): Promise<RpcError> => {
    const error = await call.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (!(error instanceof RpcError)) throw error ?? new Error("the call succeeded");
    return error;
  };

  test("answers a unary call, and the handler sees who asked and why", async () => {
    const metadata = requestMetadata(reapi.RequestMetadata.create({ actionMnemonic: "CppCompile" }));
    const answer = await channel.client(health.HealthDefinition).check({ service: "" }, { metadata, timeoutMs: 5000 });
    expect(answer).toEqual({ status: 1 });
    expect(seen?.requestMetadata()?.actionMnemonic).toBe("CppCompile");
    expect(seen?.travailContext()).toBeUndefined();
    expect(seen?.certificate).toBeUndefined();
    expect(seen?.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(seen?.deadlineMs).toBeGreaterThan(0);
  });

  test("carries a status with its details and begat's own code", async () => {
    const error = await failureOf(channel.client(health.HealthDefinition).check({ service: "refused" }));
    expect([error.code, error.peerCode, error.retryDelayMs]).toEqual([
      "RPC_RESOURCE_EXHAUSTED",
      "RPC_RESOURCE_EXHAUSTED",
      1500,
    ]);
    expect(error.message).toBe("grpc.health.v1.Health/Check: no room (RESOURCE_EXHAUSTED)");
  });

  test("answers INTERNAL for a mistake of the handler's", async () => {
    const error = await failureOf(channel.client(health.HealthDefinition).check({ service: "broken" }));
    expect(error.code).toBe("RPC_INTERNAL");
  });

  test("ends a call at its deadline, here and there", async () => {
    const call = channel.client(health.HealthDefinition).check({ service: "never" }, { timeoutMs: 50 });
    expect((await failureOf(call)).code).toBe("RPC_DEADLINE_EXCEEDED");
    await isReturned;
  });

  test("a signal cancels the call, here and there", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const call = channel.client(health.HealthDefinition).check({ service: "never" }, { signal: controller.signal });
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test("a server that cannot be reached is UNAVAILABLE", async () => {
    const nobody = await openChannel({ address: "unix:/nonexistent/begat.sock" });
    const error = await failureOf(nobody.client(health.HealthDefinition).check({ service: "" }));
    expect(error.code).toBe("RPC_UNAVAILABLE");
    nobody.close();
  });

  test("streams answers in order, then the error that ended them", async () => {
    const got: number[] = [];
    const error = await failureOf(
      (async () => {
        for await (const { status } of channel.client(health.HealthDefinition).watch({ service: "refused" })) {
          got.push(status);
        }
      })(),
    );
    expect([got, error.code]).toEqual([[0, 1, 2], "RPC_ABORTED"]);
  });

  test("a reader that stops holds the sender up, and one that leaves ends it", async () => {
    const stream = channel
      .client(bytestream.ByteStreamDefinition)
      .read({ resourceName: "", readOffset: 0, readLimit: 0 });
    await stream.next();
    let before = -1;
    // Until nothing more is made for many turns of the loop: then the buffers on the way are full.
    for (let still = 0; still < 2000; still = produced === before ? still + 1 : 0) {
      before = produced;
      await turn();
    }
    expect(produced * CHUNK.length).toBeLessThan(64 * 1024 * 1024);
    await stream.return();
    await isReturned;
  });

  test("takes a stream of requests", async () => {
    async function* requests() {
      for (let n = 0; n < 40; n++) yield { resourceName: "", writeOffset: 0, finishWrite: n === 39, data: CHUNK };
    }
    const answer = await channel.client(bytestream.ByteStreamDefinition).write(requests());
    expect(answer.committedSize).toBe(40 * CHUNK.length);
  });

  test("answers before everything was sent, and the sender stops", async () => {
    async function* requests() {
      try {
        for (;;) yield { resourceName: "early", writeOffset: 0, finishWrite: false, data: CHUNK };
      } finally {
        returned();
      }
    }
    const answer = await channel.client(bytestream.ByteStreamDefinition).write(requests());
    expect(answer.committedSize).toBe(99);
    await isReturned;
  });

  test("a failure of the sender's own ends the call", async () => {
    const mistake = new Error("cannot read the file");
    // biome-ignore lint/correctness/useYield: it fails before it has anything.
    async function* requests(): AsyncGenerator<bytestream.WriteRequest> {
      throw mistake;
    }
    await expect(channel.client(bytestream.ByteStreamDefinition).write(requests())).rejects.toBe(mistake);
  });

  test("talks both ways, one question after another", async () => {
    let more = (_: reflection.ServerReflectionRequest | undefined): void => {};
    async function* questions() {
      for (;;) {
        const next = await new Promise<reflection.ServerReflectionRequest | undefined>((resolve) => {
          more = resolve;
        });
        if (next === undefined) return;
        yield next;
      }
    }
    const answers = channel.client(reflection.ServerReflectionDefinition).serverReflectionInfo(questions());
    const hosts: string[] = [];
    for (const host of ["a", "b"]) {
      const next = answers.next();
      await turn();
      more(reflection.ServerReflectionRequest.create({ host }));
      hosts.push((await next).value?.validHost ?? "none");
    }
    more(undefined);
    expect(hosts).toEqual(["a", "b"]);
    expect((await answers.next()).done).toBe(true);
  });
});
