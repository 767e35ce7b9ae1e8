import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIRST_BEGATFILE } from "../../src/cli/verbs/init.ts";
import { formatBegatfile } from "../../src/dictum-parser/index.ts";

const folder = mkdtempSync(join(tmpdir(), "begat-cli-"));
const program = join(folder, "begat.cjs");

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, "../../src/cli/main.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "cjs",
    supported: { "dynamic-import": false },
    // The engine and the live view are not what is tried here.
    external: ["./wiring/index.ts", "./render/live.tsx", "better-sqlite3", "chokidar"],
    define: { "process.env.BEGAT_VERSION": '"1.2.3"', "process.env.BEGAT_BUILD_ID": '"abc"' },
    logLevel: "error",
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...words: string[]) => spawnSync(process.execPath, [program, ...words], { cwd: folder, encoding: "utf8" });

describe("the process", () => {
  it("knows its version", () => {
    for (const word of ["--version", "-V", "version"]) {
      expect(run(word)).toMatchObject({ status: 0, stdout: "begat 1.2.3\n", stderr: "" });
    }
    expect(JSON.parse(run("version", "--json").stdout)).toMatchObject({ version: "1.2.3", build: "abc" });
  });

  it("answers a mistaken command line on standard error with 2", () => {
    expect(run("build", "--job")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: 'error: begat build has no option --job\nhint: did you mean "--jobs"?\nusage: begat help build\n',
    });
  });

  it("writes all of a long answer into a pipe", () => {
    const { stdout, status } = run("completion", "zsh");
    expect(status).toBe(0);
    expect(stdout.endsWith("else compdef _begat begat; fi\n")).toBe(true);
  });

  it("ends quietly when its reader has gone", async () => {
    const child = spawn(process.execPath, [program, "help"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect({ status, stderr }).toEqual({ status: 141, stderr: "" });
  });

  it("makes a first begatfile", () => {
    expect(run("init").status).toBe(0);
    expect(run("init").status).toBe(1);
  });
});

it("the first begatfile is formatted as begat fmt would", () => {
  expect(formatBegatfile(FIRST_BEGATFILE)).toMatchObject({ ok: true, text: FIRST_BEGATFILE });
});

const has = (shell: string) => spawnSync("sh", ["-c", `command -v ${shell}`]).status === 0;
describe("completion", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    it.skipIf(!has(shell))(`${shell} accepts it (skipped without ${shell})`, () => {
      const script = join(folder, `completion.${shell}`);
      writeFileSync(script, run("completion", shell).stdout);
      expect(spawnSync(shell, ["-n", script], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
    });
  }

  const completed: readonly (readonly [words: string[], reply: string[]])[] = [
    [["dae"], ["daemon"]],
    [
      ["cache", ""],
      ["stats", "verify", "gc"],
    ],
    [["prov", "tree", "--so"], ["--sources"]],
    [["build", "--exec"], ["--executor"]],
    [["build", "--executor", "b"], ["bubblewrap"]],
    [["completion", "f"], ["fish"]],
    [["obj/a.o", "--keep"], ["--keep-going"]],
  ];
  for (const [words, reply] of completed) {
    it.skipIf(!has("bash"))(`begat ${words.join(" ")}<TAB> (skipped without bash)`, () => {
      const quoted = ["begat", ...words].map((word) => `'${word}'`).join(" ");
      const script = `${run("completion", "bash").stdout}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _begat; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8", cwd: tmpdir() });
      expect(stdout.trim().split("\n")).toEqual(reply);
    });
  }
});
