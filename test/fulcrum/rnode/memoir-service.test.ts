import { afterAll, beforeAll, expect, test } from "vitest";
import { memoirService, type RunningServer, startServer } from "../../../src/fulcrum/index.ts";
import { type Channel, openChannel } from "../../../src/fulcrum-client/index.ts";
import { farm } from "../../../src/protocol/index.ts";
import { leafHashOf, parseCheckpoint, parseNote, verifyInclusion } from "../../../src/provenance/index.ts";
import { MemoryLedger } from "../../support/memory-ledger.ts";

const ledger = new MemoryLedger();
let server: RunningServer;
let channel: Channel;
let memoir: ReturnType<typeof clientOf>;
const clientOf = (open: Channel) => open.client(farm.MemoirDefinition);

beforeAll(async () => {
  const ingest = (name: string) =>
    ({ kind: "ingest", name, uri: `url:${name}`, version: "1", files: [], by: "tester" }) as const;
  for (const name of ["one", "two", "three"]) await ledger.append([{ body: ingest(name), manifests: [] }]);
  server = await startServer({ address: "127.0.0.1:0", services: [memoirService(ledger)] });
  channel = await openChannel({ address: `127.0.0.1:${server.port}` });
  memoir = clientOf(channel);
});
afterAll(async () => {
  channel.close();
  await server.stop(0);
});

async function records(from: number, to: number): Promise<farm.MemoirRecord[]> {
  const found: farm.MemoirRecord[] = [];
  for await (const record of memoir.read({ from, to })) found.push(record);
  return found;
}

test("records, checkpoint and proofs agree", async () => {
  const { note, size } = await memoir.checkpoint({});
  expect(size).toBe(4);
  const all = await records(0, 0);
  expect(all.map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
  const { path } = await memoir.proof({ seq: 2, size, oldSize: 0 });
  const { root } = parseCheckpoint(parseNote(Buffer.from(note).toString()).text);
  const claim = (leaf: Uint8Array) => ({ leaf: leafHashOf(leaf), index: 2, size, path, root });
  expect(verifyInclusion(claim((all[2] as farm.MemoirRecord).record))).toBe(true);
  expect(verifyInclusion(claim((all[1] as farm.MemoirRecord).record))).toBe(false);
});

test("a part of it can be read", async () => {
  expect((await records(1, 3)).map(({ seq }) => seq)).toEqual([1, 2]);
  await expect(records(5, 9)).rejects.toMatchObject({ code: "RPC_OUT_OF_RANGE" });
});

test("a proof beyond its end is the caller's mistake", async () => {
  await expect(memoir.proof({ seq: 1, size: 99, oldSize: 0 })).rejects.toMatchObject({ code: "RPC_OUT_OF_RANGE" });
  await expect(memoir.proof({ seq: 0, size: 3, oldSize: 9 })).rejects.toMatchObject({ code: "RPC_OUT_OF_RANGE" });
});
