import { describe, expect, it } from "vitest";
import { runCommand, type Services } from "../../src/cli/index.ts";
import type { ProveView, SbomRequest, SbomView, VerifyRequest, VerifyView } from "../../src/cli/proof-services.ts";
import { FakeHost } from "../support/fake-host.ts";

async function run(line: string, services: Partial<Services>) {
  const host = new FakeHost(services);
  const exitCode = await runCommand(line.split(" "), host);
  return { exitCode, said: host.stdout.text + host.stderr.text };
}

const PROVED: ProveView = {
  path: "bin/prog",
  hash: "a".repeat(64),
  seq: 12,
  size: 40,
  directory: "/home/user/checkout/proof",
  files: ["README.md", "prog.proof", "prog.intoto.jsonl"],
  proof: "prog.proof",
  proofBytes: 5_600,
  ledger: "b".repeat(64),
  attestation: { seq: 39, appended: true },
  witnessed: false,
};

const VERIFIED: VerifyView = {
  verdict: "holds",
  problems: [],
  shown: {
    path: "bin/prog",
    sha256: "a".repeat(64),
    chore: "link()",
    command: ["sh", "-eu", ".begat/recipe"],
    image: `gcc:sha256:${"c".repeat(64)}`,
    inputs: 7,
    builder: "https://begat.invalid/builder/bubblewrap-hermetic/v1",
    level: "hermetic",
    complete: true,
    rnode: "frodo",
    startedOn: "2026-01-01T00:00:00.000Z",
    finishedOn: "2026-01-01T00:00:01.000Z",
    ledger: "b".repeat(64),
    origin: "shire/ledger/1",
    size: 40,
    seq: 12,
    leaf: "d".repeat(64),
    signer: ["e".repeat(64), "f".repeat(64)],
    log: ["shire/ledger/1+388c412b+AYqI4910CfGV"],
    witnesses: ["bilbo"],
    agreeing: 3,
  },
  vouchedBy: "policy",
  vsa: { path: "/home/user/checkout/vsa.json", signedBy: "9".repeat(64) },
};

const UNKNOWN: VerifyView = {
  ...VERIFIED,
  verdict: "not proven",
  problems: [
    "nobody vouches for the keys of ledger bbbbbbbbbbbb: no policy names it, and it is none that is known here",
  ],
  shown: { ...VERIFIED.shown!, complete: false, signer: ["e".repeat(64)], witnesses: [], agreeing: 1 },
  vouchedBy: undefined,
  vsa: undefined,
};

describe("answers about proofs", () => {
  const answers: [name: string, line: string, services: Partial<Services>, exitCode: number][] = [
    ["prov-prove", "prov prove bin/prog -o proof", { prove: async () => PROVED }, 0],
    ["verify", "verify proof bin/prog --policy p --vsa vsa.json", { verify: async () => VERIFIED }, 0],
    ["verify-unknown", "verify proof bin/prog", { verify: async () => UNKNOWN }, 1],
    [
      "verify-tampered",
      "verify proof bin/prog",
      {
        verify: async () => ({
          verdict: "tampered",
          problems: ["record 12 is not in the ledger of 40 records that the checkpoint signs"],
          shown: undefined,
          vouchedBy: undefined,
          vsa: undefined,
        }),
      },
      3,
    ],
  ];
  for (const [name, line, services, exitCode] of answers) {
    it(name, async () => {
      const ran = await run(line, services);
      expect(ran.exitCode).toBe(exitCode);
      await expect(ran.said).toMatchFileSnapshot(`golden/${name}.txt`);
      const json = await run(`${line} --json`, services);
      expect(json.exitCode).toBe(exitCode);
      expect(JSON.parse(json.said)).toMatchObject({ v: 1 });
    });
  }

  it.each([
    ["rolled back", 4],
    ["could not check", 5],
  ] as const)("verify that says %s exits %d", async (verdict, exitCode) => {
    expect((await run("verify a b", { verify: async () => ({ ...UNKNOWN, verdict }) })).exitCode).toBe(exitCode);
  });

  it("refuses a command line that says too little, or too much", async () => {
    for (const line of ["prov prove x", "verify x", "verify x y z", "verify x y --policy p --trust-bundle-keys"]) {
      expect((await run(line, {})).exitCode, line).toBe(2);
    }
  });

  it("writes the page, and checks nothing in the same breath", async () => {
    const verifyPage = async (path: string) => ({ path, sha256: "a".repeat(64), bytes: 95_000, version: "1.2.3" });
    const ran = await run("verify -C /there --page check.html", { verifyPage });
    expect(ran).toEqual({
      exitCode: 0,
      said: `page     /there/check.html, 92.8 KiB, the same bytes from every begat 1.2.3\nsha256   ${"a".repeat(64)}\n`,
    });
    const json = await run("verify --page x --json", { verifyPage });
    expect(JSON.parse(json.said)).toMatchObject({ v: 1, bytes: 95_000 });
    expect((await run("verify a b --page x", { verifyPage })).exitCode).toBe(2);
  });

  it("writes a bill of materials, or says what is in it", async () => {
    const gaps = Array.from({ length: 7 }, (_, i) => `record ${i} (x()) may have seen more than it declared`);
    const view = { subject: "bin/prog", hash: "a".repeat(64), packages: 62, files: 6, images: 1, executions: 4, gaps };
    const sbom = async ({ format, output }: SbomRequest): Promise<SbomView> => ({
      ...view,
      format,
      path: output,
      text: '{"a":1}\n',
    });
    const host = new FakeHost({ sbom });
    expect(await runCommand(["prov", "sbom", "bin/prog"], host)).toBe(0);
    expect(host.stdout.text).toBe('{"a":1}\n');
    expect(host.stderr.text.split("\n")).toHaveLength(7);
    const written = await run("prov sbom bin/prog --format spdx -o x.json", { sbom });
    expect(written.exitCode).toBe(0);
    await expect(written.said).toMatchFileSnapshot("golden/prov-sbom.txt");
    const json = await run("prov sbom bin/prog -o x.json --json", { sbom });
    expect(JSON.parse(json.said)).toMatchObject({ v: 1, packages: 62, bytes: 8 });
    expect((await run("prov sbom x --format swid", { sbom })).exitCode).toBe(2);
  });

  it("takes paths from where -C says", async () => {
    let asked: VerifyRequest | undefined;
    const verify = async (request: VerifyRequest) => {
      asked = request;
      return VERIFIED;
    };
    await run("verify -C /there p.proof bin/prog --policy x --vsa /vsa", { verify });
    expect(asked).toEqual({
      bundle: "/there/p.proof",
      artifact: "/there/bin/prog",
      policy: "/there/x",
      vsa: "/vsa",
      trustBundleKeys: false,
    });
  });
});
