import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { artifactBytes, exported } from "../../support/proven-chore.ts";

const home = mkdtempSync(join(tmpdir(), "begat-foreign-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const root = join(import.meta.dirname, "../../..");
const has = (command: string): boolean => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

/** An export written to a directory, beside the artifact. Node finds the repository's packages in it. */
async function written(name: string, before?: number): Promise<{ directory: string; artifact: string }> {
  const directory = join(home, name);
  mkdirSync(directory, { recursive: true });
  const placed = before === undefined ? { around: 2 } : { around: before, after: 0 };
  const { files } = await exported({ ...placed, inputs: { "src/a.c": 'char *s = "\\\\";\n', "src/[x].h": "" } });
  for (const [file, bytes] of files) writeFileSync(join(directory, file), bytes);
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  mkdirSync(join(directory, "elsewhere"));
  const artifact = join(directory, "elsewhere", "a.o");
  writeFileSync(artifact, artifactBytes);
  return { directory, artifact };
}

const GO_MODULES = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog";

/** Each tool: the section of the README with its commands, what must be installed, and which of its files it looks at. */
const TOOLS = [
  {
    title: "openssl",
    missing: has("openssl") ? undefined : "no openssl",
    files: ["a.o.pae", "a.o.sig", "checkpoint.text", "checkpoint.text.ed25519", "rnode.pub", "log.pub"],
  },
  {
    title: "signify, minisign",
    missing: has("signify-openbsd") && has("minisign") ? undefined : "no signify-openbsd or minisign",
    files: ["checkpoint.text", "checkpoint.text.sig", "checkpoint.text.minisig", "log.signify.pub", "log.minisign.pub"],
  },
  {
    title: "Go",
    missing: has("go") && existsSync(GO_MODULES) ? undefined : "no Go with golang.org/x/mod",
    files: ["log.vkey", "a.o.tlog-proof", "a.o.record"],
  },
  { title: "Sigstore", missing: undefined, files: ["a.o.sigstore.json", "trusted-root.json", "rnode.pub"] },
  {
    title: "in-toto",
    missing: has("in-toto-verify") ? undefined : "no in-toto-verify",
    files: ["root.layout", "layout-key.json", "*.link"],
  },
] as const;

const section = (readme: string, title: string): string[] => {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands as string);
};

function run(commands: string, directory: string, artifact: string): { status: number | null; said: string } {
  const env = { PATH: process.env.PATH ?? "", HOME: home, GOCACHE: join(home, "go"), GOFLAGS: "", ARTIFACT: artifact };
  const done = spawnSync("sh", ["-eu", "-c", commands], { cwd: directory, env, encoding: "utf8", timeout: 120_000 });
  return { status: done.status, said: done.stdout + done.stderr };
}

describe.each(TOOLS)("$title", ({ title, missing, files }) => {
  test.skipIf(missing !== undefined)(
    `accepts what the README says${missing === undefined ? "" : ` (${missing})`}`,
    async () => {
      const { directory, artifact } = await written(`${title}-good`.replace(/\W/g, ""));
      const blocks = section(readFileSync(join(directory, "README.md"), "utf8"), title);
      expect(blocks.length).toBeGreaterThan(0);
      for (const commands of blocks) {
        const { status, said } = run(commands, directory, artifact);
        expect(status, `${commands}\n${said}`).toBe(0);
      }
    },
    120_000,
  );

  test.skipIf(missing !== undefined)(
    "refuses each of its files when a bit of it is altered, and another artifact",
    async () => {
      const { directory, artifact } = await written(`${title}-bad`.replace(/\W/g, ""));
      const blocks = section(readFileSync(join(directory, "README.md"), "utf8"), title);
      const accepts = (): boolean => blocks.every((commands) => run(commands, directory, artifact).status === 0);
      for (const file of files) {
        const name = file.startsWith("*")
          ? readdirSync(directory).find((entry) => entry.endsWith(file.slice(1)))
          : file;
        const path = join(directory, name as string);
        const good = readFileSync(path);
        writeFileSync(path, altered(name as string, good));
        expect(accepts(), `${name} altered`).toBe(false);
        writeFileSync(path, good);
      }
      expect(accepts()).toBe(true);
      // What checks the checkpoint or a record knows nothing of the artifact.
      if (title !== "Go" && title !== "signify, minisign") {
        writeFileSync(artifact, "another object\n");
        expect(accepts(), "another artifact").toBe(false);
      }
    },
    120_000,
  );
});

// A tile of hashes is full at 256 records: what leads to the root has another shape before, at and after it.
describe.each([255, 256, 257])("a ledger of %d records", (size) => {
  const wanted = TOOLS.filter(
    ({ title, missing }) => missing === undefined && ["openssl", "Go", "Sigstore"].includes(title),
  );
  test(`is accepted by ${wanted.map(({ title }) => title).join(", ")}`, async () => {
    // Genesis, the execution, and in the end the attestation's own leaf.
    const { directory, artifact } = await written(`size${size}`, size - 3);
    const readme = readFileSync(join(directory, "README.md"), "utf8");
    expect(readme).toContain(`which had\n${size} records`);
    for (const { title } of wanted) {
      for (const commands of section(readme, title)) {
        const { status, said } = run(commands, directory, artifact);
        expect(status, `${title}: ${commands}\n${said}`).toBe(0);
      }
    }
  }, 120_000);
});

/** A copy with one character of what matters exchanged: in the middle of the payload, key, signature or hash. */
function altered(name: string, good: Buffer): Buffer {
  const text = good.toString("latin1");
  const change = (pattern: RegExp): Buffer => {
    const found = pattern.exec(text);
    if (found?.[1] === undefined) throw new Error(`${name} has no ${pattern}`);
    const at = found.index + found[0].indexOf(found[1]) + Math.floor(found[1].length / 2);
    const other = Buffer.from(good);
    other[at] = text[at] === "b" ? 0x63 : 0x62;
    return other;
  };
  if (name.endsWith(".sigstore.json")) return change(/"hashes":\["([^"]+)"/);
  if (name === "trusted-root.json") return change(/"rawBytes":"([^"]+)"/);
  if (name.endsWith(".layout") || name.endsWith(".link")) return change(/"sig":"([^"]+)"/);
  if (name === "layout-key.json") return change(/"public":"([^"]+)"/);
  if (/\.(minisig|sig|pub|vkey)$/.test(name) && !name.startsWith("a.o")) return change(/([A-Za-z0-9+/=]{40,})\n/);
  const other = Buffer.from(good);
  const at = Math.floor(good.length / 2);
  other[at] = good[at]! ^ 1;
  return other;
}
