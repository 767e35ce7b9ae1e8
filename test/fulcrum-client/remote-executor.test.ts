import { chmodSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { digestOf, type WorkspacePath } from "../../src/base/index.ts";
import { travailCheck } from "../../src/cli/wiring/travail-check.ts";
import type { ExecutionRequest } from "../../src/executor/index.ts";
import type { RemoteExecutor } from "../../src/fulcrum-client/index.ts";
import { signerFromSeed } from "../../src/provenance/index.ts";
import { executionRequest } from "../support/execution-request.ts";
import type { FakeRun } from "../support/fake-executor.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { encoded, purpose, type RemoteClient, remoteClient } from "../support/remote-client.ts";
import { type Answer, type RemoteWorker, remoteWorker } from "../support/remote-worker.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

/** Makes `b` of `a`, or a tree. */
const recipe = (run: FakeRun) => {
  const text = `made of ${run.inputs.get("a")}`;
  if (run.request.outputs.some(({ path }) => path === "d")) run.write("d/e/f", text);
  else run.write("b", text, true);
  run.print("copied\n");
  return undefined;
};

describe("an execution elsewhere", () => {
  const ledger = new MemoryLedger();
  let worker: RemoteWorker;
  let client: RemoteClient;
  let executor: RemoteExecutor;
  let fresh = 0;
  const never = new AbortController().signal;

  beforeAll(async () => {
    worker = await remoteWorker({ recipe, signer: ledger.signer });
  });
  afterAll(() => worker.close());
  beforeEach(async () => {
    client = await remoteClient(worker.address);
    const endorse = async () => Promise.reject(new Error("nobody may decide that here"));
    const check = travailCheck({ ledger, authority: undefined, endorse });
    executor = client.executor({ check });
    Object.assign(worker.faults, { cuts: 0, forgets: false, evicts: [], lies: undefined });
    worker.faults.refusals.left = 0;
    Object.assign(worker.calls, { execute: 0, wait: 0 });
    return async () => {
      await executor.close();
      client.close();
    };
  });

  /** An action that nobody has had executed. */
  const copy = (text = `text ${++fresh}`, outputs = ["b"]): ExecutionRequest =>
    encoded(executionRequest("copy", { files: { a: text }, outputs }));
  const run = (request: ExecutionRequest, parts = {}, by = executor) =>
    by.execute(request, { signal: never, purpose: purpose(ledger.origin, parts) });
  const ranFor = () => worker.executor.executed.length;

  test("says which rnode signed it and at what level", async () => {
    const result = await run(copy());
    expect(result).toMatchObject({ verdict: "ok", elsewhere: { rnode: "frodo", cached: false } });
    expect(result.isolation).toMatchObject({ level: "none", backend: "process" });
    expect(result.elsewhere?.travail?.log).toBe(ledger.origin);
  });

  test("goes on waiting where the stream was cut", async () => {
    const before = ranFor();
    worker.faults.cuts = 2;
    expect((await run(copy())).verdict).toBe("ok");
    expect([worker.calls.execute, worker.calls.wait, ranFor() - before]).toEqual([1, 2, 1]);
  });

  test("asks anew where the server has forgotten it", async () => {
    Object.assign(worker.faults, { cuts: 1, forgets: true });
    expect((await run(copy())).verdict).toBe("ok");
    expect([worker.calls.execute, worker.calls.wait]).toEqual([2, 1]);
  });

  test("is asked for again while the server is busy, and given up when it stays so", async () => {
    worker.faults.refusals = { status: "RESOURCE_EXHAUSTED", left: 2 };
    expect((await run(copy())).verdict).toBe("ok");
    worker.faults.refusals = { status: "UNAVAILABLE", left: 99 };
    await expect(run(copy())).rejects.toMatchObject({ code: "EXECUTOR_GONE" });
    worker.faults.refusals = { status: "FAILED_PRECONDITION", left: 1 };
    await expect(run(copy())).rejects.toMatchObject({ code: "EXECUTOR_REFUSED" });
  });

  test("brings an input again that was evicted before it was used", async () => {
    const request = copy("evicted in between");
    worker.faults.evicts = [digestOf("evicted in between")];
    expect((await run(request)).verdict).toBe("ok");
    expect(worker.calls.execute).toBe(2);
  });

  test("asks for nothing twice that it has seen there", async () => {
    const missing = vi.spyOn(client.remote, "missing");
    const request = copy();
    await run(request);
    await run(request);
    expect(missing).toHaveBeenCalledTimes(1);
    const other = encoded(
      executionRequest("copy", { files: { a: `text ${fresh}` }, outputs: ["b"], timeoutMs: 9_000 }),
    );
    await run(other);
    // Of an action with the same input root, the Action alone.
    expect([...(missing.mock.calls[1]?.[0] ?? [])]).toEqual([other.actionDigest]);
  });

  test("takes what was executed before, where that will do", async () => {
    const request = copy();
    await run(request);
    const before = ranFor();
    expect((await run(request, { mayBeCached: true })).elsewhere?.cached).toBe(true);
    expect((await run(request, { mayBeCached: false })).elsewhere?.cached).toBe(false);
    expect(ranFor() - before).toBe(1);
  });

  test("has it executed anew where a blob of the earlier result is gone", async () => {
    const request = copy("its output will be lost");
    await run(request);
    const other = await remoteClient(worker.address);
    const check = travailCheck({ ledger, authority: undefined, endorse: async () => {} });
    const made = digestOf("made of its output will be lost");
    worker.store.discard(worker.store.layout.blob(made.hash));
    const before = ranFor();
    const again = await run(request, { mayBeCached: true }, other.executor({ check }));
    expect(again).toMatchObject({ verdict: "ok", elsewhere: { cached: false } });
    expect([ranFor() - before, other.store.read(made).toString()]).toEqual([1, "made of its output will be lost"]);
    other.close();
  });

  test("leaves outputs where they were made until somebody wants them", async () => {
    const lazily = client.executor({
      check: travailCheck({ ledger, authority: undefined, endorse: async () => {} }),
      lazily: true,
    });
    const text = `made for later ${++fresh}`;
    const result = await run(copy(text, ["d/"]), {}, lazily);
    const file = digestOf(`made of ${text}`);
    expect(result.outputs[0]).toMatchObject({ path: "d", kind: "tree" });
    expect([client.store.has(file), client.lazy.has(file)]).toEqual([false, true]);
    const scratch = scratchDirectory();
    await client.lazy.materialise([{ digest: file, path: `${scratch.path}/f`, executable: false }]);
    expect(client.store.has(file)).toBe(true);
    worker.store.discard(worker.store.layout.blob(file.hash));
    client.store.discard(client.store.layout.blob(file.hash));
    client.lazy.offer([file]);
    await expect(client.lazy.pathOf(file)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    expect(client.lazy.has(file)).toBe(false);
    scratch.dispose();
  });

  test("does not take bytes that are not what was named", async () => {
    const request = copy("these bytes will be changed");
    const { hash } = digestOf("made of these bytes will be changed");
    await run(request);
    const place = worker.store.layout.blob(hash);
    chmodSync(place, 0o644);
    writeFileSync(place, "MADE of these bytes will be changed");
    const other = await remoteClient(worker.address);
    const check = travailCheck({ ledger, authority: undefined, endorse: async () => {} });
    const call = run(request, { mayBeCached: true }, other.executor({ check }));
    await expect(call).rejects.toMatchObject({ code: "EXECUTOR_UNTRUSTED" });
    other.close();
    worker.store.discard(place);
  });

  const stranger = signerFromSeed(Buffer.alloc(32, 9), "rnode", "frodo");
  const lies: readonly (readonly [what: string, lie: (answer: Answer) => Partial<Answer>, because: RegExp])[] = [
    ["an unsigned result", () => ({ travail: undefined }), /without a travail/],
    [
      "other outputs than were signed",
      ({ result }) => {
        const digest = worker.store.write(Buffer.from("lie"));
        return { result: { ...result, outputFiles: result.outputFiles.map((file) => ({ ...file, digest })) } };
      },
      /other outputs/,
    ],
    [
      "other output on the terminal",
      ({ result }) => ({ result: { ...result, stdoutDigest: worker.store.write(Buffer.from("lie")) } }),
      /printed something else/,
    ],
    ["another exit status", ({ result }) => ({ result: { ...result, exitCode: 3 } }), /exited 0/],
    ["a missing output", ({ result }) => ({ result: { ...result, outputFiles: [] } }), /other outputs/],
    [
      "another key",
      ({ travail }) => ({ travail: travail && { ...travail, key: json(stranger.entry) } }),
      /comes with key/,
    ],
    [
      "a broken signature",
      ({ travail }) => {
        const text = Buffer.from(travail?.body ?? []).toString();
        const body = Buffer.from(text.replace(/"sig":"[^"]{10}/, '"sig":"AAAAAAAAAA'));
        return { travail: travail && { ...travail, body } };
      },
      /not by key/,
    ],
    [
      "other facts than were signed",
      ({ travail }) => {
        const body = Buffer.from(
          Buffer.from(travail?.body ?? [])
            .toString()
            .replace('"level":"none"', '"level":"hermetic"'),
        );
        return { travail: travail && { ...travail, body } };
      },
      /does not imply/,
    ],
    [
      "what does not parse",
      ({ travail }) => ({ travail: travail && { ...travail, body: Buffer.from("{") } }),
      /does not parse/,
    ],
  ];
  for (const [what, lie, because] of lies) {
    test(`is refused when the rnode sends ${what}`, async () => {
      worker.faults.lies = lie;
      const failure = await run(copy()).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "EXECUTOR_UNTRUSTED" });
      expect((failure as Error).message).toMatch(because);
    });
  }

  /** Remembers what is answered next. */
  const keeping = (): { answer?: Answer } => {
    const kept: { answer?: Answer } = {};
    worker.faults.lies = (answer) => {
      kept.answer = { ...answer };
      return {};
    };
    return kept;
  };

  test("is refused when it is the result of another action", async () => {
    const kept = keeping();
    await run(copy());
    worker.faults.lies = () => ({ travail: kept.answer?.travail });
    await expect(run(copy())).rejects.toMatchObject({
      code: "EXECUTOR_UNTRUSTED",
      message: expect.stringMatching(/it is of action/) as string,
    });
  });

  test("signed for another build it is taken only where an execution of before will do", async () => {
    const kept = keeping();
    const request = copy();
    await run(request, { build: "theirs" });
    worker.faults.lies = () => ({ travail: kept.answer?.travail });
    await expect(run(request)).rejects.toMatchObject({ code: "EXECUTOR_UNTRUSTED" });
    worker.faults.lies = undefined;
    const taken = await run(request, { mayBeCached: true });
    expect(taken.elsewhere).toMatchObject({ rnode: "frodo", cached: true });
  });

  test("by an endpoint that proves nothing is worth nothing, and says so", async () => {
    const unattested = client.executor({});
    const result = await run(copy(undefined, ["d/"]), {}, unattested);
    expect(result).toMatchObject({
      verdict: "ok",
      elsewhere: { rnode: "grpc://worker", travail: undefined },
      isolation: { level: "none", backend: "remote" },
    });
    const input = { path: "a" as WorkspacePath, digest: digestOf("x"), executable: false };
    const lost = encoded(executionRequest("copy", { inputs: [{ ...input, from: { blob: true } }], outputs: ["b"] }));
    await expect(run(lost, {}, unattested)).rejects.toMatchObject({ code: "EXECUTOR_INPUT_MISSING", inputs: ["a"] });
  });
});

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
