import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type CanonicalValue, canonicalJson, explain } from "../../src/base/index.ts";
import type { ImageFile, ImageRequest, ReadyImage } from "../../src/hermetic/index.ts";
import { type ImageError, specInputs } from "../../src/hermetic/index.ts";
import { type FakeDeb, fileIn, imageWorkspace, never, request, treeOf } from "./image-workspace.ts";

const workspaces: ReturnType<typeof imageWorkspace>[] = [];
afterAll(() => {
  for (const { fs, base } of workspaces) fs.remove(base);
});
function fresh() {
  const workspace = imageWorkspace();
  workspaces.push(workspace);
  return workspace;
}

const SHELL: FakeDeb = {
  name: "dash",
  version: "0.5-1",
  files: [["./bin/dash", "#!dash", 0o755]],
  fields: ["Depends: libc6 (>= 2)"],
};
const LIBC: FakeDeb = {
  name: "libc6",
  version: "2:2.36-9",
  files: [
    ["./lib/x86_64-linux-gnu/libc.so.6", "libc", 0o755],
    ["./lib64/ld.so", { link: "/lib/x86_64-linux-gnu/ld.so" }],
  ],
  scripts: { postinst: "update-alternatives --install /usr/bin/sh2 sh2 /bin/dash 1\n" },
};

type Workspace = ReturnType<typeof imageWorkspace>;
async function make(
  workspace: Workspace,
  image: ImageRequest,
  options: {
    files?: readonly ImageFile[];
    cacheHome?: string;
    others?: readonly ImageRequest[];
    offline?: boolean;
  } = {},
): Promise<ReadyImage> {
  const { cacheHome = workspace.cacheHome, offline = false } = options;
  const provider = workspace.providerIn(cacheHome, { offline });
  const requests = [image, ...(options.others ?? [])];
  const [resolved] = await provider.resolve(requests, {}, never);
  const files = options.files ?? requests.flatMap(({ trees }) => trees.flatMap((tree) => tree.files));
  return provider.build(resolved!, files, never);
}

function failureOf(promise: Promise<unknown>): Promise<ImageError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as ImageError,
  );
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
    const built = await provider.build(resolved!, [], never);
    expect(built).toMatchObject({ cached: false, user: "build" });
    expect(built.env).toEqual(["LANG=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    expect(built.ingested.map(({ name }) => name).sort()).toEqual(["dash", "libc6"]);
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
    expect(again).toMatchObject({ cached: true, configDigest: built.configDigest, ingested: [] });
    expect(workspace.programs.calls.length).toBe(calls);
    expect(canonicalJson(built.report as unknown as CanonicalValue)).toBe(
      canonicalJson(again.report as unknown as CanonicalValue),
    );
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
    expect(unfetched.message).toBe("image i would have to fetch 1 Debian packages (0.0 MB): a 1");
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

describe("merging", () => {
  const a = (...files: NonNullable<FakeDeb["files"]>): FakeDeb => ({ name: "a", files });
  const b = (...files: NonNullable<FakeDeb["files"]>): FakeDeb => ({ name: "b", files });

  test("lets packages share what is the same", async () => {
    const workspace = fresh();
    await workspace.apt.add(
      a(["./usr/x", "same"], ["./l", { link: "t" }]),
      b(["./usr/x", "same"], ["./l", { link: "t" }], ["./usr/y", "y"]),
    );
    const built = await make(workspace, request("i", { deb: ["a", "b"] }));
    expect(built.report.replaced).toEqual([]);
    expect(readFileSync(`${built.root}/usr/y`, "utf8")).toBe("y");
  });

  const conflicts: readonly (readonly [string, FakeDeb, FakeDeb, string])[] = [
    ["two contents", a(["./x", "1"]), b(["./x", "2"]), "two contents for /x: package a and package b differ there"],
    [
      "a file and a link",
      a(["./x", "1"]),
      b(["./x", { link: "y" }]),
      "two contents for /x: package a and package b differ there",
    ],
    [
      "a file and a directory",
      a(["./x", "1"]),
      b(["./x/y", "2"]),
      "two contents for /x: package a has a file there, package b a directory",
    ],
    [
      "a directory and a file",
      a(["./x/y", "1"]),
      b(["./x", "2"]),
      "two contents for /x: package a has a directory there, package b a file",
    ],
    [
      "a write through a package's link",
      a(["./d", { link: "etc" }]),
      b(["./d/passwd", "evil"]),
      "two contents for /d: package a has a symlink there, package b a directory",
    ],
  ];
  test.each(conflicts)("refuses %s", async (_title, one, other, message) => {
    const workspace = fresh();
    await workspace.apt.add(one, other);
    const failure = await failureOf(make(workspace, request("i", { deb: ["a", "b"] })));
    expect(failure).toMatchObject({ code: "IMAGE_FILE_CONFLICT", message });
    // Nothing is left on the way, and no image is there.
    expect(readdirSync(`${workspace.cacheHome}/tmp`)).toEqual([]);
    expect(workspace.provider().list()).toEqual([]);
  });

  test("follows Replaces, whichever comes first", async () => {
    for (const winner of ["a", "b"]) {
      const workspace = fresh();
      const fields = (name: string) => (name === winner ? [`Replaces: ${winner === "a" ? "b" : "a"} (<< 9)`] : []);
      await workspace.apt.add({ ...a(["./x", "a"]), fields: fields("a") }, { ...b(["./x", "b"]), fields: fields("b") });
      const built = await make(workspace, request("i", { deb: ["a", "b"] }));
      expect(readFileSync(`${built.root}/x`, "utf8")).toBe(winner);
      expect(built.report.replaced).toMatchObject([{ place: "x", by: `package ${winner}` }]);
    }
  });

  test("lets a begatfile's own words stand in place of a package's, and says so", async () => {
    const workspace = fresh();
    await workspace.apt.add(a(["./etc/conf", "theirs"], ["./bin/sh", { link: "bash" }]));
    const image = request("i", { deb: ["a"], link: ["/bin/sh=dash"], file: ["/etc/conf=mine"] }, [
      treeOf(fileIn(workspace, "/etc/conf", "mine")),
    ]);
    const built = await make(workspace, image);
    expect(readFileSync(`${built.root}/etc/conf`, "utf8")).toBe("mine");
    expect(built.report.replaced).toEqual([
      { place: "etc/conf", by: "the begatfile", instead: "package a" },
      { place: "usr/bin/sh", by: "the begatfile", instead: "package a" },
    ]);
  });

  test("makes the bundle of certificates", async () => {
    const workspace = fresh();
    const certificates = ["./usr/share/ca-certificates/mozilla/B.crt", "./usr/share/ca-certificates/mozilla/A.crt"];
    await workspace.apt.add({
      name: "ca-certificates",
      files: [
        [certificates[0]!, "B"],
        [certificates[1]!, "A\n"],
      ],
    });
    const built = await make(workspace, request("i", { deb: ["ca-certificates"] }));
    expect(readFileSync(`${built.root}/etc/ssl/certs/ca-certificates.crt`, "utf8")).toBe("A\nB\n");
  });
});

describe("an image on another", () => {
  test("adds a layer, follows its links, and keeps its settings", async () => {
    const workspace = fresh();
    await workspace.apt.add(SHELL, LIBC, {
      name: "tool",
      files: [
        ["./usr/bin/tool", "tool", 0o755],
        ["./usr/bin/dash", "#!dash", 0o755],
      ],
    });
    const file = fileIn(workspace, "/etc/base", "base");
    const base = request("base", { deb: ["dash"], env: ["A=1", "B=2"], user: ["build"] }, [treeOf(file)]);
    const top = request("top", { from: ["base"], deb: ["tool"], env: ["B=3"], link: ["/bin/t=tool"] });
    const built = await make(workspace, top, { others: [base] });
    const alone = await make(workspace, base);
    expect(built.diffIds).toHaveLength(2);
    expect(built.diffIds[0]).toBe(alone.diffIds[0]);
    expect(built.user).toBe("build");
    expect(built.env.slice(0, 2)).toEqual(["A=1", "B=3"]);
    expect(readFileSync(`${built.root}/etc/base`, "utf8")).toBe("base");
    expect(execFileSync("readlink", [`${built.root}/usr/bin/t`]).toString()).toBe("tool\n");
    const layers = workspace.provider().list();
    expect(layers.map(({ name }) => name).sort()).toEqual(["top", "top"].sort());
  });

  const mistakes: readonly (readonly [string, readonly ImageRequest[], string])[] = [
    ["itself", [request("a", { from: ["a"] })], "images stand on one another in a circle: a on a"],
    [
      "one that stands on it",
      [request("a", { from: ["b"] }), request("b", { from: ["a"] })],
      "images stand on one another in a circle: a on b on a",
    ],
    ["nothing declared", [request("a", { from: ["x"] })], "image a stands on x, which is not declared"],
    ["two", [request("a", { from: ["x", "y"] })], "image a stands on 2 images, expected 1"],
  ];
  test.each(mistakes)("cannot stand on %s", async (_title, requests, message) => {
    const failure = await failureOf(fresh().provider().resolve(requests, {}, never));
    expect(failure).toMatchObject({ code: "IMAGE_MALFORMED", message });
  });
});

const words: readonly (readonly [kind: string, word: string, message: string])[] = [
  ["deb", "G++", 'expected a Debian package, found "G++"'],
  ["npm", "a b", 'expected an npm package, found "a b"'],
  ["link", "/usr/bin/cc", 'expected a link like /usr/bin/cc=gcc, found "/usr/bin/cc"'],
  ["link", "usr/bin/cc=gcc", '"usr/bin/cc" is no absolute place in an image'],
  ["link", "/../x=gcc", '"/../x" cannot be a place in an image'],
  ["env", "A", 'expected a setting like NAME=value, found "A"'],
  ["user", "alice", 'expected root, build, nobody, UID or UID:GID, found "alice"'],
  ["oci", "dir", 'expected an image layout like "dir@sha256:<64 digits>", found "dir"'],
  ["file", "x=y", 'expected a file like /place/in/image=path/in/workspace, found "x=y"'],
];
test.each(words)("refuses %s %j", async (kind, word, problem) => {
  const failure = await failureOf(
    fresh()
      .provider()
      .resolve([request("i", { [kind]: [word] })], {}, never),
  );
  expect(failure).toMatchObject({ code: "IMAGE_MALFORMED", message: `begatfile:3:5: image i: ${problem}` });
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
