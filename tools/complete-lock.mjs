// Completes package-lock.json with the optional platform packages that a registry mirror did not offer.
//
// npm writes no lock entry for an optional package it could not look up, and `npm ci` then refuses the whole lock,
// on every platform. Such an entry needs no more than its exact version and the platform it is for: npm skips it
// everywhere else. Where the mirror has the package, npm's own, fuller entry is kept.
//
//   node tools/complete-lock.mjs          rewrites the lock (run it after `npm install <package>`)
//   node tools/complete-lock.mjs --check  only says what is missing; exit 1 when anything is

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const systems = new Set([
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
]);
const processors = new Set([
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
]);

/** The platform fields that `name` spells out, as npm packages of this kind do: `cli-linux-x64-musl`. */
export function platformOf(name) {
  const parts = name.split(/[/-]/);
  const os = parts.filter((part) => systems.has(part));
  const cpu = parts.flatMap((part) => (processors.has(part) ? [part] : part === "armv7" ? ["arm"] : []));
  const libc = parts.some((part) => part.startsWith("musl")) ? ["musl"] : parts.includes("gnu") ? ["glibc"] : [];
  return { ...(cpu.length && { cpu }), ...(os.length && { os }), ...(libc.length && { libc }) };
}

const byNpmOrder = ([a], [b]) => (a === "version" ? -1 : b === "version" ? 1 : a.localeCompare(b, "en"));

/** Lock entries to add: optional dependencies with an exact version that have no entry of their own. */
export function missingEntries(lock) {
  const missing = new Map();
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue;
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) continue;
      const fields = { version, ...(entry.dev && { dev: true }), optional: true, ...platformOf(name) };
      // npm sorts all fields but the first one.
      missing.set(`node_modules/${name}`, Object.fromEntries(Object.entries(fields).sort(byNpmOrder)));
    }
  }
  return missing;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = new URL("../package-lock.json", import.meta.url);
  const lock = JSON.parse(readFileSync(file, "utf8"));
  const missing = missingEntries(lock);
  const check = process.argv.includes("--check");
  for (const [path, entry] of missing) {
    const place = `${path.slice("node_modules/".length)}@${entry.version}`;
    if (!entry.os && !entry.cpu) throw new Error(`cannot tell the platform of ${place} from its name`);
    console.log(`${check ? "missing from" : "added to"} package-lock.json: ${place}`);
  }
  if (check) process.exit(missing.size === 0 ? 0 : 1);
  if (missing.size > 0) {
    lock.packages = Object.fromEntries(
      [...Object.entries(lock.packages), ...missing].sort(([a], [b]) => a.localeCompare(b, "en")),
    );
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  }
}
