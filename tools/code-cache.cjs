// Writes V8's code cache of a bundle: node tools/code-cache.cjs <bundle folder> <name of the cache file>
//
// The cache is taken when the process ends, after begat has found nothing to do in a workspace built just before: it
// then holds the compiled form of just those functions that every start needs. V8 refuses a cache of another version
// or another source by itself, and begat goes on without. How those builds end does not matter here.

"use strict";
const { spawnSync } = require("node:child_process");
const { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

const [folder, name] = process.argv.slice(2);
const out = resolve(folder);
const workspace = mkdtempSync(join(tmpdir(), "begat-code-cache-"));
const homes = { BEGAT_STATE_HOME: "state", BEGAT_CACHE_HOME: "cache", HOME: "home" };
for (const [variable, place] of Object.entries(homes)) process.env[variable] = join(workspace, place);
// An engine would outlive the workspace, and put a part of it there again.
process.env.BEGAT_DAEMON = "0";
mkdirSync(join(workspace, "home"));
process.chdir(workspace);
writeFileSync(
  "begatfile",
  "dictum hello {\n    out  [ hello ]\n    exec [[\n        echo hello > hello\n    ]]\n}\nrun hello()\n",
);
const command = [join(out, "begat.cjs"), "build", "--executor", "process"];
spawnSync(process.execPath, command, { stdio: "ignore", timeout: 20_000 });
process.argv = [process.execPath, ...command];

// V8 takes a cache only from under the same flags as its own, and begat changes some where it executes.
require("node:v8").setFlagsFromString = () => {};

const Module = require("node:module");
const loaded = new Module(join(out, "begat.cjs"), null);
loaded.filename = loaded.id;
loaded.paths = Module._nodeModulePaths(out);
let script;
loaded.codeCacheWanted = (compiled) => {
  script = compiled;
};
process.on("exit", () => {
  rmSync(workspace, { recursive: true, force: true });
  if (script === undefined) return;
  const temporary = join(out, `.${name}.${process.pid}`);
  writeFileSync(temporary, script.createCachedData());
  renameSync(temporary, join(out, name));
  process.exitCode = 0;
});
loaded.load(join(out, "begat.cjs"));
