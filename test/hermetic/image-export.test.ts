import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explain, type Sha256, sha256 } from "../../src/base/index.ts";
import type { ExportRequest, ReadyImage } from "../../src/hermetic/index.ts";
import type { HttpAnswer, HttpClient } from "../../src/ports/index.ts";
import { dockerdProblem, startDockerd } from "../support/dockerd.ts";
import { fileIn, imageWorkspace, never, request, treeOf } from "./image-workspace.ts";
import { type Entry, tarOf } from "./source-workspace.ts";

const workspace = imageWorkspace();
let image: ReadyImage;
beforeAll(async () => {
  await workspace.apt.add(
    {
      name: "b",
      files: [
        ["./usr/bin/b", "b", 0o755],
        ["./usr/share/z", "z".repeat(3000)],
      ],
    },
    {
      name: "a",
      files: [
        ["./usr/bin/a", "a", 0o755],
        ["./usr/lib/l", { link: "m" }],
      ],
    },
  );
  const wanted = request("My_Tool", { deb: ["a", "b"], user: ["build"], env: ["A=b"] }, [
    treeOf(fileIn(workspace, "/etc/x", "x")),
  ]);
  const [resolved] = await workspace.provider().resolve([wanted], {}, never);
  image = await workspace.provider().build(resolved!, wanted.trees[0]!.files, never);
});
afterAll(() => workspace.fs.remove(workspace.base));

let exports = 0;
async function exported(format: ExportRequest["format"], suffix = ""): Promise<string> {
  const to = `${workspace.base}/export-${++exports}${suffix}`;
  await workspace.provider().export(image, { format, to }, never);
  return to;
}

async function entriesOf(tar: Uint8Array): Promise<{ name: string; type: string; mode: string; body: Buffer }[]> {
  const entries: { name: string; type: string; mode: string; body: Buffer }[] = [];
  const reader = extract();
  reader.on("entry", (header, body, next) => {
    const chunks: Uint8Array[] = [];
    body.on("data", (chunk) => chunks.push(chunk as Uint8Array));
    body.on("end", () => {
      const { name, type, mode } = header;
      entries.push({ name, type: type ?? "", mode: (mode ?? 0).toString(8), body: Buffer.concat(chunks) });
      next();
    });
  });
  const done = new Promise<void>((resolve, reject) => {
    reader.on("finish", () => resolve());
    reader.on("error", reject);
  });
  reader.end(tar);
  await done;
  return entries;
}

const blob = (layout: string, digest: string) =>
  readFileSync(`${layout}/blobs/sha256/${digest.replace("sha256:", "")}`);
const json = (bytes: Buffer) => JSON.parse(bytes.toString());

describe("an OCI layout", () => {
  test("has every blob under its digest, and the config that is the image", async () => {
    const layout = await exported("oci");
    for (const name of readdirSync(`${layout}/blobs/sha256`)) expect(sha256(blob(layout, name))).toBe(name);
    const index = json(readFileSync(`${layout}/index.json`));
    expect(index.manifests[0].digest).toBe(`sha256:${image.manifestDigest}`);
    expect(index.manifests[0].annotations).toEqual({ "org.opencontainers.image.ref.name": "latest" });
    const manifest = json(blob(layout, image.manifestDigest));
    expect(manifest.config.digest).toBe(`sha256:${image.configDigest}`);
    expect(manifest.layers).toEqual([
      {
        digest: `sha256:${image.diffIds[0]}`,
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        size: image.sizeBytes,
      },
    ]);
    expect(json(blob(layout, image.configDigest))).toEqual({
      architecture: "amd64",
      config: { Env: ["A=b", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], User: "build" },
      created: "1980-01-01T00:00:00Z",
      history: [{ created: "1980-01-01T00:00:00Z", created_by: "begat" }],
      os: "linux",
      rootfs: { diff_ids: [`sha256:${image.diffIds[0]}`], type: "layers" },
    });
    // The key that tools look up the media type by; canonical, so anybody can make it again.
    expect(blob(layout, image.configDigest).toString()).not.toContain(" \n");
  });

  test("has one layer: directories, what is the image's own, then packages by name", async () => {
    const layout = await exported("oci");
    const entries = await entriesOf(blob(layout, image.diffIds[0] as string));
    const names = entries.map(({ name, type, mode }) => `${name} ${type} ${mode}`);
    expect(names.filter((name) => /^(tmp|etc\/x|bin |usr\/)/.test(name))).toEqual([
      "tmp/ directory 1777",
      "usr/ directory 755",
      "usr/bin/ directory 755",
      "usr/lib/ directory 755",
      "usr/sbin/ directory 755",
      "usr/share/ directory 755",
      "bin symlink 777",
      "etc/x file 644",
      "usr/bin/a file 755",
      "usr/lib/l symlink 777",
      "usr/bin/b file 755",
      "usr/share/z file 644",
    ]);
    expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
    // Whatever is in a directory comes after it.
    const seen = new Set<string>([""]);
    for (const { name, type } of entries) {
      const path = name.replace(/\/$/, "");
      expect(seen.has(path.slice(0, Math.max(0, path.lastIndexOf("/"))))).toBe(true);
      if (type === "directory") seen.add(path);
    }
  });

  test("is a tar file where its name says so, and never in the place of another", async () => {
    const tar = await exported("oci", ".tar");
    const names = (await entriesOf(readFileSync(tar))).map(({ name }) => name);
    expect(names.slice(0, 4)).toEqual(["blobs/", "blobs/sha256/", "oci-layout", "index.json"]);
    const failure = await workspace
      .provider()
      .export(image, { format: "oci", to: tar }, never)
      .catch((error) => error);
    expect(explain(failure)).toBe(`${tar} exists; an image is exported to a new file or directory`);
  });

  test("is written though the segments of packages were evicted", async () => {
    const layout = await exported("oci");
    workspace.fs.remove(`${workspace.cacheHome}/cas`);
    const again = await exported("oci");
    expect(readFileSync(`${again}/index.json`)).toEqual(readFileSync(`${layout}/index.json`));
  });
});

test("a docker-archive is a layout too, and names the image as docker can", async () => {
  const entries = await entriesOf(readFileSync(await exported("docker-archive", ".tar")));
  const description = json(entries.find(({ name }) => name === "manifest.json")!.body);
  expect(description).toEqual([
    {
      Config: `blobs/sha256/${image.configDigest}`,
      RepoTags: ["my-tool:latest"],
      Layers: [`blobs/sha256/${image.diffIds[0]}`],
    },
  ]);
  for (const { name, body } of entries) {
    const digest = /^blobs\/sha256\/(.+)$/.exec(name)?.[1];
    if (digest !== undefined) expect(sha256(body)).toBe(digest);
  }
});

describe("tools of others accept the export", () => {
  const has = (program: string) => spawnSync(program, ["--version"]).status === 0;

  test("skopeo inspects it", async ({ skip }) => {
    if (!has("skopeo")) skip("needs skopeo");
    const layout = await exported("oci");
    const seen = json(execFileSync("skopeo", ["inspect", "--config", `oci:${layout}:latest`]));
    expect(seen.rootfs.diff_ids).toEqual([`sha256:${image.diffIds[0]}`]);
    const archive = await exported("docker-archive", ".tar");
    expect(json(execFileSync("skopeo", ["inspect", `docker-archive:${archive}`])).Layers).toEqual([
      `sha256:${image.diffIds[0]}`,
    ]);
  });

  test("umoci unpacks it into what stands here", async ({ skip }) => {
    if (!has("umoci")) skip("needs umoci");
    const layout = await exported("oci");
    const bundle = `${workspace.base}/bundle`;
    execFileSync("umoci", ["unpack", "--rootless", "--image", `${layout}:latest`, bundle], { stdio: "ignore" });
    expect(spawnSync("diff", ["-r", "--no-dereference", `${bundle}/rootfs`, image.root]).stdout.toString()).toBe("");
  });

  test("docker loads it under the very digest", async ({ skip }) => {
    const problem = dockerdProblem();
    if (problem !== undefined) skip(problem);
    if (!has("docker")) skip("needs docker's client");
    const archive = await exported("docker-archive", ".tar");
    const directory = `${workspace.base}/dockerd`;
    mkdirSync(directory);
    const engine = await startDockerd(directory);
    try {
      const docker = (...words: string[]) =>
        execFileSync("docker", ["--host", `unix://${engine.socket}`, ...words], {
          stdio: ["ignore", "pipe", "ignore"],
        });
      docker("load", "--input", archive);
      const id = docker("image", "inspect", "--format", "{{.Id}}", "my-tool:latest").toString().trim();
      expect(id).toBe(`sha256:${image.configDigest}`);
    } finally {
      await engine.stop();
    }
  }, 60_000);
});

/** A registry in memory. */
class FakeRegistry implements HttpClient {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly asked: string[] = [];
  /** Authorization it insists on. */
  wants: { readonly challenge: string; readonly authorization: string } | undefined;
  lies = false;

  async send(asked: Parameters<HttpClient["send"]>[0]): Promise<HttpAnswer> {
    const url = new URL(asked.url);
    const chunks: Uint8Array[] = [];
    if (asked.body instanceof Uint8Array) chunks.push(asked.body);
    else for await (const chunk of asked.body ?? []) chunks.push(Uint8Array.from(chunk));
    const body = Buffer.concat(chunks);
    this.asked.push(`${asked.method} ${url.pathname.replace(/sha256:\w+/, "DIGEST")}`);
    const answer = (status: number, headers = {}, text = ""): HttpAnswer => ({
      status,
      headers,
      body: Buffer.from(text),
    });
    if (url.pathname === "/token")
      return answer(200, {}, JSON.stringify({ token: `for ${url.searchParams.get("scope")}` }));
    if (this.wants !== undefined && asked.headers?.authorization !== this.wants.authorization) {
      return answer(401, { "www-authenticate": this.wants.challenge });
    }
    const digest = /sha256:(\w+)/.exec(decodeURIComponent(asked.url))?.[1] ?? "";
    if (asked.method === "HEAD") return answer(this.blobs.has(digest) ? 200 : 404);
    if (asked.method === "POST") return answer(202, { location: `/v2/x/blobs/uploads/1?state=2` });
    if (url.pathname.includes("/manifests/")) {
      this.manifests.set(url.pathname, body);
      return answer(201);
    }
    if (this.lies || createHash("sha256").update(body).digest("hex") !== digest) {
      return answer(400, {}, '{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}');
    }
    this.blobs.set(digest, body);
    return answer(201);
  }
}

describe("pushing", () => {
  const push = (hub: HttpClient, reference = "localhost:5000/team/tool:1", environment: Record<string, string> = {}) =>
    workspace
      .provider({ http: hub, environment: { PATH: process.env.PATH ?? "", HOME: workspace.base, ...environment } })
      .push(image, { reference }, never);

  test("sends compressed layers, config and manifest, and nothing twice", async () => {
    const hub = new FakeRegistry();
    const first = await push(hub);
    const manifest = json(hub.manifests.get("/v2/team/tool/manifests/1")!);
    expect(sha256(hub.manifests.get("/v2/team/tool/manifests/1")!)).toBe(first.manifestDigest);
    expect(manifest.config.digest).toBe(`sha256:${image.configDigest}`);
    const layer = hub.blobs.get(manifest.layers[0].digest.slice(7))!;
    expect(manifest.layers[0]).toMatchObject({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      size: layer.length,
    });
    expect(sha256(gunzipSync(layer))).toBe(image.diffIds[0]);
    expect(first).toMatchObject({ reusedLayers: 0 });
    const second = await push(hub, "localhost:5000/team/tool:2");
    expect(second).toEqual({ manifestDigest: first.manifestDigest, uploadedBytes: 0, reusedLayers: 1 });
  });

  test("shows the password that docker keeps, when it is asked for", async () => {
    const config = `${workspace.base}/docker`;
    mkdirSync(config);
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(`${config}/config.json`, JSON.stringify({ auths: { "localhost:5000": { auth } } }));
    const basic = new FakeRegistry();
    basic.wants = { challenge: 'Basic realm="x"', authorization: `Basic ${auth}` };
    await push(basic, undefined, { DOCKER_CONFIG: config });
    const bearer = new FakeRegistry();
    bearer.wants = {
      challenge: 'Bearer realm="http://localhost:5000/token",service="r",scope="repository:team/tool:pull"',
      authorization: "Bearer for repository:team/tool:pull,push",
    };
    await push(bearer, undefined, { DOCKER_CONFIG: config });
    expect(bearer.manifests.size).toBe(1);
  });

  const refusals: readonly (readonly [string, (hub: FakeRegistry) => void, string | undefined, string])[] = [
    [
      "without a password",
      (hub) => (hub.wants = { challenge: "Basic", authorization: "x" }),
      undefined,
      "registry localhost:5000 did not look for a blob of team/tool: it answered 401",
    ],
    [
      "when a blob is refused",
      (hub) => (hub.lies = true),
      undefined,
      "registry localhost:5000 did not take a blob of team/tool: it answered 400, provided digest did not match",
    ],
    ["without a host", () => {}, "team/tool", 'expected host:port/name:tag, found "team/tool"'],
    ["with a bad name", () => {}, "localhost:5000/Team", 'expected host:port/name:tag, found "localhost:5000/Team"'],
  ];
  test.each(refusals)("fails %s", async (_title, arrange, reference, message) => {
    const hub = new FakeRegistry();
    arrange(hub);
    const failure = await push(hub, reference, { DOCKER_CONFIG: "/nonexistent" }).catch((error) => error);
    expect(explain(failure)).toBe(message);
    expect(hub.manifests.size).toBe(0);
  });
});

describe("a ready image from a layout", () => {
  /** A layout of these layers; answers `dir@sha256:...` for the workspace. */
  async function layoutOf(name: string, layers: readonly (readonly Entry[])[], gzip = true): Promise<string> {
    const home = `${workspace.root}/${name}/blobs/sha256`;
    mkdirSync(home, { recursive: true });
    const put = (bytes: Uint8Array) => {
      const digest = sha256(bytes);
      writeFileSync(`${home}/${digest}`, bytes);
      return { digest: `sha256:${digest}`, size: bytes.length };
    };
    const tars = await Promise.all(layers.map((entries) => tarOf(...entries)));
    const config = put(
      Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          config: { Env: ["PATH=/bin", "X=1"], User: "7", Cmd: ["sh"] },
          rootfs: { type: "layers", diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
        }),
      ),
    );
    const manifest = put(
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, config, layers: tars.map((tar) => put(gzip ? gzipSync(tar) : tar)) }),
      ),
    );
    return `${name}@${manifest.digest}`;
  }

  const stand = async (parts: Parameters<typeof request>[1]) => {
    const [resolved] = await workspace.provider().resolve([request("base", parts)], {}, never);
    return workspace.provider().build(resolved!, [], never);
  };

  test("keeps its identity, and stands with whiteouts applied", async () => {
    const word = await layoutOf("one", [
      [
        ["etc/", { type: "directory" }],
        ["etc/gone", "1"],
        ["etc/kept", "2"],
        ["opt/old/a", "3"],
        ["bin/sh", "sh", 0o755],
      ],
      [
        ["etc/.wh.gone", ""],
        ["opt/old/.wh..wh..opq", ""],
        ["opt/old/b", "4"],
        ["dev/null", { type: "character-device" }],
        ["bin/x", { hard: "opt/old/b" }],
      ],
    ]);
    const built = await stand({ oci: [word] });
    const config = json(readFileSync(`${workspace.root}/one/blobs/sha256/${word.split("sha256:")[1]}`)).config.digest;
    expect(`sha256:${built.configDigest}`).toBe(config);
    expect(built).toMatchObject({ user: "7", env: ["PATH=/bin", "X=1"] });
    expect(existsSync(`${built.root}/etc/gone`)).toBe(false);
    expect(existsSync(`${built.root}/opt/old/a`)).toBe(false);
    expect(readFileSync(`${built.root}/bin/x`, "utf8")).toBe("4");
    expect(existsSync(`${built.root}/dev/null`)).toBe(false);
  });

  test("carries further layers, through its own links", async () => {
    const word = await layoutOf(
      "two",
      [
        [
          ["usr/lib/", { type: "directory" }],
          ["lib", { link: "usr/lib" }],
          ["etc/os", "os"],
        ],
      ],
      false,
    );
    const built = await stand({ oci: [word], deb: ["a"], env: ["X=2"] });
    expect(built.diffIds).toHaveLength(2);
    expect(built.env).toEqual(["PATH=/bin", "X=2"]);
    expect(readFileSync(`${built.root}/usr/bin/a`, "utf8")).toBe("a");
    expect(existsSync(`${built.root}/tmp`)).toBe(false);
  });

  test("cannot write outside its root", async () => {
    const outside = await layoutOf("three", [
      [
        ["l", { link: "../../../../etc" }],
        ["l/begat-evil", "evil"],
      ],
    ]);
    const built = await stand({ oci: [outside] });
    expect(existsSync("/etc/begat-evil")).toBe(false);
    expect(readFileSync(`${built.root}/etc/begat-evil`, "utf8")).toBe("evil");
    const climb = await layoutOf("four", [[["../../evil", "evil"]]]);
    await expect(stand({ oci: [climb] })).rejects.toThrow("climbs out of the tree");
  });

  test("is refused where a blob is missing, or is another", async () => {
    const word = await layoutOf("five", [[["a", "a"]]]);
    const manifest = word.split("sha256:")[1] as Sha256;
    const { config } = json(readFileSync(`${workspace.root}/five/blobs/sha256/${manifest}`));
    const path = `${workspace.root}/five/blobs/sha256/${config.digest.slice(7)}`;
    const good = readFileSync(path);
    writeFileSync(path, "{}");
    await expect(stand({ oci: [word] })).rejects.toMatchObject({ code: "IMAGE_BASE_UNUSABLE" });
    writeFileSync(path, good);
    await expect(stand({ oci: [word] })).resolves.toBeDefined();
    await expect(stand({ oci: [`nowhere@sha256:${manifest}`] })).rejects.toMatchObject({ code: "IMAGE_BASE_UNUSABLE" });
    await expect(stand({ oci: [`five@sha256:${"0".repeat(64)}`] })).rejects.toMatchObject({
      code: "IMAGE_BASE_UNUSABLE",
    });
  });
});
