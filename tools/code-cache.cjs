// Writes V8's code cache of a bundle: node tools/code-cache.cjs <bundle folder> <name of the cache file>
//
// The cache is taken when the process ends, after begat has answered a few commands in an empty workspace: it then
// holds the compiled form of just those functions that a start needs. V8 refuses a cache of another version or
// another source by itself, and begat goes on without.

"use strict";
const { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

const [folder, name] = process.argv.slice(2);
const out = resolve(folder);
const workspace = mkdtempSync(join(tmpdir(), "begat-code-cache-"));
const homes = { BEGAT_STATE_HOME: "state", BEGAT_CACHE_HOME: "cache", HOME: "home" };
for (const [variable, place] of Object.entries(homes)) process.env[variable] = join(workspace, place);
mkdirSync(join(workspace, "home"));
process.chdir(workspace);
process.argv = [process.execPath, join(out, "begat.cjs"), "--version"];

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
