import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { type SourceRequest, sourceUri } from "../../src/hermetic/index.ts";
import { never, type SourceWorkspace, sourceWorkspace, tarOf } from "./source-workspace.ts";

const ADDRESS = "https://example.org/a-1.0.tar.gz";
const REQUEST: SourceRequest = { name: "a", kind: "url", words: [ADDRESS] };

let workspace: SourceWorkspace;
let archive: Buffer;
let lockPath: string;
let tree: string;

beforeEach(async () => {
  workspace = sourceWorkspace();
  archive = await tarOf(["a-1.0/one", "1"], ["a-1.0/sub/two", "22", 0o755], ["a-1.0/sub/link", { link: "../one" }]);
  workspace.network.set(ADDRESS, archive);
  lockPath = `${workspace.root}/begat.lock`;
  tree = `${workspace.root}/.begat/source/a`;
});

const provide = (request = REQUEST, offline = false) => workspace.provider({ offline }).provide([request], never);

describe("provide", () => {
  test("fetches, unpacks and pins at first use", async () => {
    const [source] = await provide();
    expect(source).toMatchObject({
      directory: ".begat/source/a",
      ingested: true,
      lockChanged: true,
      restored: [],
      lock: { files: [{ name: "a-1.0.tar.gz", sha256: sha256(archive), sizeBytes: archive.length }] },
    });
    expect(source && sourceUri(source.lock)).toBe(`url:${ADDRESS}`);
    expect(readFileSync(`${tree}/sub/link`, "utf8")).toBe("1");
    expect(readFileSync(lockPath, "utf8")).toBe(`{
  "sources": {
    "a": {
      "files": [
        {
          "name": "a-1.0.tar.gz",
          "sha256": "${sha256(archive)}",
          "sizeBytes": ${archive.length}
        }
      ],
      "kind": "url",
      "tree": "${source?.lock.tree}",
      "version": "sha256:${sha256(archive).slice(0, 12)}",
      "words": [
        "${ADDRESS}"
      ]
    }
  },
  "version": 1
}
`);
  });

  test("neither fetches nor writes when the source stands", async () => {
    await provide();
    const before = readFileSync(lockPath, "utf8");
    const [source] = await provide(REQUEST, true);
    expect(source).toMatchObject({ ingested: false, lockChanged: false });
    expect(workspace.asked).toHaveLength(1);
    expect(readFileSync(lockPath, "utf8")).toBe(before);
  });

  test("leaves nothing but the tree and its mark", async () => {
    await provide();
    expect(readdirSync(`${workspace.root}/.begat/source`)).toEqual(["a", "a.json"]);
    expect(readdirSync(`${workspace.root}/.begat/tmp/source`)).toEqual([]);
  });

  test("restores a missing tree from the store, without network", async () => {
    await provide();
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    const [source] = await provide(REQUEST, true);
    expect(source).toMatchObject({ ingested: true, lockChanged: false, restored: [] });
    expect(readFileSync(`${tree}/sub/two`, "utf8")).toBe("22");
  });

  test("puts back what was changed, and says what", async () => {
    await provide();
    writeFileSync(`${tree}/one`, "changed");
    rmSync(`${tree}/sub/link`);
    writeFileSync(`${tree}/sub/stray`, "");
    chmodSync(`${tree}/sub/two`, 0o644);
    const [source] = await provide(REQUEST, true);
    expect(source).toMatchObject({ ingested: false, restored: ["one", "sub/link", "sub/stray", "sub/two"] });
    expect(readFileSync(`${tree}/one`, "utf8")).toBe("1");
    const [again] = await provide(REQUEST, true);
    expect(again?.restored).toEqual([]);
  });

  test("reads a tree whose mark is lost or damaged, and finds it whole", async () => {
    await provide();
    for (const damage of ["", "{", '{"v":1}', '{"glance":[7],"stat":"x","tree":"y","v":1}']) {
      writeFileSync(`${tree}.json`, damage);
      const [source] = await provide(REQUEST, true);
      expect(source).toMatchObject({ ingested: false, restored: [] });
    }
  });

  test("fetches again what the store has lost, and holds it against the lock", async () => {
    await provide();
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    rmSync(workspace.blobs.layout.blob(sha256(archive)), { force: true });
    const [source] = await provide();
    expect(source).toMatchObject({ ingested: true, lockChanged: false });
    expect(workspace.asked).toHaveLength(2);
  });

  test("survives corrupt blobs of archive and tree alike", async () => {
    await provide();
    for (const hash of [sha256(archive), sha256("1"), sha256("22")]) {
      rmSync(`${workspace.root}/.begat`, { recursive: true, force: true });
      const path = workspace.blobs.layout.blob(hash);
      chmodSync(path, 0o644);
      const bytes = readFileSync(path);
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      // A store that has not yet verified this blob, as in a new process.
      const fresh = workspace.freshBlobs();
      await workspace.provider({ blobs: fresh }).provide([REQUEST], never);
      expect(fresh.quarantined).toHaveLength(1);
      expect(readFileSync(`${tree}/one`, "utf8")).toBe("1");
      expect(readFileSync(`${tree}/sub/two`, "utf8")).toBe("22");
    }
  });

  test("refuses other bytes than the pinned ones, with both digests, and unpacks nothing", async () => {
    await provide();
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    rmSync(workspace.blobs.layout.blob(sha256(archive)), { force: true });
    const other = await tarOf(["a-1.0/one", "evil"]);
    workspace.network.set(ADDRESS, other);
    const before = readFileSync(lockPath, "utf8");
    const found = `${sha256(other)} (${other.length} bytes)`;
    const pinned = `${sha256(archive)} (${archive.length} bytes)`;
    await expect(provide()).rejects.toMatchObject({
      code: "SOURCE_DIGEST_MISMATCH",
      message: `source a: a-1.0.tar.gz has digest ${found}, begat.lock says ${pinned}`,
    });
    expect(workspace.fs.lstat(tree)).toBeUndefined();
    expect(workspace.fs.lstat(workspace.blobs.layout.blob(sha256(other)))).toBeUndefined();
    expect(readFileSync(lockPath, "utf8")).toBe(before);
  });

  test("refuses a tree that is not the pinned one", async () => {
    const [source] = await provide();
    const lock = readFileSync(lockPath, "utf8");
    writeFileSync(lockPath, lock.replace(source?.lock.tree ?? "", sha256("another")));
    const message = `source a unpacks to tree ${source?.lock.tree}, begat.lock says ${sha256("another")}`;
    await expect(provide()).rejects.toMatchObject({ code: "SOURCE_DIGEST_MISMATCH", message });
  });

  test("resolves anew only the entry whose words changed", async () => {
    const other: SourceRequest = { name: "b", kind: "url", words: ["https://example.org/b.txt"] };
    workspace.network.set("https://example.org/b.txt", Buffer.from("b"));
    workspace.network.set("https://example.org/c.txt", Buffer.from("c"));
    await workspace.provider().provide([REQUEST, other], never);
    const changed: SourceRequest = { ...other, words: ["https://example.org/c.txt"] };
    const sources = await workspace.provider().provide([REQUEST, changed], never);
    expect(sources.map(({ lockChanged }) => lockChanged)).toEqual([false, true]);
    expect(readdirSync(`${workspace.root}/.begat/source/b`)).toEqual(["c.txt"]);
    expect(workspace.asked).toEqual([ADDRESS, "https://example.org/b.txt", "https://example.org/c.txt"]);
  });

  test("keeps pins of sources that are not asked for", async () => {
    await provide();
    workspace.network.set("https://example.org/b.txt", Buffer.from("b"));
    await provide({ name: "b", kind: "url", words: ["https://example.org/b.txt"] });
    expect(Object.keys(JSON.parse(readFileSync(lockPath, "utf8")).sources)).toEqual(["a", "b"]);
  });

  test("says offline what it would have fetched", async () => {
    await expect(provide(REQUEST, true)).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
      message: `source a would have to be fetched: ${ADDRESS}`,
      hint: "build once without --offline",
    });
    await provide();
    rmSync(`${workspace.root}/.begat`, { recursive: true });
    rmSync(workspace.blobs.layout.blob(sha256(archive)), { force: true });
    const version = `sha256:${sha256(archive).slice(0, 12)}`;
    const message = `source a would have to be fetched: ${ADDRESS} (version ${version}, 1 files, ${archive.length} bytes)`;
    await expect(provide(REQUEST, true)).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE", message });
  });

  test("takes a file address offline too", async () => {
    const request: SourceRequest = { name: "f", kind: "url", words: ["file:///srv/f%20g.txt"] };
    workspace.network.set("file:///srv/f%20g.txt", Buffer.from("f"));
    const [source] = await provide(request, true);
    expect(source?.lock.files[0]?.name).toBe("f g.txt");
  });

  test("tells before it fetches, and stops when cancelled", async () => {
    const told: unknown[] = [];
    await workspace.provider({ onFetching: (progress) => told.push(progress) }).provide([REQUEST], never);
    expect(told).toEqual([{ name: "a", what: ADDRESS }]);
    const cancelled = workspace.provider().provide([REQUEST], AbortSignal.abort(new Error("enough")));
    await expect(cancelled).rejects.toThrow("enough");
  });

  test("writes no credentials anywhere", async () => {
    const address = "https://user:hunter2@example.org/a.tar?token=hunter3&part=4";
    const request: SourceRequest = { name: "a", kind: "url", words: [address] };
    const failure: unknown = await provide(request).catch((error: unknown) => error);
    expect(chain(failure).join("\n")).not.toMatch(/hunter|user/);
    expect(chain(failure)[0]).toBe(
      "https://example.org/a.tar?token=REDACTED&part=4 could not be fetched: https://example.org/a.tar?token=REDACTED&part=4 answered 404",
    );
    workspace.network.set(address, archive);
    await provide(request);
    expect(workspace.asked).toContain(address);
    const lock = readFileSync(lockPath, "utf8");
    expect(lock).not.toMatch(/hunter|user/);
    expect(lock).toContain("https://example.org/a.tar?token=REDACTED&part=4");
    const [again] = await provide(request, true);
    expect(again?.lockChanged).toBe(false);
  });

  const refused: readonly (readonly [request: SourceRequest, code: string, message: string])[] = [
    [
      { name: "g", kind: "git", words: ["https://example.org/g"] },
      "SOURCE_KIND_UNSUPPORTED",
      "source g: sources of kind git cannot be fetched",
    ],
    [{ name: "..", kind: "url", words: [ADDRESS] }, "SOURCE_MALFORMED", '".." cannot name a source'],
    [
      { name: "u", kind: "url", words: [] },
      "SOURCE_MALFORMED",
      "source u: expected one https, http or file address, found nothing",
    ],
    [
      { name: "u", kind: "url", words: ["ftp://x/y"] },
      "SOURCE_MALFORMED",
      'source u: expected one https, http or file address, found "ftp://x/y"',
    ],
    [
      { name: "u", kind: "url", words: ["no address"] },
      "SOURCE_MALFORMED",
      'source u: expected one https, http or file address, found "no address"',
    ],
    [
      { name: "d", kind: "deb-src", words: ["a", "b"] },
      "SOURCE_MALFORMED",
      'source d: expected one Debian source package, found "a" "b"',
    ],
    [
      { name: "d", kind: "deb-src", words: ["-o=x"] },
      "SOURCE_MALFORMED",
      'source d: expected one Debian source package, found "-o=x"',
    ],
    [
      { name: "n", kind: "npm", words: ["--registry=x"] },
      "SOURCE_MALFORMED",
      'source n: expected npm packages, found "--registry=x"',
    ],
    [
      { name: "n", kind: "npm", words: ["a@1", "a@2"] },
      "SOURCE_MALFORMED",
      "source n: expected npm packages, found a twice",
    ],
    [
      { name: "n", kind: "npm", words: ["git+https://example.org/x"] },
      "SOURCE_MALFORMED",
      'source n: expected npm packages, found "git+https://example.org/x"',
    ],
    [
      { name: "m", kind: "url", words: ["https://example.org/missing"] },
      "SOURCE_UNREACHABLE",
      "https://example.org/missing could not be fetched",
    ],
  ];
  for (const [request, code, message] of refused) {
    test(`refuses ${request.kind} ${JSON.stringify(request.words)} named ${request.name}`, async () => {
      await expect(provide(request)).rejects.toMatchObject({ code, message });
    });
  }
});

describe("verifySource", () => {
  test("finds a change that a glance cannot see", async () => {
    const many = await tarOf(...Array.from({ length: 300 }, (_, i) => [`m/f${i}`, `${i}`] as const));
    workspace.network.set(ADDRESS, many);
    await provide();
    writeFileSync(`${tree}/f7`, "evil");
    expect((await provide(REQUEST, true))[0]?.restored).toEqual([]);
    const source = await workspace.provider({ offline: true }).verifySource("a", never);
    expect(source.restored).toEqual(["f7"]);
    expect(readFileSync(`${tree}/f7`, "utf8")).toBe("7");
  });

  test("sees a file saved by rename in a large tree at a glance", async () => {
    const many = await tarOf(...Array.from({ length: 300 }, (_, i) => [`m/f${i}`, `${i}`] as const));
    workspace.network.set(ADDRESS, many);
    await provide();
    writeFileSync(`${tree}/f7~`, "evil");
    renameSync(`${tree}/f7~`, `${tree}/f7`);
    expect((await provide(REQUEST, true))[0]?.restored).toEqual(["f7"]);
  });

  test("refuses a name that is not pinned", async () => {
    const refused = workspace.provider().verifySource("zz", never);
    await expect(refused).rejects.toMatchObject({
      code: "LOCK_ENTRY_MISSING",
      message: 'begat.lock has no source "zz"',
    });
  });
});

function chain(error: unknown): string[] {
  const messages: string[] = [];
  for (let e = error; e instanceof Error; e = e.cause) messages.push(e.message, e.stack ?? "");
  return messages;
}
