import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalJson, digestOf } from "../../src/base/index.ts";
import { travailCheck } from "../../src/cli/wiring/travail-check.ts";
import type { ExecutionRequest, ExecutionResult } from "../../src/executor/index.ts";
import { SharedCache } from "../../src/fulcrum-client/index.ts";
import { NodeClock } from "../../src/platform/index.ts";
import { farm } from "../../src/protocol/index.ts";
import {
  provePossession,
  signExecution,
  signerFromSeed,
  toExecOutput,
  travailBytes,
} from "../../src/provenance/index.ts";
import { executionRequest } from "../support/execution-request.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { type ReapiEndpoint, reapiEndpoint } from "../support/reapi-endpoint.ts";
import { encoded, purpose, type RemoteClient, remoteClient } from "../support/remote-client.ts";

describe("a shared cache", () => {
  const ledger = new MemoryLedger();
  const never = new AbortController().signal;
  let endpoint: ReapiEndpoint;
  let maker: RemoteClient;
  let reader: RemoteClient;

  beforeAll(async () => {
    endpoint = await reapiEndpoint({ mayUpdateResults: true });
    [maker, reader] = [await remoteClient(endpoint.address), await remoteClient(endpoint.address)];
  });
  afterAll(async () => {
    maker.close();
    reader.close();
    await endpoint.close();
  });

  const cacheOf = ({ channel, store, remote }: RemoteClient, takesUnsigned = false) =>
    new SharedCache({
      endpoint: { channel, instance: "", name: "grpc://cache" },
      blobs: store,
      remote,
      clock: new NodeClock(),
      check: travailCheck({ ledger, authority: undefined, endorse: async () => {} }),
      takesUnsigned,
    });

  const requestOf = (text: string): ExecutionRequest =>
    encoded(executionRequest("make", { files: { "d/a": text }, outputs: ["d/b", "d/tree/"], directory: "d" }));

  /** Executes and signs it as this machine would, and shares it. */
  async function share(request: ExecutionRequest, signer = ledger.signer): Promise<ExecutionResult> {
    const recipe = ({ write, print }: Parameters<ConstructorParameters<typeof FakeExecutor>[0]["recipe"]>[0]) => {
      write("d/b", `made ${request.actionDigest.hash}`, true);
      write("d/tree/x/y", "deep");
      print("well\n");
      return undefined;
    };
    const executor = new FakeExecutor({ blobs: maker.store, clock: new NodeClock(), recipe, level: "contained" });
    const result = await executor.execute(request, { signal: never });
    const names = purpose(ledger.origin);
    const listing = {
      argv: request.argv,
      env: request.env,
      directory: request.directory,
      platform: request.encoded?.platform ?? [],
      inputs: request.inputs.map(({ path, digest }) => ({ path, digest: digest.hash })),
    };
    const facts = {
      kind: "exec" as const,
      build: names.build,
      action: request.actionDigest.hash,
      asize: request.actionDigest.sizeBytes,
      dictum: names.dictum,
      chore: names.chore,
      image: request.encoded?.platform[0]?.[1] ?? "",
      in: { n: 2, root: request.encoded?.inputRoot.hash ?? digestOf("").hash },
      out: result.outputs.map(toExecOutput),
      io: { out: digestOf(result.stdout).hash, err: digestOf(result.stderr).hash },
      exit: 0,
      t0: result.startedAtMs,
      t1: result.finishedAtMs,
      ms: result.durationMs,
      rnode: signer.entry.rnode ?? "",
      level: result.isolation.level,
      sandbox: { backend: "process" },
      ver: "test",
      why: { r: "new" },
      attempt: 1,
      cacheable: true,
    };
    const body = signExecution(facts, listing, ledger.origin, signer);
    const travail = farm.Travail.fromPartial({
      body: travailBytes(body),
      key: Buffer.from(canonicalJson({ ...signer.entry })),
      log: ledger.origin,
      pop: provePossession(signer, ledger.origin),
    });
    await cacheOf(maker).offer({ request, result, travail }, never);
    return result;
  }

  const find = (request: ExecutionRequest, takesUnsigned = false) =>
    cacheOf(reader, takesUnsigned).find(request, purpose("another/ledger", { mayBeCached: true }), never);

  test("has nothing of what nobody shared", async () => {
    expect(await find(requestOf("nobody's"))).toEqual({ kind: "miss" });
  });

  test("gives a proven result with its outputs, level and rnode", async () => {
    const request = requestOf("proven");
    const made = await share(request);
    const found = await find(request);
    expect(found).toMatchObject({
      kind: "hit",
      result: { verdict: "ok", isolation: { level: "contained" }, elsewhere: { rnode: "frodo", cached: true } },
    });
    if (found.kind !== "hit") return;
    expect(found.result.outputs).toEqual(made.outputs);
    expect(found.result.stdout.toString()).toBe("well\n");
    for (const text of [`made ${request.actionDigest.hash}`, "deep"]) {
      expect(reader.store.read(digestOf(text)).toString()).toBe(text);
    }
  });

  test("of a key that nobody vouches for gives nothing, unless that is asked for, as level none", async () => {
    const request = requestOf("unknown key");
    await share(request, signerFromSeed(Buffer.alloc(32, 7), "rnode", "sauron"));
    expect(await find(request)).toMatchObject({
      kind: "unproven",
      because: expect.stringMatching(/no endorsed rnode/),
    });
    expect(await find(request, true)).toMatchObject({
      kind: "hit",
      result: { isolation: { level: "none" }, elsewhere: { rnode: "grpc://cache", travail: undefined } },
    });
  });

  test("whose blobs are gone, or are others than it says, gives nothing", async () => {
    const request = requestOf("to be lost");
    await share(request);
    endpoint.store.discard(endpoint.store.layout.blob(digestOf(`made ${request.actionDigest.hash}`).hash));
    expect(await find(request)).toEqual({ kind: "miss" });
  });

  test("that does not answer says so", async () => {
    const other = await reapiEndpoint({ mayUpdateResults: false });
    const client = await remoteClient(other.address);
    await other.close();
    const asked = cacheOf(client).find(requestOf("x"), purpose("l", { mayBeCached: true }), AbortSignal.timeout(5_000));
    await expect(asked).rejects.toMatchObject({ status: "UNAVAILABLE" });
    client.close();
  });
});
