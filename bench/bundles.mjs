// Bundles what is measured: begat as it is delivered, and entries that ask one room one question.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
/** Inside the checkout, so that better-sqlite3 is found, and ignored by git and the linter. Not dist/: others may be rebuilding it. */
export const OUT = join(root, ".begat/bench");

/** Bundles begat as `npm run build` does, and answers how it is started. */
export function bundleBegat() {
  const out = join(OUT, "bundle");
  execFileSync(process.execPath, [join(root, "tools/bundle.mjs"), "--out", out], {
    stdio: ["ignore", "ignore", "inherit"],
    env: withoutCertificates(process.env),
  });
  return [process.execPath, join(out, "begat.cjs")];
}

/** Bundles `bench/entries/<name>.ts`, and answers how it is started. */
export async function bundleEntry(name) {
  const outfile = join(OUT, `${name}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, "entries", `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    // From node_modules when they are asked for: native parts cannot be bundled.
    external: ["better-sqlite3", "dockerode"],
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
  return [process.execPath, outfile];
}

/** Node 20 takes 35 ms more to start with it, and the launcher takes it away too. */
export function withoutCertificates({ NODE_EXTRA_CA_CERTS: _, ...env }) {
  return env;
}
