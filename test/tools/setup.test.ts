import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A checkout as small as set-up needs it: an installed node_modules, tools, and a begat that says its arguments. */
let checkout: string;
let scratch: string;

const entry = "console.log(process.env.BEGAT_VERSION, process.argv.slice(2), process.env.BEGAT_EXTRA_CA_CERTS);\n";

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "begat set-up "));
  checkout = join(scratch, "check out");
  mkdirSync(join(checkout, "src/cli"), { recursive: true });
  mkdirSync(join(checkout, "node_modules"));
  for (const name of ["begat", "native", "package.json", "package-lock.json", "tools"])
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  for (const name of ["esbuild", "better-sqlite3", "bindings", "file-uri-to-path", "@esbuild"])
    symlinkSync(join(root, "node_modules", name), join(checkout, "node_modules", name));
  writeFileSync(join(checkout, "node_modules/.package-lock.json"), "{}\n");
  writeFileSync(join(checkout, "src/cli/main.ts"), entry);
  // Compiled by whoever set this checkout up; newer than the copied sources, so that each test need not do it again.
  if (existsSync(join(root, "build/native"))) {
    cpSync(join(root, "build/native"), join(checkout, "build/native"), { recursive: true });
  }
  // A test installs nothing on the machine.
  mkdirSync(join(checkout, ".begat/setup"), { recursive: true });
  writeFileSync(join(checkout, ".begat/setup/sandbox-tried"), "");
});

afterEach(() => rmSync(scratch, { recursive: true, force: true }));

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}, cwd = scratch): Ran {
  const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
  const options = { cwd, env: { PATH: path, HOME: join(scratch, "nowhere"), ...env }, encoding: "utf8" as const };
  const { status, stdout, stderr } = spawnSync(command, args, options);
  return { status, stdout, stderr };
}

const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
const says = (args: string, certificates = "undefined") => `${version} ${args} ${certificates}\n`;

describe("the launcher", () => {
  test("compiles and bundles at first use, hands arguments on, and is quiet about it", () => {
    rmSync(join(checkout, "build"), { recursive: true, force: true });
    const first = run(join(checkout, "begat"), ["build", "two words"]);
    expect(first).toEqual({ status: 0, stdout: says("[ 'build', 'two words' ]"), stderr: "" });
    expect(run(join(checkout, "begat"), [])).toEqual({ status: 0, stdout: says("[]"), stderr: "" });
  });

  test("works through a chain of symlinks, absolute and relative, from another directory", () => {
    mkdirSync(join(scratch, "bin"));
    symlinkSync(join(checkout, "begat"), join(scratch, "bin/absolute"));
    symlinkSync("absolute", join(scratch, "bin/relative"));
    const env = { PATH: `${join(scratch, "bin")}:${dirname(process.execPath)}:/usr/bin:/bin` };
    expect(run("sh", ["-c", "relative"], env, "/")).toEqual({ status: 0, stdout: says("[]"), stderr: "" });
    expect(run("./begat", [], {}, checkout).stdout).toBe(says("[]"));
    expect(run("sh", ["begat"], {}, checkout).stdout).toBe(says("[]"));
  });

  test("bundles again when a source has changed or gone", () => {
    writeFileSync(join(checkout, "src/cli/other.ts"), "");
    expect(run(join(checkout, "begat"), []).stdout).toBe(says("[]"));
    writeFileSync(join(checkout, "src/cli/main.ts"), "console.log('changed');\n");
    expect(run(join(checkout, "begat"), []).stdout).toBe("changed\n");
  });

  test("keeps certificates away from Node's start and within reach of begat", () => {
    const { stdout } = run(join(checkout, "begat"), [], { NODE_EXTRA_CA_CERTS: "/etc/certificates.pem" });
    expect(stdout).toBe(says("[]", "/etc/certificates.pem"));
  });

  test("a source that does not compile is shown, in one line more than esbuild's own", () => {
    writeFileSync(join(checkout, "src/cli/main.ts"), "const = 1;\n");
    const { status, stdout, stderr } = run(join(checkout, "begat"), []);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/src\/cli\/main\.ts:1:6/);
    expect(stderr).toMatch(/\nbegat: the bundle cannot be built\n$/);
  });

  test.each([
    ["too old to say more than its version", "exit 1", "v12.22.0", "(v12.22.0) is too old"],
    ["a version between the supported ones", "echo unsupported 21.7.3 120", "v21.7.3", "is version 21.7.3"],
  ])("refuses a Node that is %s, in one line", (_, facts, shown, message) => {
    mkdirSync(join(scratch, "bin"));
    const node = join(scratch, "bin/node");
    writeFileSync(node, `#!/bin/sh\ncase $1 in --version) echo ${shown} ;; *) ${facts} ;; esac\n`, { mode: 0o755 });
    const { status, stderr } = run(join(checkout, "begat"), [], { PATH: `${join(scratch, "bin")}:/usr/bin:/bin` });
    expect(status).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toContain(message);
    expect(stderr).toContain("begat needs Node >=20.19 <21 || >=22.12");
  });
});

describe("the set-up", () => {
  test("an abandoned lock is taken over", () => {
    const { pid } = spawnSync("true");
    symlinkSync(String(pid), join(checkout, ".begat/setup/lock"));
    expect(run(join(checkout, "begat"), [])).toEqual({ status: 0, stdout: says("[]"), stderr: "" });
  });

  test("an unknown step is refused by name", () => {
    const { status, stderr } = run("sh", [join(checkout, "tools/setup.sh"), "everything"]);
    expect(status).toBe(1);
    expect(stderr).toBe("begat: unknown step everything; the steps are: dependencies bundle sandbox\n");
  });
});

describe("the bundle", () => {
  test("has the same bytes wherever the checkout lies", () => {
    const listed = ["one", "two"].map((place) => {
      const here = join(scratch, place, "begat");
      cpSync(checkout, here, { recursive: true, verbatimSymlinks: true });
      rmSync(join(here, "build"), { recursive: true, force: true });
      const args = [join(here, "tools/bundle.mjs"), "--out", join(here, "out"), "--no-code-cache"];
      execFileSync(process.execPath, args, { cwd: scratch, stdio: "pipe" });
      return run("sh", ["-c", "sha256sum *"], {}, join(here, "out")).stdout;
    });
    expect(listed[0]).toBe(listed[1]);
    expect(listed[0]?.split("\n")).toHaveLength(4);
  });
});
