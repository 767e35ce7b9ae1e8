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
import { MemoryFileTree } from "../../support/memory-file-tree.ts";

const action = digestOf("action");
const CALLER = {} as CallContext;
const result = (text: string) =>
  reapi.ActionResult.fromPartial({
    outputFiles: [{ path: "out", digest: digestOf(text) }],
    executionMetadata: { worker: "r1" },
  });

function made(parts: Partial<ResultStoreOptions> = {}) {
  const warned: string[] = [];
  const files = new MemoryFileTree();
  const log = { debug() {}, info() {}, warn: (event: string) => void warned.push(event) };
  const options = { files, log, directory: "/results", trust: BELIEVED, takesUnsigned: false, ...parts };
  return {
    files,
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
