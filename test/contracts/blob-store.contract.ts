import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Digest, digestOf, EMPTY_DIGEST, sha256 } from "../../src/base/index.ts";
import { type BlobStore, BlobStoreError, LARGE_FILE_BYTES } from "../../src/cache/index.ts";
import type { FileTree } from "../../src/ports/index.ts";

export interface BlobStoreHarness {
  readonly store: BlobStore;
  /** The file system that files come from and go to. */
  readonly fs: FileTree;
  /** Absolute, existing, empty, on `fs`. */
  readonly root: string;
  /** Another store over the same blobs, which has verified nothing yet: a new process. */
  again(): BlobStore;
  /** Overwrites what the store keeps for this blob. */
  corrupt(digest: Digest, bytes: Uint8Array): void;
  /** Takes the blob away. */
  evict(digest: Digest): void;
  dispose(): void;
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof BlobStoreError) return error.code;
    throw error;
  }
  return "no error";
};

export function blobStoreContract(name: string, make: () => BlobStoreHarness): void {
  describe(`blob store contract: ${name}`, () => {
    let harness: BlobStoreHarness;
    let store: BlobStore;
    let fs: FileTree;
    let at: (path: string) => string;
    beforeEach(() => {
      harness = make();
      ({ store, fs } = harness);
      at = (path) => `${harness.root}/${path}`;
    });
    afterEach(() => harness.dispose());

    const large = Buffer.alloc(LARGE_FILE_BYTES + 5, "large blob ");
    const contents: readonly (readonly [string, Buffer])[] = [
      ["one byte", Buffer.from([0])],
      ["binary", Buffer.from([0, 255, 254, 10, 13])],
      ["64 KiB", Buffer.alloc(65_536, "x")],
      ["a large one", large],
    ];

    test.each(contents)("%s is kept and read back, by this store and the next", (_, bytes) => {
      const digest = digestOf(bytes);
      expect(store.has(digest)).toBe(false);
      expect(store.write(bytes)).toEqual(digest);
      expect(store.has(digest)).toBe(true);
      expect(store.read(digest).equals(bytes)).toBe(true);
      expect(harness.again().read(digest).equals(bytes)).toBe(true);
    });

    test("the empty blob is always there, and can be kept, ingested and written out", async () => {
      expect(store.has(EMPTY_DIGEST)).toBe(true);
      expect(store.read(EMPTY_DIGEST).length).toBe(0);
      expect(store.write(new Uint8Array(0))).toEqual(EMPTY_DIGEST);
      fs.writeFile(at("empty"), "");
      expect(await store.ingest(at("empty"), { take: true })).toEqual(EMPTY_DIGEST);
      await store.materialise([{ digest: EMPTY_DIGEST, path: at("out"), executable: false }]);
      expect(fs.readFile(at("out")).length).toBe(0);
      expect(fs.readFile(await store.pathOf(EMPTY_DIGEST)).length).toBe(0);
    });

    test("writing twice is writing once; a known digest is believed", () => {
      const bytes = Buffer.from("twice");
      const digest = store.write(bytes);
      expect(store.write(bytes)).toEqual(digest);
      expect(store.write(bytes, digest)).toBe(digest);
      expect(store.read(digest).toString()).toBe("twice");
    });

    test("what was never kept is missing, everywhere", async () => {
      const digest = digestOf("never");
      expect(store.has(digest)).toBe(false);
      expect(codeOf(() => store.read(digest))).toBe("BLOB_MISSING");
      const missing = { code: "BLOB_MISSING" };
      await expect(store.pathOf(digest)).rejects.toMatchObject(missing);
      for (const sizeBytes of [digest.sizeBytes, large.length]) {
        const file = { digest: { ...digest, sizeBytes }, path: at("out"), executable: false };
        await expect(store.materialise([file])).rejects.toMatchObject(missing);
      }
      expect(fs.readDirectory(harness.root)).toEqual([]);
    });

    test("what was evicted is missing, and can be kept again", () => {
      const digest = store.write(Buffer.from("gone"));
      harness.evict(digest);
      expect(store.has(digest)).toBe(false);
      expect(codeOf(() => store.read(digest))).toBe("BLOB_MISSING");
      store.write(Buffer.from("gone"));
      expect(store.read(digest).toString()).toBe("gone");
    });

    test("the right hash with the wrong size is not there", () => {
      const digest = store.write(Buffer.from("sized"));
      const wrong = { ...digest, sizeBytes: 4 };
      expect(store.has(wrong)).toBe(false);
      expect(codeOf(() => store.read(wrong))).toBe("BLOB_MISMATCH");
      expect(store.read(digest).toString()).toBe("sized");
    });

    const damages: readonly (readonly [string, Buffer])[] = [
      ["a flipped bit", Buffer.from("sOund")],
      ["cut short", Buffer.from("sou")],
      ["grown", Buffer.from("sound and more")],
      ["empty", Buffer.alloc(0)],
    ];
    test.each(damages)("a blob with %s is found out, set aside, and can be kept again", (_, bytes) => {
      const digest = store.write(Buffer.from("sound"));
      harness.corrupt(digest, bytes);
      const fresh = harness.again();
      expect(codeOf(() => fresh.read(digest))).toBe("BLOB_CORRUPT");
      expect(fresh.quarantined).toMatchObject([{ digest, found: sha256(bytes) }]);
      expect(fresh.has(digest)).toBe(false);
      expect(codeOf(() => fresh.read(digest))).toBe("BLOB_MISSING");
      fresh.write(Buffer.from("sound"));
      expect(fresh.read(digest).toString()).toBe("sound");
    });

    test("a corrupt blob, small or large, is never written out", async () => {
      for (const bytes of [Buffer.from("small"), large]) {
        const digest = store.write(bytes);
        harness.corrupt(digest, Buffer.concat([bytes.subarray(1), Buffer.from("!")]));
        const fresh = harness.again();
        fs.writeFile(at("out"), "old");
        const written = fresh.materialise([{ digest, path: at("out"), executable: false }]);
        await expect(written).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
        expect(fs.readFile(at("out")).toString()).toBe("old");
        expect(fresh.quarantined).toHaveLength(1);
        fs.remove(at("out"));
      }
      expect(fs.readDirectory(harness.root)).toEqual([]);
    });

    test.each([true, false])("ingesting keeps the bytes (take: %s)", async (take) => {
      for (const [label, bytes] of contents) {
        fs.writeFile(at("f"), bytes);
        expect([label, await store.ingest(at("f"), { take })]).toEqual([label, digestOf(bytes)]);
        expect(fs.lstat(at("f")) === undefined).toBe(take);
        expect(store.read(digestOf(bytes)).equals(bytes)).toBe(true);
      }
    });

    test("ingesting what is there already takes it all the same", async () => {
      for (const bytes of [Buffer.from("again"), large]) {
        store.write(bytes);
        fs.writeFile(at("f"), bytes);
        expect(await store.ingest(at("f"), { take: true })).toEqual(digestOf(bytes));
        expect(fs.lstat(at("f"))).toBeUndefined();
      }
    });

    test("a file with two names can be taken: the other name keeps its bytes", async () => {
      fs.writeFile(at("a"), large);
      fs.link(at("a"), at("b"));
      const digest = await store.ingest(at("a"), { take: true });
      fs.writeFile(at("b"), "changed afterwards");
      expect(harness.again().read(digest).equals(large)).toBe(true);
    });

    test("only regular files are ingested, and symlinks are never taken", async () => {
      fs.makeDirectory(at("d"));
      fs.writeFile(at("f"), "through a symlink");
      fs.symlink("f", at("link"));
      await expect(store.ingest(at("missing"), { take: false })).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
      await expect(store.ingest(at("d"), { take: true })).rejects.toMatchObject({ code: "FILE_IS_DIRECTORY" });
      await expect(store.ingest(at("link"), { take: true })).rejects.toMatchObject({ code: "FILE_IO" });
      expect(await store.ingest(at("link"), { take: false })).toEqual(digestOf("through a symlink"));
    });

    test("writing out gives bytes and permissions, replaces files and symlinks, and leaves nothing else", async () => {
      const small = store.write(Buffer.from("small"));
      const big = store.write(large);
      fs.writeFile(at("target"), "target");
      fs.writeFile(at("old"), "old", { mode: 0o600 });
      fs.symlink("target", at("link"));
      await store.materialise([
        { digest: small, path: at("old"), executable: true },
        { digest: small, path: at("link"), executable: false },
        { digest: big, path: at("big"), executable: true },
        { digest: small, path: at("new"), executable: false },
      ]);
      expect(fs.readFile(at("old")).toString()).toBe("small");
      expect(fs.lstat(at("link"))?.kind).toBe("file");
      expect(fs.readFile(at("target")).toString()).toBe("target");
      expect(fs.readFile(at("big")).equals(large)).toBe(true);
      expect(["old", "link", "big", "new"].map((name) => fs.stat(at(name))?.mode)).toEqual([
        0o755, 0o644, 0o755, 0o644,
      ]);
      expect(fs.readDirectory(harness.root).map((e) => e.name)).toEqual(["big", "link", "new", "old", "target"]);
    });

    test("what was written out is a copy: changing it changes no blob", async () => {
      const digest = store.write(Buffer.from("original"));
      await store.materialise([{ digest, path: at("out"), executable: false }]);
      fs.writeFile(at("out"), "scribble");
      expect(harness.again().read(digest).toString()).toBe("original");
    });

    test("a directory in the way is not replaced, and nothing is left beside it", async () => {
      fs.makeDirectory(at("d/inner"));
      for (const digest of [store.write(Buffer.from("x")), store.write(large)]) {
        const written = store.materialise([{ digest, path: at("d"), executable: false }]);
        await expect(written).rejects.toMatchObject({ code: "FILE_IS_DIRECTORY" });
      }
      expect(fs.readDirectory(harness.root)).toEqual([{ name: "d", kind: "directory" }]);
    });

    test("a failure among many is told, and the others are written", async () => {
      const digest = store.write(Buffer.from("there"));
      const big = store.write(large);
      const written = store.materialise([
        { digest: big, path: at("big"), executable: false },
        { digest, path: at("first"), executable: false },
        { digest: digestOf("not there"), path: at("second"), executable: false },
      ]);
      await expect(written).rejects.toMatchObject({ code: "BLOB_MISSING" });
      expect(fs.readFile(at("big")).length).toBe(large.length);
      expect(fs.readFile(at("first")).toString()).toBe("there");
    });

    test("pathOf answers a file with the verified bytes; a corrupt one is refused", async () => {
      for (const bytes of [Buffer.from("small"), large]) {
        const digest = store.write(bytes);
        expect(fs.readFile(await store.pathOf(digest)).equals(bytes)).toBe(true);
        harness.corrupt(digest, Buffer.concat([bytes, bytes]));
        const fresh = harness.again();
        await expect(fresh.pathOf(digest)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
        await expect(fresh.pathOf(digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
      }
    });

    test("touch and flush can be called at any time", () => {
      store.touch(sha256("never seen"));
      store.touch(store.write(Buffer.from("seen")).hash);
      store.flush();
      store.flush();
    });
  });
}
