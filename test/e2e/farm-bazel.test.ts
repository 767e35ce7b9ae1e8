import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BegatHome } from "../support/begat.ts";
import { FulcrumProcess } from "../support/fulcrum-process.ts";

const HAS_BAZEL = spawnSync("sh", ["-c", "command -v bazel && command -v g++"], { stdio: "ignore" }).status === 0;
const WHY = HAS_BAZEL ? "" : " (skipped: bazel or g++ is not installed)";

// Analysing cc_* rules asks for three outside repositories: these stand in for them, so that nothing is fetched.
const RULES = ["cc_library", "cc_binary", "cc_test", "cc_import", "cc_toolchain", "cc_toolchain_suite"];
const JAVA_RULES = ["binary", "library", "import", "test", "runtime", "toolchain"].map((name) => `java_${name}`);
const natives = (names: readonly string[]) => names.map((name) => `${name} = native.${name}\n`).join("");
const FILES: Readonly<Record<string, string>> = {
  WORKSPACE: "",
  ".bazelignore": "stubs\n",
  "stubs/rules_cc/WORKSPACE": 'workspace(name = "rules_cc")\n',
  "stubs/rules_cc/BUILD": "",
  "stubs/rules_cc/cc/BUILD": "",
  "stubs/rules_cc/cc/defs.bzl": natives([...RULES, "cc_proto_library", "objc_library"]),
  "stubs/rules_java/WORKSPACE": 'workspace(name = "rules_java")\n',
  "stubs/rules_java/BUILD": "",
  "stubs/rules_java/java/BUILD": "",
  "stubs/rules_java/java/defs.bzl": natives(JAVA_RULES),
  "stubs/remote_coverage_tools/WORKSPACE": 'workspace(name = "remote_coverage_tools")\n',
  "stubs/remote_coverage_tools/BUILD": ["coverage_report_generator", "lcov_merger"]
    .map((name) => `filegroup(name = "${name}", visibility = ["//visibility:public"])\n`)
    .join(""),
  BUILD: `
genrule(name = "made", outs = ["made.h"], cmd = "echo '#define ANSWER 42' > $@")
cc_library(name = "answer", srcs = ["answer.cc", ":made"], hdrs = ["answer.h"])
cc_binary(name = "hello", srcs = ["main.cc"], deps = [":answer"])
genrule(name = "said", srcs = [":hello"], outs = ["said.txt"], cmd = "$(location :hello) > $@")
`,
  "answer.h": "int answer();\n",
  "answer.cc": '#include "answer.h"\n#include "made.h"\nint answer() { return ANSWER; }\n',
  "main.cc": '#include <cstdio>\n#include "answer.h"\nint main() { std::printf("the answer is %d\\n", answer()); }\n',
};

let home: BegatHome;
let fulcrum: FulcrumProcess;
let bazel: (...words: string[]) => Promise<string>;

beforeAll(async () => {
  if (!HAS_BAZEL) return;
  home = new BegatHome();
  fulcrum = await FulcrumProcess.start(home, [
    ...["--leader", "--name", "boss", "--slots", "2"],
    ...["--listen", "127.0.0.1:0", "--insecure-listen", "127.0.0.1:0"],
  ]);
  const root = join(home.path, "workspace");
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const first = [`--output_user_root=${join(home.path, "bazel")}`, "--nohome_rc", "--max_idle_secs=120"];
  bazel = (...words) =>
    new Promise((resolve, reject) => {
      const child = spawn("bazel", [...first, ...words], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
      }
      child.on("close", (status) =>
        status === 0 ? resolve(text) : reject(new Error(`bazel ended with ${status}\n${text}`)),
      );
    });
}, 60_000);

afterAll(async () => {
  if (!HAS_BAZEL) return;
  await bazel("shutdown").catch(() => {});
  await fulcrum?.kill("SIGTERM");
  // Bazel takes all rights from what it made.
  spawnSync("chmod", ["-R", "u+w", home.path]);
  home.dispose();
}, 60_000);

/** Builds, and answers who ran each action. */
async function build(log: string): Promise<Record<string, number>> {
  const { insecureListen } = fulcrum.ready;
  const path = join(home.path, log);
  rmSync(path, { force: true });
  await bazel(
    "build",
    ...["rules_cc", "rules_java", "remote_coverage_tools"].map(
      (name) => `--override_repository=${name}=${join(home.path, "workspace/stubs", name)}`,
    ),
    `--remote_executor=grpc://${insecureListen}`,
    `--remote_cache=grpc://${insecureListen}`,
    ...["--remote_instance_name=main", "--remote_timeout=120", "--remote_retries=2"],
    ...["--spawn_strategy=remote", "--genrule_strategy=remote", "--noremote_local_fallback"],
    ...["--incompatible_strict_action_env", "--experimental_repository_disable_download"],
    ...["--jobs=4", "--color=no", "--curses=no", `--execution_log_json_file=${path}`],
    ...["//:said", "//:hello"],
  );
  const runners: Record<string, number> = {};
  for (const [, runner] of readFileSync(path, "utf8").matchAll(/"runner": "([^"]*)"/g)) {
    runners[runner as string] = (runners[runner as string] ?? 0) + 1;
  }
  return runners;
}

test.skipIf(!HAS_BAZEL)(
  `Bazel builds C++ and genrules wholly on the farm, then wholly from its cache${WHY}`,
  async () => {
    expect(await build("first.json")).toEqual({ remote: 5 });
    expect(readFileSync(join(home.path, "workspace/bazel-bin/said.txt"), "utf8")).toBe("the answer is 42\n");
    await bazel("clean");
    expect(await build("second.json")).toEqual({ "remote cache hit": 5 });
    expect(readFileSync(join(home.path, "workspace/bazel-bin/said.txt"), "utf8")).toBe("the answer is 42\n");
    // What it executed is in its ledger at the latest when it ends.
    await fulcrum.kill("SIGTERM");
    const verified = await home.workspace().begat(["ledger", "verify", "--json"]);
    expect(verified.status).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ executions: 5, signatures: 5 });
  },
  240_000,
);
