import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BegatError, codeOf, digestOf, type Sha256, sha256 } from "../../src/base/index.ts";
import { type BlobUse, collectGarbage, FileBlobStore } from "../../src/cache/index.ts";
import type { FileTreeErrorCode } from "../../src/ports/index.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryBulkFiles } from "../support/memory-bulk-files.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/** A thousandth of what is large elsewhere: hashed ten times in each of some 200 runs. */
const LARGE = Buffer.alloc(4096, "large");

function newStore(fs: MemoryFileTree, seed: number): FileBlobStore {
  const options = {
    processes: new FakeProcessTable(),
    random: new SeededRandom(seed),
    cacheHome: "/cache",
    largeFileBytes: LARGE.length,
  };
  return new FileBlobStore({ fs, bulk: new MemoryBulkFiles(fs), checkoutTmp: "/checkout/.begat/tmp", ...options });
}

/** Whatever stands in the store under a hash has that hash. */
function expectWholeBlobs(fs: MemoryFileTree): void {
  for (const path of fs.paths("/cache")) {
    const name = /^\/cache\/(?:cas\/(..)\/([^/]+)|trash\/([^/]+))$/.exec(path);
    if (!name) continue;
    expect(sha256(fs.readFile(path))).toBe(name[3] ?? `${name[1]}${name[2]}`);
  }
}

describe("any sequence of writing, collecting, damaging and reading", () => {
  const blob = fc.nat(7);
  const command = fc.oneof(
    fc.record({ do: fc.constant("write" as const), blob }),
    fc.record({ do: fc.constant("ingest" as const), blob, take: fc.boolean() }),
    fc.record({ do: fc.constant("read" as const), blob }),
    fc.record({ do: fc.constant("materialise" as const), blob }),
    fc.record({ do: fc.constant("pathOf" as const), blob }),
    fc.record({ do: fc.constant("damage" as const), blob, with: fc.uint8Array({ maxLength: 12 }) }),
    fc.record({ do: fc.constant("evict" as const), blob }),
    fc.record({ do: fc.constant("collect" as const), maxSizeBytes: fc.nat(200) }),
    fc.record({ do: fc.constant("restart" as const) }),
  );
  const contents = Array.from({ length: 8 }, (_, i) => Buffer.from("content ".repeat(i) + i));
  const digests = contents.map((bytes) => digestOf(bytes));

  test("never yields wrong bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        const clock = new ManualClock();
        const fs = new MemoryFileTree(clock);
        fs.makeDirectory("/checkout");
        const uses = new Map<Sha256, number>();
        const index = {
          blobs: {
            recordUses: (some: readonly BlobUse[]) => {
              for (const { hash } of some) uses.set(hash, clock.nowMs());
            },
            lastUsesMs: () => uses,
            forget: (hashes: readonly Sha256[]) => {
              for (const hash of hashes) uses.delete(hash);
            },
          },
          leases: { protection: () => ({ leases: 0, sinceMs: Number.POSITIVE_INFINITY, held: new Set<Sha256>() }) },
        };
        let seed = 0;
        let store = newStore(fs, ++seed);
        store.attachIndex(index.blobs);
        // Verified in this process and damaged afterwards: begat trusts its own machine for that long.
        const excused = new Set<number>();
        for (const [i, step] of commands.entries()) {
          clock.tick(7);
          const bytes = "blob" in step ? (contents[step.blob] as Buffer) : Buffer.alloc(0);
          const digest = "blob" in step ? (digests[step.blob] as (typeof digests)[number]) : digestOf("");
          try {
            switch (step.do) {
              case "write":
                expect(store.write(bytes)).toEqual(digest);
                break;
              case "ingest":
                fs.writeFile(`/checkout/in${i}`, bytes);
                expect(await store.ingest(`/checkout/in${i}`, { take: step.take })).toEqual(digest);
                break;
              case "read":
                if (!excused.has(step.blob)) expect(store.read(digest).equals(bytes)).toBe(true);
                break;
              case "materialise":
                await store.materialise([{ digest, path: "/checkout/out", executable: false }]);
                if (!excused.has(step.blob)) expect(fs.readFile("/checkout/out").equals(bytes)).toBe(true);
                break;
              case "pathOf": {
                const path = await store.pathOf(digest);
                if (!excused.has(step.blob)) expect(fs.readFile(path).equals(bytes)).toBe(true);
                break;
              }
              case "damage":
                if (!fs.stat(store.layout.blob(digest.hash))) break;
                fs.replaceFile(store.layout.blob(digest.hash), step.with);
                excused.add(step.blob);
                break;
              case "evict":
                fs.remove(store.layout.blob(digest.hash));
                excused.delete(step.blob);
                break;
              case "collect":
                store.flush();
                await collectGarbage({
                  fs,
                  clock,
                  processes: new FakeProcessTable(),
                  cacheHome: "/cache",
                  index,
                  ...step,
                });
                break;
              case "restart":
                store = newStore(fs, ++seed);
                store.attachIndex(index.blobs);
                excused.clear();
                break;
            }
          } catch (error) {
            if (!(error instanceof BegatError)) throw error;
            expect(["BLOB_MISSING", "BLOB_CORRUPT", "BLOB_MISMATCH"]).toContain(codeOf(error));
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Writes, takes and writes out, small and large; whatever happens, what it leaves is whole. */
async function scenario(fs: MemoryFileTree, store: FileBlobStore): Promise<void> {
  const small = store.write(Buffer.from("small"));
  await store.ingest("/checkout/in", { take: true });
  // First copied, then moved away over what is there already.
  await store.ingest("/checkout/large", { take: false });
  const large = await store.ingest("/checkout/large", { take: true });
  await store.materialise([
    { digest: small, path: "/checkout/out", executable: true },
    { digest: large, path: "/checkout/large-out", executable: false },
  ]);
  store.read(small);
  await store.pathOf(large);
  fs.remove("/checkout/large-out");
}

function prepared(): MemoryFileTree {
  const fs = new MemoryFileTree();
  fs.makeDirectory("/checkout");
  fs.writeFile("/checkout/in", "taken");
  fs.writeFile("/checkout/large", LARGE);
  fs.writeFile("/checkout/out", "old");
  return fs;
}

async function callsOfScenario(): Promise<number> {
  const fs = prepared();
  let calls = 0;
  fs.onCall = () => {
    calls++;
  };
  await scenario(fs, newStore(fs, 1));
  return calls;
}

describe("any one call to the file system going wrong", () => {
  const codes: readonly FileTreeErrorCode[] = ["FILE_SYSTEM_FULL", "FILE_ACCESS_DENIED"];
  test.each(codes)("%s: a coded error or none, whole blobs, and it works the next time", async (code) => {
    const calls = await callsOfScenario();
    expect(calls).toBeGreaterThan(30);
    for (let nth = 1; nth <= calls; nth++) {
      const fs = prepared();
      const lift = fs.fail({ nth, code });
      await scenario(fs, newStore(fs, 1)).catch((error: unknown) => {
        if (!(error instanceof BegatError)) throw error;
      });
      lift();
      expectWholeBlobs(fs);
      expect(["old", "small"]).toContain(fs.readFile("/checkout/out").toString());
      for (const path of fs.paths("/checkout")) expect(path).not.toContain("begat-");
      await expectRecovery(fs);
    }
  });
});

describe("dying before any one call to the file system", () => {
  test("leaves whole blobs and whole files, and works the next time", async () => {
    const calls = await callsOfScenario();
    for (let nth = 1; nth <= calls; nth++) {
      const fs = prepared();
      let call = 0;
      fs.onCall = () => {
        if (++call >= nth) throw new Error("killed");
      };
      await expect(scenario(fs, newStore(fs, 1))).rejects.toThrow("killed");
      fs.onCall = undefined;
      expectWholeBlobs(fs);
      expect(["old", "small"]).toContain(fs.readFile("/checkout/out").toString());
      await expectRecovery(fs);
    }
  });
});

async function expectRecovery(fs: MemoryFileTree): Promise<void> {
  for (const [path, bytes] of [
    ["/checkout/in", "taken"],
    ["/checkout/large", LARGE],
  ] as const) {
    if (!fs.stat(path)) fs.writeFile(path, bytes);
  }
  await scenario(fs, newStore(fs, 2));
  expect(fs.readFile("/checkout/out").toString()).toBe("small");
  expectWholeBlobs(fs);
}
