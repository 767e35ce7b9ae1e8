import { describe, expect, it } from "vitest";
import type { ImageView } from "../../src/cli/image-services.ts";
import { runCommand, type Services } from "../../src/cli/index.ts";
import { subcommandsOf } from "../../src/cli/verb-table.ts";
import { gapSummary } from "../../src/cli/wiring/images.ts";
import { NO_GAPS } from "../../src/hermetic/index.ts";
import { TargetError } from "../../src/scheduler/index.ts";
import { FakeHost } from "../support/fake-host.ts";
import { summary } from "../support/scripted-events.ts";

const hash = (digit: string) => digit.repeat(64) as ImageView["digest"];

const GCC: ImageView = {
  name: "gcc",
  digest: hash("a"),
  sizeBytes: 258_612_224,
  root: "/cache/images/aa/root",
  from: { debianPackages: 63, npmPackages: 0, files: 0, oci: undefined },
  gaps: {
    ...NO_GAPS,
    scripts: [
      { package: "dash", name: "postinst", sha256: hash("1") },
      { package: "dash", name: "prerm", sha256: hash("2") },
      { package: "libc6", name: "postinst", sha256: hash("3") },
    ],
    dangling: [{ place: "etc/rmt", target: "/usr/sbin/rmt" }],
    stripped: [{ package: "passwd", place: "usr/bin/passwd", what: "setuid" }],
    suggested: [1, 2, 3, 4, 5, 6].map((n) => ({ package: "p", place: `/usr/bin/c${n}`, target: `/usr/bin/gcc-${n}` })),
  },
};
const LUA: ImageView = {
  ...GCC,
  name: "lua-image",
  digest: hash("b"),
  sizeBytes: 15_000_000,
  from: { debianPackages: 0, npmPackages: 1, files: 2, oci: hash("c") },
  gaps: NO_GAPS,
};
const EMPTY = { ...LUA, name: "empty", from: { debianPackages: 0, npmPackages: 0, files: 0, oci: undefined } };

async function run(line: string, services: Partial<Services> = {}) {
  const host = new FakeHost(services);
  const exitCode = await runCommand(line.split(" "), host);
  return { exitCode, stdout: host.stdout.text, stderr: host.stderr.text, host };
}

const LOCK: Partial<Services> = {
  imageLock: async (_request, onFetching) => {
    onFetching({ name: "gcc", what: "Debian packages to choose from" });
    return {
      images: [
        {
          name: "gcc",
          packages: 3,
          changed: true,
          changes: [
            { name: "deb dash", from: undefined, to: "0.5.12-2" },
            { name: "deb libc6", from: "2.36-9+deb12u13", to: "2.36-9+deb12u14" },
            { name: "npm left-pad", from: "1.3.0", to: undefined },
          ],
        },
        { name: "node", packages: 16, changed: false, changes: [] },
        { name: "libc", packages: 1, changed: true, changes: [] },
        { name: "lua-image", packages: 0, changed: false, changes: [] },
      ],
    };
  },
};

const answers: readonly (readonly [name: string, line: string, services: Partial<Services>, exitCode: number])[] = [
  ["image-lock", "image lock", LOCK, 0],
  ["image-lock-nothing", "image lock", { imageLock: async () => ({ images: [] }) }, 0],
  ["image-ls", "image ls", { imageList: async () => [EMPTY, GCC, LUA] }, 0],
  ["image-ls-digest", "image ls aaaaaa", { imageList: async () => [GCC, LUA] }, 0],
  ["image-ls-nothing", "image ls nope", { imageList: async () => [GCC, LUA] }, 1],
  [
    "image-export",
    "image export gcc",
    { imageExport: async ({ directory }) => ({ image: GCC, path: `${directory}/gcc-oci` }) },
    0,
  ],
  [
    "image-push",
    "image push gcc localhost:5000/gcc",
    {
      imagePush: async ({ reference }) => ({
        image: GCC,
        reference,
        manifestDigest: hash("d"),
        uploadedBytes: 64_000_000,
        reusedLayers: 1,
      }),
    },
    0,
  ],
];

describe("answers", () => {
  for (const [name, line, services, exitCode] of answers) {
    it(name, async () => {
      const result = await run(line, services);
      expect([result.exitCode, result.host.closed]).toEqual([exitCode, 1]);
      await expect(result.stdout + result.stderr).toMatchFileSnapshot(`golden/${name}.txt`);
    });

    it(`${name} --json is one document`, async () => {
      const result = await run(`${line} --json`, services);
      expect([result.exitCode, result.stderr]).toEqual([exitCode, ""]);
      expect(JSON.parse(result.stdout)).toMatchObject({ v: 1, verb: line.split(" ").slice(0, 2).join(" ") });
    });
  }
});

describe("what is handed on", () => {
  const place = { directory: "/home/user/project", begatfiles: [], overrides: {} };
  const requests: readonly (readonly [line: string, service: keyof Services, request: object])[] = [
    ["image lock", "imageLock", { ...place, names: [], update: false, offline: false }],
    ["image lock a b --update", "imageLock", { ...place, names: ["a", "b"], update: true, offline: false }],
    [
      "-C sub image lock -f x.begat --offline V=1",
      "imageLock",
      {
        directory: "/home/user/project/sub",
        begatfiles: ["x.begat"],
        overrides: { V: ["1"] },
        names: [],
        update: false,
        offline: true,
      },
    ],
    ["image export a", "imageExport", { ...place, name: "a", format: "oci", to: undefined, offline: false }],
    [
      "image export a -o x/y.tar --format docker-archive --offline",
      "imageExport",
      { ...place, name: "a", format: "docker-archive", to: "/home/user/project/x/y.tar", offline: true },
    ],
    ["image push a h/b:c --insecure", "imagePush", { ...place, name: "a", reference: "h/b:c", insecure: true }],
  ];
  for (const [line, service, request] of requests) {
    it(line, async () => {
      let asked: unknown;
      const taken = (given: unknown) => {
        asked = given;
        return Promise.reject(new TargetError("TARGET_UNKNOWN", "enough"));
      };
      await run(line, { [service]: taken });
      expect(asked).toEqual(request);
    });
  }
});

describe("image build", () => {
  const declared = (image: ImageView | undefined) => [
    { name: "gcc", at: "begatfile:1:1", image },
    { name: "lua-image", at: "begatfile:5:1", image: image && LUA },
  ];
  const services = (targets: string[], outcome: "ok" | "failed" = "ok"): Partial<Services> => ({
    imagesDeclared: async () => declared(targets.length === 0 ? undefined : GCC),
    build: async (options) => {
      targets.push(...options.targets, options.offline ? "offline" : "");
      return { ...summary(), outcome };
    },
  });

  it("builds the images' chores and says what they are", async () => {
    const targets: string[] = [];
    const { stdout, exitCode } = await run("image build --offline", services(targets));
    expect([targets, exitCode]).toEqual([["image(gcc)", "image(lua-image)", "offline"], 0]);
    await expect(stdout).toMatchFileSnapshot("golden/image-build.txt");
  });

  it("has a line of JSON for each", async () => {
    const { stdout } = await run("image build --json", services([]));
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      expect.objectContaining({ v: 1, type: "image", name: "gcc", at: "begatfile:1:1", digest: hash("a") }),
      expect.objectContaining({ v: 1, type: "image", name: "lua-image", digest: hash("b") }),
    ]);
  });

  it("says no more of them when the build failed, or in quiet", async () => {
    expect(await run("image build", services([], "failed"))).toMatchObject({ exitCode: 1, stdout: "" });
    expect(await run("image build -q", services([]))).toMatchObject({ exitCode: 0, stdout: "" });
  });

  it("has a failure as a line of JSON, like a build", async () => {
    const unknown = new TargetError("TARGET_UNKNOWN", 'there is no image "gc"', { hint: 'did you mean "gcc"?' });
    const result = await run("image build gc --json", { imagesDeclared: () => Promise.reject(unknown) });
    expect(JSON.parse(result.stdout)).toMatchObject({ type: "error", code: "TARGET_UNKNOWN", exitCode: 2 });
    expect(result.stderr).toBe('error: there is no image "gc"\nhint: did you mean "gcc"?\n');
  });
});

describe("mistaken command lines", () => {
  const verbs = subcommandsOf("image").join(", ");
  const mistakes: readonly (readonly [line: string, message: string])[] = [
    ["image", `begat image needs one of: ${verbs}`],
    ["image bild", `begat image needs one of: ${verbs}; found "bild"`],
    ["image export", "begat image export needs a NAME"],
    ["image export a b", 'begat image export takes at most 1 NAME, found "b" as well'],
    ["image export a --format tar", '--format expects one of oci, docker-archive; found "tar"'],
    ["image push a", "begat image push needs NAME and REFERENCE"],
    ["image ls a b", 'begat image ls takes at most 1 NAME, found "b" as well'],
    ["image lock --update --offline", "--update and --offline contradict each other"],
    ["image lock --updat", "begat image lock has no option --updat"],
  ];
  for (const [line, message] of mistakes) {
    it(line, async () => {
      const { exitCode, stderr } = await run(line);
      expect(exitCode).toBe(2);
      expect(stderr.split("\n")[0]).toBe(`error: ${message}`);
    });
  }

  it("wonders what was meant", async () => {
    expect((await run("image exprot a")).stderr).toContain('hint: did you mean "begat image export"?\n');
    expect((await run("image lock --updat")).stderr).toContain('hint: did you mean "--update"?\n');
  });
});

it("Ctrl-C stops the work and nothing else is said", async () => {
  const host = new FakeHost({
    imageExport: (_request, _fetching, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        host.signal("SIGINT");
      }),
  });
  expect(await runCommand(["image", "export", "gcc"], host)).toBe(130);
  expect(host.stderr.text).toBe("");
});

describe("what a build says of an image's gaps", () => {
  const link = (n: number) => ({ place: `l${n}`, target: "nowhere" });
  const base = [1, 2, 3, 4].map((n) => ({ place: `f${n}`, by: "p", instead: "base" }));
  const dropped = [{ package: "p", place: "dev/null", what: "device" }];
  it.each([
    ["", NO_GAPS],
    ["gaps: 3 maintainer scripts not run; 1 link leads nowhere: etc/rmt\n", GCC.gaps],
    ["gaps: 4 links lead nowhere: l1, l2, l3, ...\n", { ...NO_GAPS, dangling: [1, 2, 3, 4].map(link) }],
    [
      "gaps: 1 entry or mode bit left out; 4 base files replaced by packages\n",
      { ...NO_GAPS, dropped, replaced: base },
    ],
  ])("%j", (text, gaps) => expect(gapSummary(gaps)).toBe(text));
});
