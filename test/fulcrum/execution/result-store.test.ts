import { expect, test } from "vitest";
import { digestOf } from "../../../src/base/index.ts";
import {
  BELIEVED,
  type Belief,
  type CallContext,
  ResultStore,
  type ResultStoreOptions,
} from "../../../src/fulcrum/index.ts";
import { reapi } from "../../../src/protocol/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { MemoryFileTree } from "../../support/memory-file-tree.ts";

const DAY_MS = 86_400_000;
const action = digestOf("action");
const CALLER = {} as CallContext;
const result = (text: string) =>
  reapi.ActionResult.fromPartial({
    outputFiles: [{ path: "out", digest: digestOf(text) }],
    executionMetadata: { worker: "r1" },
  });

function made(parts: Partial<ResultStoreOptions> = {}) {
  const warned: string[] = [];
  const clock = new ManualClock(40 * DAY_MS);
  const files = new MemoryFileTree(clock);
  const log = { debug() {}, info() {}, warn: (event: string) => void warned.push(event) };
  const options = { files, clock, log, directory: "/results", trust: BELIEVED, takesUnsigned: false, ...parts };
  return {
    files,
    clock,
    warned,
    store: new ResultStore(options),
    again: (more: Partial<ResultStoreOptions> = {}) => new ResultStore({ ...options, ...more }),
  };
}

test("a result is found by instance and action, also after a restart", async () => {
  const { store, again } = made();
  await store.put("a", action, result("x"), undefined);
  for (const one of [store, store, again()]) expect(await one.get("a", action)).toEqual(result("x"));
  expect(await store.get("b", action)).toBeUndefined();
  expect(await store.get("a", digestOf("another"))).toBeUndefined();
});

test("a result of another default image is another one", async () => {
  const { store, again } = made({ defaultImage: "sha256:1" });
  await store.put("", action, result("x"), undefined);
  expect(await again({ defaultImage: "sha256:2" }).get("", action)).toBeUndefined();
  expect(await again({ defaultImage: "sha256:1" }).get("", action)).toEqual(result("x"));
});

test("a file that is not believed is a miss, and so is one that is damaged", async () => {
  const { store, again, files } = made();
  await store.put("", action, result("x"), undefined);
  const disbelief = { nameOf: () => undefined, belief: (): Belief => ({ holds: false, because: "unsigned" }) };
  expect(await again({ trust: disbelief }).get("", action)).toBeUndefined();
  const [folder] = files.readDirectory("/results/signed");
  const [name] = files.readDirectory(`/results/signed/${folder?.name}`);
  files.replaceFile(`/results/signed/${folder?.name}/${name?.name}`, Buffer.from([0xff]));
  expect(await again().get("", action)).toBeUndefined();
});

test("a result of a key that is revoked meanwhile is not used again", async () => {
  let isRevoked = false;
  const trust = {
    nameOf: () => undefined,
    belief: (): Belief => ({ holds: true, isCacheable: true, isRevoked: () => isRevoked }),
  };
  const { store } = made({ trust });
  await store.put("", action, result("x"), undefined);
  expect(await store.get("", action)).toEqual(result("x"));
  isRevoked = true;
  expect(await store.get("", action)).toBeUndefined();
});

test("what a client brings unsigned is refused, unless that was allowed; then it never stands before what is signed", async () => {
  const trust = {
    nameOf: () => undefined,
    belief: (_rnode: unknown, _work: unknown, of: reapi.ActionResult): Belief =>
      of.executionMetadata?.worker === "r1"
        ? { holds: true, isCacheable: true, isRevoked: () => false }
        : { holds: false, because: "its result is not signed" },
  };
  const unsigned = reapi.ActionResult.fromPartial({ exitCode: 0, executionMetadata: { worker: "client" } });
  const { store, again } = made({ trust });
  await expect(store.put("", action, unsigned, CALLER)).rejects.toMatchObject({ code: "RPC_PERMISSION_DENIED" });
  const open = again({ takesUnsigned: true });
  await open.put("", action, unsigned, CALLER);
  expect(await open.get("", action)).toEqual(unsigned);
  expect(await again().get("", action)).toBeUndefined();
  await open.put("", action, result("x"), CALLER);
  expect(await open.get("", action)).toEqual(result("x"));
});

test("a second result that differs replaces the first, and not silently", async () => {
  const { store, warned } = made();
  await store.put("", action, result("x"), undefined);
  await store.put("", action, result("x"), undefined);
  expect(warned).toEqual([]);
  await store.put("", action, result("y"), undefined);
  expect(await store.get("", action)).toEqual(result("y"));
  expect(warned).toEqual(["an action has another result than before: it is not reproducible, or an rnode lies"]);
});

/** Looks at every folder once. */
const sweepAll = (store: ResultStore): number => {
  const sweep = store.sweep();
  return Array.from({ length: 256 }, () => sweep.step()).reduce((sum, removed) => sum + removed, 0);
};

test("a result that nobody used for 30 days is removed, and one that was used is not", async () => {
  const { store, again, clock } = made();
  for (const name of ["used", "left"]) await store.put("", digestOf(name), result(name), undefined);
  clock.tick(20 * DAY_MS);
  expect(await store.get("", digestOf("used"))).toEqual(result("used"));
  clock.tick(11 * DAY_MS);
  expect(sweepAll(store)).toBe(1);
  expect(await again().get("", digestOf("used"))).toEqual(result("used"));
  expect(await again().get("", digestOf("left"))).toBeUndefined();
});

test("of too many results the oldest are removed", async () => {
  // One for each first two digits of a name: of two there the newer one stays.
  const { store, files, clock } = made({ retention: { most: 256 } });
  for (let i = 0; i < 600; i++) {
    clock.tick(1_000);
    await store.put("", digestOf(`${i}`), result(`${i}`), undefined);
  }
  const folders = () => files.readDirectory("/results/signed").map(({ name }) => `/results/signed/${name}`);
  const timesIn = (folder: string) =>
    files.readDirectory(folder).map(({ name }) => files.lstat(`${folder}/${name}`)?.mtimeMs ?? 0);
  const newest = folders().map((folder) => Math.max(...timesIn(folder)));
  const before = folders().flatMap(timesIn).length;
  expect(sweepAll(store)).toBe(before - folders().length);
  expect(folders().map(timesIn)).toEqual(newest.map((time) => [time]));
});

test("results are looked at by and by, all of them within a day", async () => {
  const { store, clock } = made({ retention: { keepMs: 1 } });
  await store.put("", action, result("x"), undefined);
  const stop = new AbortController();
  let removed = 0;
  const running = store.sweep().run((count) => {
    removed += count;
  }, stop.signal);
  for (let step = 0; step < 256; step++) await clock.advance(DAY_MS / 256);
  expect(removed).toBe(1);
  stop.abort();
  await running;
});
