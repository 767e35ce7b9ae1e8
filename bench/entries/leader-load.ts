// A leader in a process of its own: how quickly it answers what it has, and what it takes to hold what it has not.
//
//   node leader-load.mjs DIRECTORY HITS QUEUED      prints {hitsMs, hitsCpuMs, clientCpuMs, idleKib, queuedKib, queuedCpuMs}
//   node leader-load.mjs --serve DIRECTORY          the other process: its port; then a line of figures for each line it reads

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type Digest, digestOf } from "../../src/base/index.ts";
import { FileBlobStore } from "../../src/cache/index.ts";
import { BELIEVED, createLeader, ResultStore, startServer, storageService } from "../../src/fulcrum/index.ts";
import { openChannel, requestMetadata } from "../../src/fulcrum-client/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeClock,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import { SILENT_LOG } from "../../src/ports/index.ts";
import { reapi } from "../../src/protocol/index.ts";

/** Chores that a build asks for at once. */
const IN_FLIGHT = 64;

async function serve(directory: string): Promise<void> {
  const bulk = new NodeBulkFiles();
  const [files, clock, random, log] = [new NodeFileTree(), new NodeClock(), new KernelRandom(), SILENT_LOG];
  const cacheHome = `${directory}/cache`;
  const blobs = new FileBlobStore({ fs: files, bulk, processes: new NodeProcessTable(), random, cacheHome });
  const instances = { accepts: () => true };
  const trust = BELIEVED;
  const results = new ResultStore({
    files,
    clock,
    log,
    directory: `${directory}/results`,
    trust,
    takesUnsigned: false,
  });
  const leader = createLeader({
    ports: { clock, random, files, streams: new NodeFileStreams(), log },
    name: "leader",
    directory: `${directory}/leader`,
    instances,
    blobs,
    results,
    trust,
    ledgerOrigin: "bench",
    version: "0",
  });
  const services = [...leader.services, storageService({ instances, blobs })];
  const server = await startServer({ address: "127.0.0.1:0", services });
  const output = blobs.write(Buffer.from("an output"));
  for (let n = 0; n < Number(process.argv[4]); n++) {
    const outputFiles = [{ path: "out", digest: output }];
    const result = reapi.ActionResult.fromPartial({ outputFiles, executionMetadata: { worker: "r1" } });
    await results.put("", digestOf(`hit ${n}`), result, undefined);
  }
  console.log(server.port);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", () => {
    globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    const rssKib = Number(/VmRSS:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
    console.log(JSON.stringify({ cpuMs: (user + system) / 1000, rssKib, queued: leader.figures().queued }));
  });
  await once(lines, "close");
  await leader.stop();
  await server.stop(0);
  bulk.close();
}

async function measure(directory: string, hits: number, queued: number): Promise<void> {
  const child = spawn(
    process.execPath,
    ["--expose-gc", process.argv[1] as string, "--serve", directory, String(hits)],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  const port = await next();
  const figures = async () => {
    child.stdin.write("\n");
    return JSON.parse(await next()) as { cpuMs: number; rssKib: number; queued: number };
  };
  const channel = await openChannel({ address: `127.0.0.1:${port}` });
  const execution = channel.client(reapi.ExecutionDefinition);
  const metadata = requestMetadata(reapi.RequestMetadata.fromPartial({ toolInvocationId: "build" }));
  const ask = (actionDigest: Digest) =>
    execution.execute(reapi.ExecuteRequest.fromPartial({ actionDigest }), { metadata });
  const hit = async (n: number) => {
    for await (const { done } of ask(digestOf(`hit ${n}`))) if (!done) throw new Error("a hit was executed");
  };
  const allHits = async () => {
    let n = 0;
    const one = async () => {
      while (n < hits) await hit(n++);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  };
  // Once for the compiler.
  await allHits();
  const idle = await figures();
  const ownCpu = process.cpuUsage();
  const begin = performance.now();
  await allHits();
  const hitsMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(ownCpu);
  const afterHits = await figures();

  const cas = channel.client(reapi.ContentAddressableStorageDefinition);
  const bring = async (blobs: readonly Uint8Array[]): Promise<Digest[]> => {
    const requests = blobs.map((data) => ({ digest: digestOf(data), data, compressor: 0 as const }));
    await cas.batchUpdateBlobs({ instanceName: "", requests, digestFunction: 0 });
    return requests.map(({ digest }) => digest);
  };
  const inputs = await bring(Array.from({ length: 20 }, (_, n) => Buffer.from(`source ${n}`)));
  const files = inputs.map((digest, n) => ({ name: `f${String(n).padStart(2, "0")}`, digest, isExecutable: false }));
  const [inputRootDigest] = await bring([reapi.Directory.encode(reapi.Directory.fromPartial({ files })).finish()]);
  const listening: Promise<unknown>[] = [];
  for (let first = 0; first < queued; first += 500) {
    const numbers = Array.from({ length: Math.min(500, queued - first) }, (_, i) => first + i);
    const commands = numbers.map((n) =>
      reapi.Command.encode(reapi.Command.fromPartial({ arguments: ["cc", `${n}`] })).finish(),
    );
    const digests = await bring(commands);
    const actions = digests.map((commandDigest) =>
      reapi.Action.encode(reapi.Action.fromPartial({ commandDigest, inputRootDigest })).finish(),
    );
    for (const actionDigest of await bring(actions)) {
      const request = reapi.ExecuteRequest.fromPartial({ actionDigest });
      const stream = execution.execute(request, { metadata });
      await stream.next();
      listening.push(stream.next().catch(() => {}));
    }
  }
  const full = await figures();
  if (full.queued !== queued) throw new Error(`${full.queued} of ${queued} executions are queued`);
  channel.close();
  await Promise.all(listening);
  child.stdin.end();
  await once(child, "exit");
  console.log(
    JSON.stringify({
      hitsMs,
      hitsCpuMs: afterHits.cpuMs - idle.cpuMs,
      clientCpuMs: (user + system) / 1000,
      idleKib: idle.rssKib,
      queuedKib: full.rssKib,
      queuedCpuMs: full.cpuMs - afterHits.cpuMs,
    }),
  );
}

const [first = "", second = "", third = ""] = process.argv.slice(2);
await (first === "--serve" ? serve(second) : measure(first, Number(second), Number(third)));
