import { spawnSync } from "node:child_process";
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { preAuthenticationEncoding } from "../../src/provenance/index.ts";
import { BegatHome, begatProgram } from "../support/begat.ts";
import { verdicts } from "../support/verdicts.ts";

const home = new BegatHome();
const stranger = new BegatHome();
afterAll(() => {
  home.dispose();
  stranger.dispose();
});

const made = home.workspace();
made.begatfile(`
dictum compile(src) {
  in  [ $src ]
  out [ \${src:src/%.c=obj/%.o} ]
  exec [[[ sed s/^/object/ "$src" > "$out" ]]]
}
apply(compile [src/a.c "src/b c.c"])
`);
made.write("src/a.c", "int a;\n");
made.write("src/b c.c", "int b;\n");

// Whoever is first bundles it.
beforeAll(() => void begatProgram(), 120_000);

/** Somebody with nothing but the proof and the artifact. */
const other = stranger.workspace("elsewhere");

async function exported(path: string, name: string): Promise<string> {
  const directory = join(made.path, "..", name);
  const ran = await made.begat(["prov", "prove", path, "-o", directory]);
  expect(ran.stderr + ran.stdout).toContain(".proof");
  expect(ran.status).toBe(0);
  return directory;
}

describe("a proof given away", () => {
  test("is checked by a stranger, by the policy he has", async () => {
    await made.build();
    const directory = await exported("obj/a.o", "proof");
    expect(statSync(join(directory, "a.o.proof")).size).toBeLessThanOrEqual(8 * 1024);
    const artifact = made.at("obj/a.o");
    const policy = join(directory, "begat.policy");

    const unknown = await other.begat(["verify", directory, artifact]);
    expect(unknown.status).toBe(1);
    expect(unknown.stdout).toContain("nobody vouches for the keys");
    expect((await other.begat(["verify", directory, artifact, "--trust-bundle-keys"])).status).toBe(0);
    const accepted = await other.begat([
      "verify",
      join(directory, "a.o.proof"),
      artifact,
      "--policy",
      policy,
      "--json",
    ]);
    expect(accepted.status).toBe(0);
    expect(JSON.parse(accepted.stdout)).toMatchObject({
      verdict: "holds",
      vouchedBy: "policy",
      shown: { path: "obj/a.o" },
    });
    expect((await made.begat(["verify", directory, artifact])).stdout).toContain("this user's own ledger");
    // It took nothing but the two files: no ledger was made.
    expect(existsSync(join(stranger.state, "ledger.db"))).toBe(false);
  });

  test("comes with a page and bills of materials, the same that begat writes when asked for them", async () => {
    const directory = await exported("obj/a.o", "page");
    const page = readFileSync(join(directory, "offline.html"));
    expect((await other.begat(["verify", "--page", "check.html"])).status).toBe(0);
    expect(other.read("check.html")).toBe(page.toString());
    const sha256 = createHash("sha256").update(page).digest("hex");
    expect(readFileSync(join(directory, "README.md"), "utf8")).toContain(`${sha256}  offline.html`);
    expect(page.toString()).toContain("default-src 'none'");
    const bill = readFileSync(join(directory, "a.o.cdx.json"), "utf8");
    expect((await made.begat(["prov", "sbom", "obj/a.o"])).stdout).toBe(bill);
    const spdx = JSON.parse((await made.begat(["prov", "sbom", "obj/a.o", "--format", "spdx"])).stdout);
    expect(spdx).toEqual(JSON.parse(readFileSync(join(directory, "a.o.spdx.json"), "utf8")));
    expect(spdx["@graph"].filter(({ type }: { type: string }) => type === "build_Build")).toHaveLength(1);
  });

  test("is refused when it or the artifact is another, with the exit code that says so", async () => {
    const directory = await exported("obj/a.o", "refused");
    const proof = join(directory, "a.o.proof");
    const good = readFileSync(proof);
    const status = async (bundle: string, artifact: string, ...more: string[]) =>
      (await other.begat(["verify", bundle, artifact, ...more])).status;
    const artifact = made.at("obj/a.o");
    expect(await status(proof, made.at("src/a.c"), "--trust-bundle-keys")).toBe(1);
    writeFileSync(proof, good.toString().replace('"exit":0', '"exit":1'));
    expect(await status(proof, artifact, "--trust-bundle-keys")).toBe(3);
    writeFileSync(proof, "no proof");
    expect(await status(proof, artifact, "--trust-bundle-keys")).toBe(5);
    writeFileSync(proof, good);
    expect(await status(proof, join(made.path, "nothing"))).toBe(5);
    expect(await status(join(directory, "nothing.proof"), artifact)).toBe(5);
    other.write("bad.policy", "begat-policy@v1\nmaximum-age 3\n");
    expect(await status(proof, artifact, "--policy", "bad.policy")).toBe(5);
    const policy = readFileSync(join(directory, "begat.policy"), "utf8");
    other.write("strict.policy", policy.replace(/^level .*$/m, "level hermetic"));
    expect(await status(proof, artifact, "--policy", "strict.policy")).toBe(1);
  });

  test("puts one leaf a travail into the ledger, and the ledger still holds", async () => {
    const size = async () => JSON.parse((await made.begat(["ledger", "verify", "--json"])).stdout).size as number;
    await exported("obj/a.o", "again");
    const before = await size();
    await exported("obj/a.o", "again");
    expect(await size()).toBe(before);
    await exported("obj/b c.o", "spaced");
    expect(await size()).toBe(before + 1);
    expect(await verdicts(made)).toEqual({ ledger: 0, cache: 0 });
  });

  test("answers what cannot be proven with a reason", async () => {
    made.write("obj/a.o", "something else\n");
    const changed = await made.begat(["prov", "prove", "obj/a.o", "-o", "../changed"]);
    expect(changed.stderr).toContain("which no execution made");
    expect(changed.status).toBe(5);
    expect((await made.begat(["prov", "prove", "0", "-o", "../zero"])).stderr).toContain("record 0 is no execution");
    expect(existsSync(join(made.path, "../changed"))).toBe(false);
  });

  test("is summarised for others under the user's own key", async () => {
    await made.build();
    const directory = await exported("obj/a.o", "summary");
    const ran = await made.begat(["verify", directory, "obj/a.o", "--vsa", "vsa.json"]);
    expect(ran.status).toBe(0);
    const envelope = JSON.parse(made.read("vsa.json"));
    const payload = Buffer.from(envelope.payload, "base64");
    const key = createPublicKey(readFileSync(join(home.state, "keys/rnode.pub")));
    const sig = Buffer.from(envelope.signatures[0].sig, "base64");
    expect(verifySignature(null, preAuthenticationEncoding(envelope.payloadType, payload), key, sig)).toBe(true);
    expect(JSON.parse(payload.toString())).toMatchObject({
      predicateType: "https://slsa.dev/verification_summary/v1",
      subject: [
        {
          digest: {
            sha256: createHash("sha256")
              .update(readFileSync(made.at("obj/a.o")))
              .digest("hex"),
          },
        },
      ],
      predicate: { verificationResult: "PASSED", verifiedLevels: ["SLSA_BUILD_LEVEL_1"] },
    });
  });

  test("has a README whose begat command works, also for a name with a blank", async () => {
    const directory = await exported("obj/b c.o", "readme");
    const bin = join(home.path, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, "begat"), `#!/bin/sh\nexec '${process.execPath}' '${begatProgram()}' "$@"\n`);
    chmodSync(join(bin, "begat"), 0o755);
    const readme = readFileSync(join(directory, "README.md"), "utf8");
    const commands = /^## begat\n.*?^```sh\n(.*?)^```$/ms.exec(readme)?.[1] as string;
    const artifact = join(directory, "copy");
    copyFileSync(made.at("obj/b c.o"), artifact);
    const env = { ...stranger.environment(), PATH: `${bin}:${process.env.PATH}`, ARTIFACT: artifact };
    const ran = spawnSync("sh", ["-eu", "-c", commands], { cwd: directory, env, encoding: "utf8" });
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    expect(readdirSync(directory).filter((name) => /[^A-Za-z0-9._-]/.test(name))).toEqual([]);
  });
});
