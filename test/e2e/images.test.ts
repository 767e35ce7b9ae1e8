import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ImageView } from "../../src/cli/image-services.ts";
import type { BuildEvent } from "../../src/scheduler/index.ts";
import { BegatHome, type Built, type Workspace } from "../support/begat.ts";
import { dockerdProblem, type RunningDockerd, startDockerd } from "../support/dockerd.ts";
import { verdicts } from "../support/verdicts.ts";

// Real packages through the machine's own apt, in one home for all tests: what was fetched once is there for the rest.

const PACKAGE = "busybox-static";

/** Why nothing here can be tried; `undefined` where it can. */
function imageProblem(): string | undefined {
  if (!existsSync("/usr/bin/bwrap")) return "bubblewrap is not installed";
  const known = spawnSync("apt-cache", ["show", PACKAGE]);
  return known.status === 0 ? undefined : `apt knows no ${PACKAGE}`;
}

const problem = imageProblem();
const hasSkopeo = spawnSync("skopeo", ["--version"]).status === 0;
const dockerProblem =
  dockerdProblem() ?? (spawnSync("docker", ["--version"]).status === 0 ? undefined : "no docker command");

const BASE = `
image base {
    deb [ ${PACKAGE} ]
    link [ /bin/sh=busybox ]
}
`;
const PROGRAM = `${BASE}
dictum hello { image base in [ name ] out [ made/hello ] exec [[
    read name < name
    printf '#!/bin/sh\\necho hello %s\\n' "$name" > made/hello
    busybox chmod +x made/hello
]] }
run hello()
image app {
    from base
    file [ /usr/local/bin/hello=made/hello ]
}
image wide { deb [ ${PACKAGE} libc6 ] }
dictum use { image app out [ said ] exec [[[ hello > "$out" ]]] }
run use()
`;

let home: BegatHome;
let first: Workspace;

beforeAll(() => {
  home = new BegatHome();
  first = home.workspace();
});
afterAll(() => home.dispose());

/** Another checkout of the same begatfile, with the same pins. */
function another(begatfile = PROGRAM): Workspace {
  const workspace = home.workspace();
  workspace.write("name", "frodo\n");
  workspace.begatfile(begatfile);
  if (first.exists("begat.lock")) workspace.write("begat.lock", first.read("begat.lock"));
  return workspace;
}

const fetched = ({ events }: Built) => events.filter(({ type }) => type === "fetching");

/** What `begat image build --json` says of one image. */
async function imageOf(workspace: Workspace, name: string): Promise<ImageView> {
  const { stdout } = await workspace.begat(["image", "build", name, "--json", "--offline"]);
  const lines = stdout.trimEnd().split("\n");
  return (JSON.parse(lines.at(-1) ?? "") as BuildEvent & { image: ImageView }).image;
}

async function levelOf(workspace: Workspace, artifact: string): Promise<string> {
  const { stdout } = await workspace.begat(["prov", "show", artifact, "--json"]);
  return JSON.parse(stdout).answer.execution.level;
}

describe.skipIf(problem !== undefined)(`images${problem === undefined ? "" : ` (${problem})`}`, () => {
  test("are pinned, built and recorded, and what runs in them is hermetic", async () => {
    first.write("name", "frodo\n");
    first.begatfile(PROGRAM);
    const built = await first.build();
    expect(built.stderr).toBe("");
    expect([...built.executed].sort()).toEqual(["hello()", "image(app)", "image(base)", "use()"]);
    expect(built.summary).toMatchObject({ outcome: "ok", level: "hermetic" });
    expect(built.notices("LOCK_CHANGED")).toHaveLength(1);
    expect(first.read("said")).toBe("hello frodo\n");
    expect(await levelOf(first, "said")).toBe("hermetic");
    const lock = first.read("begat.lock");
    expect(JSON.parse(lock).images.base.deb.map(({ name }: { name: string }) => name)).toContain(PACKAGE);
    expect(lock).not.toMatch(/https?:|\.org|\.com/);
    const log = (await first.begat(["log", "image(app)"])).stdout;
    expect(log).toContain("image(app)");
    expect((await first.begat(["log", "--kind", "ingest"])).stdout).toContain(`deb:${PACKAGE}`);
  }, 90_000);

  test("settle: the second time nothing is done, fetched or written", async () => {
    const lock = first.read("begat.lock");
    const built = await first.build();
    expect(built.summary).toMatchObject({ outcome: "ok", executed: 0, settled: 4 });
    expect([fetched(built), first.read("begat.lock")]).toEqual([[], lock]);
  });

  test("need no network once they are pinned and fetched", async () => {
    const workspace = another();
    const built = await workspace.build("--offline");
    expect(built.summary).toMatchObject({ outcome: "ok", failed: 0 });
    expect(fetched(built)).toEqual([]);
    expect(workspace.read("said")).toBe("hello frodo\n");
  });

  test("without a pin are refused offline, and a look at the begatfile pins nothing", async () => {
    const workspace = another();
    workspace.remove("begat.lock");
    const built = await workspace.build("--offline");
    expect(built.status).toBe(1);
    expect(built.stderr).toContain(`image base is not pinned in begat.lock: ${PACKAGE} would have to be resolved`);
    expect((await workspace.begat(["check"])).status).toBe(0);
    expect((await workspace.begat(["graph"])).status).toBe(0);
    expect(workspace.exists("begat.lock")).toBe(false);
    const lock = await workspace.begat(["image", "lock"]);
    expect(lock.stdout).toMatch(new RegExp(`^base {2}\\d+ packages?, \\d+ added\\n(.*\\n)* {2}\\+ {2}deb ${PACKAGE} `));
    expect(workspace.read("begat.lock")).toBe(first.read("begat.lock"));
    expect((await workspace.begat(["image", "lock", "--offline"])).stdout).toMatch(/^(\w+ {2}.*unchanged\n){3}$/);
  });

  test("made from a dictum's file are built again when it is another, and their base is not", async () => {
    const workspace = another();
    await workspace.build("--offline");
    const before = await imageOf(workspace, "app");
    workspace.write("name", "sam\n");
    const built = await workspace.build("--offline");
    expect(built.executed).toEqual(["hello()", "image(app)", "use()"]);
    expect(workspace.read("said")).toBe("hello sam\n");
    const after = await imageOf(workspace, "app");
    expect(after.digest).not.toBe(before.digest);
    expect(after.from).toMatchObject({ debianPackages: before.from.debianPackages, files: 1 });
  });

  test("are others where their lock entry is another", async () => {
    const workspace = another();
    expect((await workspace.begat(["image", "build", "wide"])).status).toBe(0);
    const before = await imageOf(workspace, "wide");
    const lock = JSON.parse(workspace.read("begat.lock"));
    lock.images.wide.deb = lock.images.wide.deb.filter(({ name }: { name: string }) => name !== "libgcc-s1");
    const changed = another();
    changed.write("begat.lock", `${JSON.stringify(lock, undefined, 2)}\n`);
    const after = await imageOf(changed, "wide");
    expect(after.digest).not.toBe(before.digest);
    expect(after.from.debianPackages).toBe(before.from.debianPackages - 1);
  }, 60_000);

  test("whose root is gone are made again where something runs in them", async () => {
    const workspace = another();
    await workspace.build("--offline");
    const { digest, root } = await imageOf(workspace, "base");
    rmSync(join(root, ".."), { recursive: true });
    workspace.write("name", "pippin\n");
    const built = await workspace.build("--offline");
    expect(built.summary?.outcome).toBe("ok");
    expect(built.executed).toContain("image(base)");
    expect(await imageOf(workspace, "base")).toMatchObject({ digest, root });
  });

  test("whose package is gone say so, and what to do", async () => {
    const workspace = another(BASE);
    const lock = JSON.parse(workspace.read("begat.lock"));
    const entry = lock.images.base.deb.find(({ name }: { name: string }) => name === PACKAGE);
    Object.assign(entry, { version: "1:0.1-1", sha256: "1".repeat(64) });
    workspace.write("begat.lock", `${JSON.stringify(lock, undefined, 2)}\n`);
    const built = await workspace.begat(["image", "build", "base"]);
    expect(built.status).toBe(1);
    expect(built.stdout + built.stderr).toContain(`${PACKAGE} 1:0.1-1`);
    expect(built.stdout + built.stderr).toContain("begat image lock");
  }, 60_000);

  test("are listed, by name and digest", async () => {
    const { stdout } = await first.begat(["image", "ls", "--json"]);
    const { images } = JSON.parse(stdout) as { images: ImageView[] };
    expect(images.map(({ name }) => name)).toContain("base");
    for (const { digest, root } of images) {
      expect(readdirSync(root).length).toBeGreaterThan(0);
      expect((await first.begat(["image", "ls", digest.slice(0, 10)])).stdout).toContain(digest.slice(0, 12));
    }
  });

  test("are exported, whole, and never over what is there", async () => {
    const { digest } = await imageOf(first, "app");
    const exported = await first.begat(["image", "export", "app", "-o", "app-image"]);
    expect([exported.status, exported.stderr]).toEqual([0, ""]);
    expect(readdirSync(first.at("app-image/blobs/sha256"))).toContain(digest);
    const again = await first.begat(["image", "export", digest.slice(0, 12), "-o", "app-image"]);
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("app-image exists")]);
    expect((await first.begat(["image", "export", "ap"])).stderr).toContain('hint: did you mean "app"?\n');
  });

  test.skipIf(!hasSkopeo)("are what skopeo can read (skipped without skopeo)", async () => {
    const { digest } = await imageOf(first, "app");
    const inspected = spawnSync("skopeo", ["inspect", "--raw", "--config", `oci:${first.at("app-image")}:latest`]);
    expect(inspected.stderr.toString()).toBe("");
    const { createHash } = await import("node:crypto");
    expect(createHash("sha256").update(inspected.stdout).digest("hex")).toBe(digest);
  });

  describe.skipIf(dockerProblem !== undefined)(`in docker${dockerProblem ? ` (${dockerProblem})` : ""}`, () => {
    let engine: RunningDockerd;
    beforeAll(async () => {
      engine = await startDockerd(join(home.path, "docker"));
    });
    afterAll(() => engine?.stop());

    test("run as they do here, under the same digest", async () => {
      const { digest } = await imageOf(first, "app");
      const args = ["image", "export", "app", "--format", "docker-archive", "-o", "app.tar"];
      expect((await first.begat(args)).status).toBe(0);
      const docker = (...words: string[]) =>
        spawnSync("docker", ["--host", `unix://${engine.socket}`, ...words], { encoding: "utf8" });
      expect(docker("load", "-i", first.at("app.tar"))).toMatchObject({ status: 0, stderr: "" });
      expect(docker("image", "inspect", "--format", "{{.Id}}", "app:latest").stdout).toBe(`sha256:${digest}\n`);
      const ran = docker("run", "--rm", "--network", "none", "app", "hello");
      expect([ran.stdout, ran.status]).toEqual(["hello frodo\n", 0]);
    }, 60_000);
  });

  test("leave a ledger that holds", async () => {
    expect(await verdicts(first)).toEqual({ ledger: 0, cache: 0 });
  });
});
