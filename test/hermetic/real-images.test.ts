import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { explain } from "../../src/base/index.ts";
import { resolveClosure } from "../../src/hermetic/debian/closure.ts";
import { type MachineIndex, MachinePackages } from "../../src/hermetic/debian/machine-packages.ts";
import { ImageError } from "../../src/hermetic/index.ts";
import { NodeHttpClient, NodeProcessRunner } from "../../src/platform/index.ts";
import { imageWorkspace, never, request } from "./image-workspace.ts";

const runner = new NodeProcessRunner();
const environment: Record<string, string> = {};
for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;

const workspace = imageWorkspace();
afterAll(() => workspace.fs.remove(workspace.base));

const GCC = ["gcc", "libc6-dev", "dash", "coreutils", "make"];
const sets = [GCC, ["g++", "python3", "cmake", "ca-certificates"], ["nodejs"], ["git", "perl", "openssh-client"]];

let index: Promise<MachineIndex> | undefined;
async function machineIndex(): Promise<MachineIndex | string> {
  if (spawnSync("apt-get", ["--version"]).status !== 0) return "needs apt-get";
  const home = `${workspace.base}/apt-home`;
  mkdirSync(home, { recursive: true });
  index ??= new MachinePackages(workspace.fs, { runner, environment }, home).read(never);
  return index.catch((error: unknown) => `needs a Debian archive: ${explain(error)}`);
}

test("closures are apt's own", { timeout: 120_000 }, async ({ skip }) => {
  const found = await machineIndex();
  if (typeof found === "string") return skip(found);
  for (const words of sets) {
    // What apt makes of its lists once is good for the next set.
    const caches = ["pkgcache", "srcpkgcache"].map((name) => `Dir::Cache::${name}=${workspace.base}/${name}.bin`);
    const settings = ["Dir::State::status=/dev/null", ...caches].flatMap((setting) => ["-o", setting]);
    const argv = ["-s", ...settings, "install", "--no-install-recommends", ...words];
    const simulated = spawnSync("apt-get", argv, { env: { ...environment, LC_ALL: "C" } });
    if (simulated.status !== 0) return skip(`apt itself cannot install ${words.join(" ")} here`);
    const theirs = [...simulated.stdout.toString().matchAll(/^Inst (\S+) \((\S+)/gm)].map(
      ([, name = "", version]) => `${name.split(":")[0]} ${version}`,
    );
    const ours = resolveClosure(found.index, words).map(({ name, version }) => `${name} ${version}`);
    expect(ours, words.join(" ")).toEqual(theirs.sort());
  }
});

describe("the image of a C compiler", () => {
  test("is built, compiles, and is there at once the next time", { timeout: 300_000 }, async ({ skip }) => {
    const found = await machineIndex();
    if (typeof found === "string") return skip(found);
    const provider = () => workspace.provider({ runner, environment, http: new NodeHttpClient() });
    const image = request("cc", { deb: GCC, link: ["/usr/bin/cc=gcc", "/bin/sh=dash"] });
    const [resolved] = await provider().resolve([image], {}, never);
    const built = await provider()
      .build(resolved!, [], never)
      .catch((error: unknown) => {
        const absent =
          error instanceof ImageError && ["IMAGE_UNREACHABLE", "IMAGE_PACKAGE_VANISHED"].includes(error.code);
        if (absent) skip(`needs a Debian archive: ${explain(error)}`);
        throw error;
      });
    expect(built.report.dangling).toEqual([{ place: "etc/rmt", target: "/usr/sbin/rmt" }]);
    expect(built.report.scripts.length).toBeGreaterThan(20);

    // Nothing is fetched, run or written any more; then all but the packages is made again, into the same digest.
    const offline = workspace.provider({ offline: true });
    const [again] = await offline.resolve([image], {}, never);
    expect(await offline.build(again!, [], never)).toMatchObject({ cached: true, configDigest: built.configDigest });
    offline.remove(built);
    expect(await offline.build(again!, [], never)).toMatchObject({ cached: false, configDigest: built.configDigest });

    if (spawnSync("bwrap", ["--version"]).status !== 0) return skip("needs bwrap to compile in it");
    const work = `${workspace.base}/work`;
    mkdirSync(work);
    writeFileSync(`${work}/hello.c`, '#include <stdio.h>\nint main(void) { puts("hello"); }\n');
    const sandbox = [
      "--unshare-all",
      "--ro-bind",
      built.root,
      "/",
      "--proc",
      "/proc",
      "--dev",
      "/dev",
      "--bind",
      work,
      "/tmp",
      "--chdir",
      "/tmp",
    ];
    const script = "cc hello.c -o hello && ./hello && make --version | head -1";
    const argv = [...sandbox, "--clearenv", "--setenv", "PATH", "/usr/bin", "sh", "-c", script];
    if (spawnSync("bwrap", [...sandbox, "true"]).status !== 0) return skip("needs a bwrap that may make sandboxes");
    expect(execFileSync("bwrap", argv).toString()).toMatch(/^hello\nGNU Make/);
  });
});
