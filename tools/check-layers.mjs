// Holds the repository to tools/layers.mjs and to its own habits.
//
//   node tools/check-layers.mjs              problems as `place: text [rule]`; exit 1 when there are any
//   node tools/check-layers.mjs --self-test  plants a violation of every rule and expects each to be found

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { missingEntries } from "./complete-lock.mjs";
import { checkModule, checkRooms, checkTestImports, checkText, isModule } from "./layer-rules.mjs";
import { runSelfTest } from "./layer-self-test.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Repository paths: what git tracks or would track; without git, everything but the folders git ignores. */
function repositoryPaths() {
  if (existsSync(`${root}/.git`)) {
    const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    const out = execFileSync("git", ["-c", "safe.directory=*", ...args], { cwd: root, maxBuffer: 1 << 26 });
    return out
      .toString()
      .split("\0")
      .filter((path) => path !== "" && isFile(path));
  }
  const ignored = /^(node_modules|dist|\.begat|coverage|bench\/out)(\/|$)/;
  return readdirSync(root, { recursive: true }).filter((path) => !ignored.test(path) && isFile(path));
}

const isFile = (path) => statSync(`${root}/${path}`, { throwIfNoEntry: false })?.isFile() ?? false;

/** Paths that only make sense here: this checkout, what lies beside it, the home of whoever runs this. */
function machinePaths() {
  const parent = dirname(root);
  const beside = /^\/(tmp|root)?$/.test(parent) ? [] : readdirSync(parent).map((name) => join(parent, name));
  // One name below the root is what anybody might write in a test: /work, /home.
  return [root, ...beside, homedir()].filter((path) => path.split("/").length > 2);
}

function main() {
  if (process.argv.includes("--self-test")) {
    const { planted, missed } = runSelfTest();
    for (const line of missed) console.error(line);
    console.log(`layers self-test: ${planted} violations planted, ${planted - missed.length} found as they should be`);
    process.exit(missed.length === 0 ? 0 : 1);
  }
  const files = new Map();
  for (const path of repositoryPaths()) {
    const bytes = readFileSync(`${root}/${path}`);
    if (!bytes.subarray(0, 8000).includes(0)) files.set(path, bytes.toString("utf8"));
  }
  const problems = [];
  let modules = 0;
  const machine = machinePaths();
  for (const [path, text] of files) {
    problems.push(...checkText(path, text, machine));
    if (path.startsWith("src/") && isModule(path)) {
      problems.push(...checkModule(path, text, (target) => files.has(target)));
      modules++;
    } else if (path.startsWith("test/") && /\.tsx?$/.test(path)) problems.push(...checkTestImports(path, text));
  }
  problems.push(...checkRooms(files));
  for (const path of missingEntries(JSON.parse(files.get("package-lock.json"))).keys()) {
    const text = `has no entry for ${path}; run node tools/complete-lock.mjs`;
    problems.push({ rule: "lock-incomplete", place: "package-lock.json", text });
  }
  // Counted another way than they were gathered: a check that looked at nothing must not pass.
  const expected = readdirSync(`${root}/src`, { recursive: true }).filter(isModule).length;
  if (modules !== expected || modules === 0)
    problems.push({ rule: "count", place: "src", text: `saw ${modules} modules, but src has ${expected}` });
  for (const { place, text, rule } of problems) console.error(`${place}: ${text} [${rule}]`);
  console.log(`layers: ${modules} modules, ${files.size} files, ${problems.length} problems`);
  process.exit(problems.length === 0 ? 0 : 1);
}

main();
