// One large blob through ByteStream, and questions for missing blobs, between two processes on the loopback.
//
//   node stream-blob.cjs DIRECTORY MEGABYTES QUESTIONS       prints {writeMs, readMs, serverCpuMs, serverPeakKib, ...}
//   node stream-blob.cjs --serve DIRECTORY                   the other process: its port, and at the end its own figures

import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Digest, Sha256 } from "../../src/base/index.ts";
import { FileBlobStore, FileBlobStreams } from "../../src/cache/index.ts";
import { byteStreamService, startServer, storageService } from "../../src/fulcrum/index.ts";
import { openChannel, STREAM_CHUNK_BYTES } from "../../src/fulcrum-client/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeClock,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import { bytestream, reapi } from "../../src/protocol/index.ts";

const QUESTION_DIGESTS = 100;

async function serve(cacheHome: string): Promise<void> {
  const bulk = new NodeBulkFiles();
  const [processes, random] = [new NodeProcessTable(), new KernelRandom()];
  const blobs = new FileBlobStore({ fs: new NodeFileTree(), bulk, processes, random, cacheHome });
  const instances = { accepts: (name: string) => name === "" };
  const streams = new FileBlobStreams(blobs, new NodeFileStreams());
  const server = await startServer({
    address: "127.0.0.1:0",
    services: [
      storageService({ instances, blobs }),
      byteStreamService({ instances, blobs, streams, clock: new NodeClock() }),
    ],
  });
  console.log(server.port);
  await once(process.stdin.resume(), "end");
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ cpuMs: (user + system) / 1000, peakKib: process.resourceUsage().maxRSS }));
  await server.stop(0);
  bulk.close();
}

async function measure(directory: string, megabytes: number, questions: number): Promise<void> {
  const child = spawn(process.execPath, [process.argv[1] as string, "--serve", directory], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const channel = await openChannel({ address: `127.0.0.1:${(await lines.next()).value}` });
  const bytes = channel.client(bytestream.ByteStreamDefinition);
  const cas = channel.client(reapi.ContentAddressableStorageDefinition);

  const piece = Buffer.alloc(STREAM_CHUNK_BYTES, "a piece of a large blob");
  const pieces = Math.ceil((megabytes * 1_000_000) / piece.length);
  const hash = createHash("sha256");
  for (let n = 0; n < pieces; n++) hash.update(piece);
  const digest: Digest = { hash: hash.digest("hex") as Sha256, sizeBytes: pieces * piece.length };
  async function* requests() {
    const resourceName = `uploads/${randomUUID()}/blobs/${digest.hash}/${digest.sizeBytes}`;
    for (let n = 0; n < pieces; n++) {
      yield { resourceName, writeOffset: n * piece.length, finishWrite: n === pieces - 1, data: piece };
    }
  }
  const timed = async (step: () => Promise<void>): Promise<number> => {
    const begin = performance.now();
    await step();
    return performance.now() - begin;
  };
  /** Of both processes so far. A clock tick is 10 ms on every Linux. */
  const cpuMs = (): number => {
    const server = readFileSync(`/proc/${child.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000 + (Number(server[11]) + Number(server[12])) * 10;
  };
  const cpuBegin = cpuMs();
  const writeMs = await timed(async () => {
    const { committedSize } = await bytes.write(requests());
    if (committedSize !== digest.sizeBytes) throw new Error(`${committedSize} of ${digest.sizeBytes} bytes were taken`);
  });
  const cpuWritten = cpuMs();
  const readMs = await timed(async () => {
    let count = 0;
    const resourceName = `blobs/${digest.hash}/${digest.sizeBytes}`;
    for await (const { data } of bytes.read({ resourceName, readOffset: 0, readLimit: 0 })) count += data.length;
    if (count !== digest.sizeBytes) throw new Error(`${count} of ${digest.sizeBytes} bytes were given`);
  });
  const cpuRead = cpuMs();
  const blobDigests = Array.from({ length: QUESTION_DIGESTS }, (_, n) => ({
    hash: createHash("sha256").update(String(n)).digest("hex"),
    sizeBytes: 1,
  }));
  const questionsMs = await timed(async () => {
    for (let asked = 0; asked < questions; asked += 8) {
      const ask = () => cas.findMissingBlobs({ instanceName: "", blobDigests, digestFunction: 0 });
      await Promise.all(Array.from({ length: Math.min(8, questions - asked) }, ask));
    }
  });
  channel.close();
  child.stdin.end();
  const server = JSON.parse((await lines.next()).value ?? "{}") as { cpuMs: number; peakKib: number };
  const sizeBytes = digest.sizeBytes;
  const { userCPUTime, systemCPUTime, maxRSS: peakKib } = process.resourceUsage();
  const client = { cpuMs: (userCPUTime + systemCPUTime) / 1000, peakKib };
  const cpu = { writeCpuMs: cpuWritten - cpuBegin, readCpuMs: cpuRead - cpuWritten };
  const digests = questions * QUESTION_DIGESTS;
  console.log(JSON.stringify({ sizeBytes, writeMs, readMs, ...cpu, questionsMs, digests, server, client }));
}

const [first = "", second = "", third = ""] = process.argv.slice(2);
await (first === "--serve" ? serve(second) : measure(first, Number(second), Number(third)));
