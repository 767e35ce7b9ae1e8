// Bundles begat into one folder that needs only Node and better-sqlite3 beside it; dockerode too, to use Docker,
// and @peculiar/x509, to found or join a farm.
//
//   node tools/bundle.mjs [--out DIR] [--entry FILE] [--no-code-cache]
//
// begat.cjs             what is run: hands the bundle and its code cache to V8
// main-<hash>.cjs       everything but the live view
// main-<hash>.cache     V8's code cache of it, for this Node only; begat works without it
// begat-spawn-server    native/, where they could be built (build/native);
// begat-change-feed     begat works without them
// begat-client
// offline.html          the page that checks proofs in a browser (tools/offline-page.mjs)
// live-<hash>.mjs       the live view with Ink and React, loaded when a terminal wants it
// *.map                 source maps, read by nobody unless Node is told to
//
// CommonJS, because Node 20 starts its ESM loader only when asked: --version in 26 ms of CPU instead of 35. One file,
// because reading one costs less than resolving several, and with a code cache only what runs is ever compiled.
// The live view cannot be CommonJS: a dependency of Ink awaits at top level.
//
// The same sources give the same bytes wherever the checkout lies (the code cache aside), so begat can build itself.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { offlinePage } from "./offline-page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "dist") },
    entry: { type: "string", default: join(root, "src/cli/main.ts") },
    "no-code-cache": { type: "boolean", default: false },
  },
});

/** Modules that go into a bundle of their own, in ESM. The main bundle imports them by their file's name. */
const liveModule = /\/render\/live\.tsx$/;
/** Native, with native parts of its own, or for few commands only: these stay in node_modules and are loaded when they are needed. */
const external = ["better-sqlite3", "dockerode", "@grpc/grpc-js", "@peculiar/x509", "reflect-metadata"];
/** Bundles that no running begat can still be using are cleared away. */
const staleAfterMs = 60 * 60 * 1000;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** SHA-256 over names and contents of everything under src, package.json and the lock: what this build is made of. */
function buildId() {
  const names = readdirSync(join(root, "src"), { recursive: true })
    .filter((name) => statSync(join(root, "src", name)).isFile())
    .map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of [...names, "package.json", "package-lock.json"].sort()) {
    hash.update(`${sha256(readFileSync(join(root, name)))}  ${name}\n`);
  }
  return hash.digest("hex");
}

const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
const common = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20.19",
  // Names stay: errors carry the name of their class, and a stack trace of a user's should be readable.
  minifyWhitespace: true,
  minifySyntax: true,
  // Node prints the line of an uncaught error: it should fit a screen.
  lineLimit: 160,
  legalComments: "none",
  charset: "ascii",
  sourcemap: "external",
  write: false,
  logLevel: "warning",
  external,
  define: {
    "process.env.NODE_ENV": '"production"',
    "process.env.BEGAT_VERSION": JSON.stringify(version),
    "process.env.BEGAT_BUILD_ID": JSON.stringify(buildId()),
  },
};

/** Bundles `entry`; the name carries the hash of the bytes, so files of two builds never mix. */
async function bundle(entry, kind, settings) {
  const ending = settings.format === "cjs" ? "cjs" : "mjs";
  // A fixed folder of the checkout: source maps name sources relative to it, so it must not depend on --out.
  const outfile = join(root, "dist", `${kind}.${ending}`);
  const result = await build({ ...common, ...settings, entryPoints: [entry], outfile });
  const code = result.outputFiles.find((file) => !file.path.endsWith(".map"));
  const map = result.outputFiles.find((file) => file.path.endsWith(".map"));
  const bytes = settings.format === "cjs" ? asFunction(importLiveView(code.contents)) : code.contents;
  return { name: `${kind}-${sha256(bytes).slice(0, 12)}.${ending}`, code: bytes, map: map.contents };
}

const out = resolve(options.out);
mkdirSync(out, { recursive: true });

/** Ink's bridge to its developer tools wants a package nobody installed, and only when DEV is set. */
const noDevelopmentTools = {
  name: "no-development-tools",
  setup: ({ onLoad }) => onLoad({ filter: /\/ink\/build\/devtools\.js$/ }, () => ({ contents: "" })),
};

let live;
const apart = {
  name: "live-view-apart",
  setup({ onResolve }) {
    onResolve({ filter: liveModule }, async (args) => {
      if (args.kind !== "dynamic-import") return undefined;
      live ??= bundle(resolve(args.resolveDir, args.path), "live", {
        format: "esm",
        plugins: [noDevelopmentTools],
        // Some of Ink's dependencies are CommonJS and ask for Node's modules with require.
        banner: {
          js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
        },
      });
      return { path: `./${(await live).name}`, external: true };
    });
  },
};

/** The live view is ESM and cannot be required: begat.cjs hands an `import` in. */
function importLiveView(code) {
  if (live === undefined) return code;
  const required = /__toESM\(require\(("\.\/live-[0-9a-f]{12}\.mjs")\)(?:,1)?\)/g;
  const text = Buffer.from(code).toString("latin1");
  const changed = text.replace(required, "__import($1)");
  if (changed === text) throw new Error("the import of the live view is not where it was expected in the bundle");
  return Buffer.from(changed, "latin1");
}

/** What Node wraps a module in, in the file: put around two megabytes at each start, it costs another copy of them. */
const asFunction = (code) =>
  Buffer.concat([
    Buffer.from("(function(exports,require,module,__filename,__dirname,__import){"),
    code,
    Buffer.from("})\n"),
  ]);

/** esbuild has already said what is wrong and where. */
function endOnBuildError(error) {
  if (error?.errors === undefined) throw error;
  process.exit(1);
}

const main = await bundle(resolve(options.entry), "main", {
  format: "cjs",
  plugins: [apart],
  // A dynamic import becomes a require inside a promise: starting the ESM loader for it would cost 8 ms.
  supported: { "dynamic-import": false },
  // CommonJS has no import.meta; whoever asks for its url means the bundle.
  define: { ...common.define, "import.meta.url": "__bundleUrl" },
  banner: { js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
}).catch(endOnBuildError);

// Compiled by vm, the bundle has no `import` of its own: V8 forgets it when the code comes from a cache.
const loader = `"use strict";
const { readFileSync } = require("node:fs");
const { Script } = require("node:vm");
const filename = __dirname + "/${main.name}";
let cachedData;
try {
  cachedData = readFileSync(filename.replace(/cjs$/, "cache"));
} catch {}
const script = new Script(readFileSync(filename, "latin1"), { filename, cachedData });
const run = script.runInThisContext();
run.call(exports, exports, require, module, filename, __dirname, (name) => import(name));
module.codeCacheWanted?.(script);
`;

/** Visible whole or not at all: begat may be starting from this folder at this moment. */
function place(name, bytes, mode = 0o666) {
  const temporary = join(out, `.${name}.${process.pid}`);
  writeFileSync(temporary, bytes, { mode });
  renameSync(temporary, join(out, name));
}

/** Absent where there was no compiler, and then from the bundle too. */
function placeNative(name) {
  const program = join(root, "build/native", name);
  if (!existsSync(program)) return rmSync(join(out, name), { force: true });
  place(name, readFileSync(program), 0o755);
}

const parts = [main, ...(live === undefined ? [] : [await live])];
for (const { name, code, map } of parts) {
  place(name, code);
  place(`${name}.map`, map);
}
// Absent where only the launcher is tried.
if (existsSync(join(root, "src/console/web/offline"))) place("offline.html", await offlinePage(version));
place("begat.cjs", loader);
for (const name of ["begat-spawn-server", "begat-change-feed", "begat-client"]) placeNative(name);

const current = new Set(parts.map(({ name }) => name.replace(/\.[cm]js$/, "")));
for (const name of readdirSync(out)) {
  const stem = /^((?:main|live)-[0-9a-f]{12})\./.exec(name)?.[1];
  if (stem === undefined || current.has(stem)) continue;
  if (Date.now() - statSync(join(out, name)).mtimeMs > staleAfterMs) rmSync(join(out, name), { force: true });
}

if (!options["no-code-cache"]) {
  execFileSync(process.execPath, [join(root, "tools/code-cache.cjs"), out, main.name.replace(/cjs$/, "cache")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}
const shown = relative(process.cwd(), out);
const sizes = parts.map(({ name, code }) => `${name} ${Math.round(code.length / 1024)} KiB`).join(", ");
console.log(`${shown === "" ? "." : isAbsolute(shown) || shown.startsWith("..") ? out : shown}: begat.cjs, ${sizes}`);
