// The page that checks proofs in a browser, as one file: src/console/web/offline with the verifier of src/provenance.
//
// Script and style stand in the page itself, and its content security policy names their hashes and nothing else: no
// connection, no image, no frame, no form. The same sources give the same bytes.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, "src/console/web/offline");
const nodeHash = join(root, "src/provenance/tree/cryptography.ts");

/** The hash of Node gives way to the page's own, and of each room only what is used stays. */
const forBrowsers = {
  name: "for-browsers",
  setup({ onResolve }) {
    onResolve({ filter: /^\..*\.ts$/ }, ({ path, resolveDir }) => {
      const module = join(resolveDir, path);
      const chosen = module === nodeHash ? join(folder, "browser-hash.ts") : module;
      // Modules of ours do nothing when they are loaded, except the one that starts the page.
      return { path: chosen, sideEffects: false };
    });
    // Asked for by modules that the page does not use. What would remain of them fails the build, see below.
    onResolve({ filter: /^(node:.*|better-sqlite3)$/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
  },
};

const sourceHash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** @returns {Promise<string>} the page. */
export async function offlinePage(version) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [join(folder, "page.ts"), join(folder, "page.css")],
    outdir: join(root, "dist/offline"),
    bundle: true,
    // Whoever verifies may read what verifies: names stay.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    platform: "browser",
    format: "iife",
    target: ["chrome111", "firefox119", "safari16.4"],
    charset: "ascii",
    legalComments: "inline",
    write: false,
    metafile: true,
    logLevel: "warning",
    plugins: [forBrowsers],
  });
  const asked = Object.values(result.metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (asked.length > 0) throw new Error(`the page would ask for ${asked.join(", ")}, which no browser has`);
  const text = (ending) => result.outputFiles.find(({ path }) => path.endsWith(ending)).text;
  const script = text(".js");
  const style = text(".css");
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(script)}`,
    `style-src ${sourceHash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const filled = {
    "{{policy}}": policy,
    "{{version}}": version,
    "<!-- style -->": `<style>${style}</style>`,
    "<!-- script -->": `<script>${script}</script>`,
  };
  const page = readFileSync(join(folder, "page.html"), "utf8");
  return page.replace(/\{\{\w+\}\}|<!-- \w+ -->/g, (place) => filled[place]);
}
