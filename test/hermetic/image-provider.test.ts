import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type CanonicalValue, canonicalJson, explain } from "../../src/base/index.ts";
import { specInputs } from "../../src/hermetic/index.ts";
import { failureOf, fileIn, imageWorkspace, LIBC, make, never, request, SHELL, treeOf } from "./image-workspace.ts";

const workspaces: ReturnType<typeof imageWorkspace>[] = [];
afterAll(() => {
  for (const { fs, base } of workspaces) fs.remove(base);
});
function fresh() {
  const workspace = imageWorkspace();
  workspaces.push(workspace);
  return workspace;
}

/** What a root holds: kind and mode, name, bytes or target. */
function rootOf(root: string, place = ""): string[] {
  return readdirSync(`${root}/${place}`)
    .sort()
    .flatMap((name) => {
      const path = place === "" ? name : `${place}/${name}`;
      const stat = lstatSync(`${root}/${path}`);
      if (stat.isSymbolicLink())
        return [
          `${path} -> ${execFileSync("readlink", [`${root}/${path}`])
            .toString()
            .trim()}`,
        ];
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isDirectory()) return [`${path}/ ${mode}`, ...rootOf(root, path)];
      return [`${path} ${mode} ${JSON.stringify(readFileSync(`${root}/${path}`, "utf8").slice(0, 20))}`];
    });
}

describe("an image", () => {
  test("is resolved into begat.lock, fetched, and stands as a root", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC, { name: "other" });
    const provider = workspace.provider();
    const image = request("tool", { deb: ["dash"], link: ["/bin/sh=dash"], env: ["LANG=C"], user: ["build"] });
    const [resolved] = await provider.resolve([image], {}, never);
    expect(resolved).toMatchObject({ name: "tool", lockChanged: true });
    expect(resolved?.spec.packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      "dash 0.5-1",
      "libc6 2:2.36-9",
    ]);
    const fetched: string[] = [];
    const built = await provider.build(resolved!, [], never, (all) => fetched.push(...all.map(({ name }) => name)));
    expect(built).toMatchObject({ cached: false, user: "build" });
    expect(built.env).toEqual(["LANG=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    expect(fetched.sort()).toEqual(["dash", "libc6"]);
    expect(rootOf(built.root).filter((line) => !line.startsWith("etc"))).toEqual([
      "bin -> usr/bin",
      "build/ 755",
      "dev/ 755",
      "home/ 755",
      "home/build/ 755",
      "lib -> usr/lib",
      "lib64 -> usr/lib64",
      "proc/ 755",
      "root/ 755",
      "run/ 755",
      "sbin -> usr/sbin",
      "sys/ 755",
      "tmp/ 755",
      "usr/ 755",
      "usr/bin/ 755",
      'usr/bin/dash 755 "#!dash"',
      "usr/bin/sh -> dash",
      "usr/lib/ 755",
      "usr/lib/x86_64-linux-gnu/ 755",
      'usr/lib/x86_64-linux-gnu/libc.so.6 755 "libc"',
      "usr/lib64/ 755",
      "usr/lib64/ld.so -> /lib/x86_64-linux-gnu/ld.so",
      "usr/sbin/ 755",
      "var/ 755",
      "var/tmp/ 755",
    ]);
    expect(built.report).toMatchObject({
      scripts: [{ package: "libc6", name: "postinst" }],
      dangling: [{ place: "usr/lib64/ld.so", target: "/lib/x86_64-linux-gnu/ld.so" }],
      suggested: [{ package: "libc6", place: "/usr/bin/sh2", target: "/bin/dash" }],
    });
    expect(readFileSync(`${workspace.root}/begat.lock`, "utf8")).not.toMatch(/:\/\//);

    // Once more, and again after a restart: nothing is asked of anybody.
    const calls = workspace.programs.calls.length;
    const again = await make(workspace, image, { offline: true });
    expect(again).toMatchObject({ cached: true, configDigest: built.configDigest });
    expect(workspace.programs.calls.length).toBe(calls);
    expect(canonicalJson(built.report as unknown as CanonicalValue)).toBe(
      canonicalJson(again.report as unknown as CanonicalValue),
    );
  });

  test("that is not built in the end has told of what came in for it", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const provider = workspace.provider();
    const [resolved] = await provider.resolve([request("tool", { deb: ["dash"] })], {}, never);
    const stop = new AbortController();
    const fetched: string[] = [];
    const build = provider.build(resolved!, [], stop.signal, (packages) => {
      fetched.push(...packages.map(({ name }) => name));
      stop.abort();
    });
    await expect(build).rejects.toThrow();
    expect(fetched.sort()).toEqual(["dash", "libc6"]);
  });

  test("that lacks a package in the end has told of those that came in, each once", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1" }, { name: "b", version: "1" });
    workspace.apt.tampered.set("b", Buffer.from("evil"));
    const provider = workspace.provider();
    const requests = [request("below", { deb: ["a"] }), request("tool", { deb: ["a", "b"], from: ["below"] })];
    const resolved = await provider.resolve(requests, {}, never);
    const fetched: string[] = [];
    const build = provider.build(resolved[1]!, [], never, (all) => fetched.push(...all.map(({ name }) => name)));
    expect(await failureOf(build)).toMatchObject({ code: "IMAGE_UNREACHABLE" });
    expect(fetched).toEqual(["a"]);
  });

  test("has the digest that is written down here, whatever makes it", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const file = fileIn(workspace, "/usr/share/x/data", "data\n");
    const image = request("tool", { deb: ["dash"], link: ["/bin/sh=dash"], file: ["/usr/share/x/data=data"] }, [
      treeOf(file),
    ]);
    const built = await make(workspace, image);
    // A change here is a change of every image's identity: raise NORMALISER with it.
    expect({ config: built.configDigest, layers: built.diffIds }).toMatchInlineSnapshot(`
      {
        "config": "552b2192e0be59775b32e9f74d30e082c6cb1e81dea1cdc6e72e13b5985d2544",
        "layers": [
          "9cd6ad5234fd2a57198a3eeb2d4358f601582f1d0077c103cfa76dc7368eb982",
        ],
      }
    `);
  });

  test("is the same under any umask, time zone, locale, home and user, from a reversed lock, and twice", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const file = fileIn(workspace, "/opt/a", "a", true);
    const image = request("tool", { deb: ["libc6", "dash"], file: ["/opt/a=a"] }, [treeOf(file)]);
    const digests = new Set<string>([(await make(workspace, image)).configDigest]);
    const lockPath = `${workspace.root}/begat.lock`;
    const lock = JSON.parse(readFileSync(lockPath, "utf8"));
    lock.images.tool.deb.reverse();
    writeFileSync(lockPath, JSON.stringify(lock));
    const settings = [
      { umask: 0o077, TZ: "Asia/Tokyo", LANG: "C", HOME: "/nonexistent" },
      { umask: 0o000, TZ: "America/Lima", LANG: "tr_TR.UTF-8", HOME: "/" },
      { umask: 0o027, TZ: "UTC", LANG: "C.UTF-8", HOME: "/tmp" },
    ];
    const before = { ...process.env };
    for (const [index, { umask, ...env }] of settings.entries()) {
      const old = process.umask(umask);
      Object.assign(process.env, env);
      try {
        const built = await make(workspace, image, { cacheHome: `${workspace.base}/cache-${index}` });
        digests.add(built.configDigest);
        expect(lstatSync(`${built.root}/opt/a`).mode & 0o777).toBe(0o755);
        expect(lstatSync(`${built.root}/usr`).mode & 0o777).toBe(0o755);
      } finally {
        process.umask(old);
        for (const name of Object.keys(env)) {
          if (before[name] === undefined) delete process.env[name];
          else process.env[name] = before[name];
        }
      }
    }
    expect([...digests]).toHaveLength(1);
  });

  test("is the same for another user", async ({ skip }) => {
    if (process.geteuid?.() !== 0) skip("needs root to become somebody else");
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const image = request("tool", { deb: ["dash"] });
    const root = await make(workspace, image);
    chmodSync(workspace.base, 0o777);
    chmodSync(workspace.root, 0o777);
    execFileSync("chmod", ["-R", "a+rwX", `${workspace.base}/apt`]);
    process.setegid?.(65534);
    process.seteuid?.(65534);
    try {
      const nobody = await make(workspace, image, { cacheHome: `${workspace.base}/nobody` });
      expect(lstatSync(nobody.root).uid).toBe(65534);
      expect(nobody.configDigest).toBe(root.configDigest);
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  });

  test("changes with anything that is in it, and with nothing else", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const file = fileIn(workspace, "/a", "a");
    const plain = request("tool", { deb: ["dash"], file: ["/a=a"] }, [treeOf(file)]);
    const base = (await make(workspace, plain)).configDigest;
    const same = [
      request("other-name", { file: ["/a=elsewhere"], deb: ["dash", "dash"] }, [treeOf({ ...file })]),
      request("tool", { deb: ["libc6", "dash"], file: ["/a=a"] }, [treeOf(file)]),
    ];
    for (const image of same) expect((await make(workspace, image)).configDigest).toBe(base);
    const others = [
      request("tool", { deb: ["libc6"], file: ["/a=a"] }, [treeOf(file)]),
      request("tool", { deb: ["dash"], file: ["/b=a"] }, [treeOf(fileIn(workspace, "/b", "a"))]),
      request("tool", { deb: ["dash"] }, [treeOf(fileIn(workspace, "/a", "b"))]),
      request("tool", { deb: ["dash"] }, [treeOf({ ...file, executable: true })]),
      request("tool", { deb: ["dash"], env: ["A=b"] }, [treeOf(file)]),
      request("tool", { deb: ["dash"], user: ["nobody"] }, [treeOf(file)]),
      request("tool", { deb: ["dash"], link: ["/x=y"] }, [treeOf(file)]),
      request("tool", { deb: ["dash"] }, [{ ...treeOf(file), directories: ["/empty"] }]),
    ];
    const digests = new Set([base]);
    for (const image of others) digests.add((await make(workspace, image)).configDigest);
    expect(digests.size).toBe(others.length + 1);
  });

  test("lists its inputs by digest, each under a name of its own", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const image = request("tool", { deb: ["dash"] }, [treeOf(fileIn(workspace, "/a", "a"))]);
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    expect(specInputs(resolved!.spec).map(({ path }) => path)).toEqual([
      "deb/dash_0.5-1_amd64.deb",
      "deb/libc6_2%3a2.36-9_amd64.deb",
      "file/a",
    ]);
  });
});

describe("pins", () => {
  test("stay while the archive moves on, and move when asked to", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1", files: [["./a", "one"]] });
    const image = request("i", { deb: ["a"] });
    const first = await make(workspace, image);
    await workspace.apt.add({ name: "a", version: "2", files: [["./a", "two"]] });
    expect((await make(workspace, image)).configDigest).toBe(first.configDigest);
    const provider = workspace.provider();
    const [updated] = await provider.resolve([image], { update: true }, never);
    expect(updated).toMatchObject({ lockChanged: true });
    expect(updated?.spec.packages[0]?.version).toBe("2");
    expect(workspace.apt.updates).toBe(1);
  });

  test("that vanished name the remedy", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1" }, { name: "b", version: "1" });
    const image = request("i", { deb: ["a", "b"] });
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    await workspace.apt.add({ name: "a", version: "2" });
    workspace.apt.packages.delete("b");
    workspace.apt.publish();
    const failure = await failureOf(workspace.provider().build(resolved!, [], never));
    expect(failure).toMatchObject({
      code: "IMAGE_PACKAGE_VANISHED",
      hint: "begat image lock --update i pins what there is now",
    });
    expect(failure.message).toBe(
      "image i: pinned in begat.lock and no longer in the machine's archives: a 1 (2 is there), b 1 (no version is left)",
    );
  });

  test("are met by fresh lists where the machine's own are too old", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1" });
    const image = request("i", { deb: ["a"] });
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    // The machine's lists forget it; the archive has it.
    const kept = workspace.apt.packages.get("a")!;
    workspace.apt.packages.delete("a");
    workspace.apt.publish();
    workspace.apt.packages.set("a", kept);
    await workspace.provider().build(resolved!, [], never);
    expect(workspace.apt.updates).toBe(1);
  });

  test("refuse other bytes, and nothing of them is kept", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1", files: [["./a", "good"]] });
    workspace.apt.tampered.set("a", Buffer.from("evil"));
    const failure = await failureOf(make(workspace, request("i", { deb: ["a"] })));
    expect(failure.code).toBe("IMAGE_UNREACHABLE");
    expect(explain(failure)).toContain("image i: apt could not fetch a 1");
    expect(workspace.blobs().has({ hash: "x" as never, sizeBytes: 4 })).toBe(false);
  });

  test("are needed where nothing may be fetched, and so are the packages", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", version: "1" });
    const image = request("i", { deb: ["a"] });
    const unpinned = await failureOf(make(workspace, image, { offline: true }));
    expect(unpinned).toMatchObject({ code: "IMAGE_UNREACHABLE", hint: "build once without --offline" });
    expect(unpinned.message).toBe("image i is not pinned in begat.lock: a would have to be resolved");
    await workspace.provider().resolve([image], {}, never);
    const unfetched = await failureOf(make(workspace, image, { offline: true }));
    expect(unfetched.message).toBe("image i would have to fetch 0.0 MB in 1 Debian package: a 1");
    await make(workspace, image);
    workspace.fs.remove(`${workspace.cacheHome}/images`);
    expect(await make(workspace, image, { offline: true })).toMatchObject({ cached: false });
  });

  test("leave pinned sources alone, and sources leave pins of images alone", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a" });
    const source = { files: [], kind: "url", tree: "0".repeat(64), version: "1", words: ["x"] };
    writeFileSync(`${workspace.root}/begat.lock`, JSON.stringify({ sources: { s: source }, version: 1 }));
    await make(workspace, request("i", { deb: ["a"] }));
    const lock = JSON.parse(readFileSync(`${workspace.root}/begat.lock`, "utf8"));
    expect(lock.sources).toEqual({ s: source });
    expect(lock.images.i.deb).toHaveLength(1);
  });
});

describe("the store of images", () => {
  test("lists, removes and collects", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", files: [["./a", "a"]] }, { name: "b", files: [["./b", "b"]] });
    const one = await make(workspace, request("one", { deb: ["a"] }));
    const two = await make(workspace, request("two", { deb: ["b"] }));
    const provider = workspace.provider();
    expect(provider.list().map(({ name }) => name)).toEqual(["one", "two"]);
    expect(provider.collect(new Set([one.configDigest]))).toBe(2);
    expect(provider.list().map(({ name }) => name)).toEqual(["one"]);
    expect(workspace.fs.stat(two.root)).toBeUndefined();
    provider.remove(one);
    expect(provider.list()).toEqual([]);
    expect((await make(workspace, request("one", { deb: ["a"] }))).configDigest).toBe(one.configDigest);
  });

  test("makes an image again whose facts are damaged or whose root is gone", async () => {
    const workspace = fresh();
    await workspace.apt.add({ name: "a", files: [["./a", "a"]] });
    const image = request("i", { deb: ["a"] });
    const built = await make(workspace, image);
    for (const harm of [
      () => writeFileSync(`${built.root}/../image.json`, "{"),
      () => rmSync(built.root, { recursive: true }),
    ]) {
      harm();
      expect(await make(workspace, image)).toMatchObject({ cached: false, configDigest: built.configDigest });
      expect(await make(workspace, image)).toMatchObject({ cached: true });
    }
  });

  test("gives several builders of one image one image", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC);
    const image = request("i", { deb: ["dash"] });
    const [resolved] = await workspace.provider().resolve([image], {}, never);
    const built = await Promise.all([1, 2, 3].map(() => workspace.provider().build(resolved!, [], never)));
    expect(new Set(built.map(({ configDigest }) => configDigest)).size).toBe(1);
    expect(readdirSync(`${workspace.cacheHome}/tmp`)).toEqual([]);
  });
});

test("a file that changed after it was digested does not get in", async () => {
  const workspace = fresh();
  const file = fileIn(workspace, "/a", "before");
  const image = request("i", { file: ["/a=a"] }, [treeOf(file)]);
  const [resolved] = await workspace.provider().resolve([image], {}, never);
  writeFileSync((file.from as { file: string }).file, "after");
  const failure = await failureOf(workspace.provider().build(resolved!, [file], never));
  expect(failure).toMatchObject({ code: "IMAGE_DIGEST_MISMATCH" });
});
