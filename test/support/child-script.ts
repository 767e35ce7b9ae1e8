import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const root = new URL("../..", import.meta.url).pathname;
let count = 0;

/** Bundles a TypeScript program of the tests into one that plain node runs; it stands where native modules are found. */
export async function childScript(entry: string): Promise<string> {
  const directory = join(root, "node_modules/.cache/begat-tests");
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, `${basename(entry, ".ts")}-${process.pid}-${count++}.mjs`);
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["better-sqlite3", "dockerode"],
    logLevel: "error",
    // What protobuf's own modules want from a bundle.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return outfile;
}

/** A child without this machine's extra certificates, which would slow its start. */
export function startChild(script: string, args: readonly string[], options: { uid?: number } = {}): ChildProcess {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  return spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"], env, ...options });
}
