import { createHash } from "node:crypto";
import { compareUtf8, digestOf } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { lastLines } from "../address.ts";
import { ImageError } from "../image-error.ts";
import { type MachineTool, runTool } from "../machine-tool.ts";
import { SourceError } from "../source.ts";
import { updateHint } from "./deb-pins.ts";
import type { LockedPackage } from "./spec.ts";

export interface NpmPinsOptions {
  readonly fs: FileTree;
  readonly blobs: BlobStore;
  readonly tool: MachineTool;
  /** A new absolute name for a directory. */
  temporary(): string;
}

/** One package of npm's own lock, as far as it is used. */
interface NpmLockEntry {
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

interface ChosenPackage {
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  /** `sha512-` and base64. */
  readonly integrity: string;
  readonly asked: boolean;
}

const HINT = "images of npm packages come through npm, which is installed with Node.js";
const QUIET = ["--loglevel=error", "--no-update-notifier", "--no-fund", "--no-audit", "--ignore-scripts"];
/** Left alone, npm tries an unreachable registry for minutes before it says so. */
const PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"];
/** Words of one command line. */
const PACKED_AT_ONCE = 40;
const FOLDER = "node_modules/";

/** Node's words for OCI's architectures, where they differ. */
const NODE_CPUS: Readonly<Record<string, string>> = { amd64: "x64", "386": "ia32", ppc64le: "ppc64" };

/**
 * npm packages with all that they need at run time, resolved and fetched by the machine's own npm: registry, proxy and
 * credentials stay where they are configured. No script of a package is run.
 */
export class NpmPins {
  readonly #options: NpmPinsOptions;

  constructor(options: NpmPinsOptions) {
    this.#options = options;
  }

  /**
   * What npm would install of these words on Linux with glibc, sorted by directory. Each tarball is fetched into the
   * store: a registry says SHA-512, and pins are SHA-256.
   *
   * @param architecture OCI's word.
   * @throws {ImageError} `IMAGE_PACKAGE_NOT_FOUND`, `IMAGE_UNREACHABLE`, `IMAGE_TOOL_MISSING`, `IMAGE_DIGEST_MISMATCH`.
   */
  async resolve(
    words: readonly string[],
    architecture: string,
    signal: AbortSignal,
  ): Promise<readonly LockedPackage[]> {
    const { fs } = this.#options;
    const place = this.#options.temporary();
    fs.makeDirectory(place, 0o755);
    try {
      fs.writeFile(`${place}/package.json`, '{"private":true}\n', { mode: 0o644 });
      const argv = [
        "install",
        "--package-lock-only",
        "--install-strategy=hoisted",
        "--omit=dev",
        "--lockfile-version=3",
      ];
      const outcome = await this.#npm([...argv, "--", ...words], place, signal);
      if (outcome.exitCode !== 0) throw notInstalled(words, lastLines(outcome.stderr));
      const chosen = readNpmLock(fs.readFile(`${place}/package-lock.json`), architecture);
      const bytes = await this.#pack(chosen, place, signal);
      return chosen.map((one): LockedPackage => {
        const { hash, sizeBytes } = this.#options.blobs.write(bytes.get(one.integrity) as Uint8Array);
        const { name, version, directory, asked } = one;
        return { kind: "npm", name, version, architecture: "", sha256: hash, sizeBytes, directory, asked };
      });
    } finally {
      fs.remove(place);
    }
  }

  /** Brings pinned packages into the store. @throws {ImageError} `IMAGE_PACKAGE_VANISHED`, `IMAGE_DIGEST_MISMATCH`. */
  async fetch(image: string, pinned: readonly LockedPackage[], signal: AbortSignal): Promise<void> {
    const { fs, blobs } = this.#options;
    const place = this.#options.temporary();
    fs.makeDirectory(place, 0o755);
    try {
      for (const one of pinned) {
        const coordinate = `${one.name}@${one.version}`;
        const outcome = await this.#npm(["pack", "--pack-destination", place, "--", coordinate], place, signal);
        if (outcome.exitCode !== 0) {
          const problem = lastLines(outcome.stderr);
          const gone = /\bE(404|TARGET)\b/.test(problem);
          const message = gone
            ? `image ${image}: pinned in begat.lock and no longer in the registry: ${coordinate}`
            : `image ${image}: npm could not fetch ${coordinate}: ${problem}`;
          const code = gone ? "IMAGE_PACKAGE_VANISHED" : "IMAGE_UNREACHABLE";
          throw new ImageError(code, message, gone ? { hint: updateHint(image) } : {});
        }
        for (const path of tarballs(fs, place)) {
          const bytes = fs.readFile(path);
          fs.remove(path);
          const found = digestOf(bytes);
          if (found.hash !== one.sha256) {
            const message = `image ${image}: ${coordinate} has digest ${found.hash} in the registry, begat.lock says ${one.sha256}`;
            throw new ImageError("IMAGE_DIGEST_MISMATCH", message, { hint: updateHint(image) });
          }
          blobs.write(bytes, found);
        }
      }
    } finally {
      fs.remove(place);
    }
  }

  /** The tarballs by the integrity that the registry names; each is checked. */
  async #pack(
    chosen: readonly ChosenPackage[],
    place: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const { fs } = this.#options;
    const bytes = new Map<string, Uint8Array>();
    const coordinates = [...new Set(chosen.map(({ name, version }) => `${name}@${version}`))];
    for (let at = 0; at < coordinates.length; at += PACKED_AT_ONCE) {
      const some = coordinates.slice(at, at + PACKED_AT_ONCE);
      const outcome = await this.#npm(["pack", "--pack-destination", place, "--", ...some], place, signal);
      if (outcome.exitCode !== 0) {
        throw new ImageError("IMAGE_UNREACHABLE", `npm could not fetch packages: ${lastLines(outcome.stderr)}`);
      }
      for (const path of tarballs(fs, place)) {
        const content = fs.readFile(path);
        fs.remove(path);
        bytes.set(`sha512-${createHash("sha512").update(content).digest("base64")}`, content);
      }
    }
    const missing = chosen.find(({ integrity }) => !bytes.has(integrity));
    if (missing === undefined) return bytes;
    const message = `${missing.name}@${missing.version} did not come with integrity ${missing.integrity}, which the registry says it has`;
    throw new ImageError("IMAGE_DIGEST_MISMATCH", message);
  }

  async #npm(argv: readonly string[], cwd: string, signal: AbortSignal) {
    const [verb = "", ...words] = argv;
    try {
      return await runTool(this.#options.tool, ["npm", verb, ...QUIET, ...PATIENCE, ...words], cwd, HINT, signal);
    } catch (cause) {
      if (!(cause instanceof SourceError)) throw cause;
      throw new ImageError("IMAGE_TOOL_MISSING", cause.message, { cause: cause.cause, hint: cause.hint });
    }
  }
}

/**
 * What of npm's own lock is for this platform, sorted by directory.
 *
 * @throws {ImageError} `IMAGE_PACKAGE_NOT_FOUND` for packages that no registry vouches for: git and file addresses.
 */
export function readNpmLock(bytes: Uint8Array, architecture: string): readonly ChosenPackage[] {
  const lock = JSON.parse(Buffer.from(bytes).toString()) as {
    packages?: Readonly<Record<string, NpmLockEntry & { dependencies?: Readonly<Record<string, string>> }>>;
  };
  const asked = new Set(Object.keys(lock.packages?.[""]?.dependencies ?? {}));
  const platform = { os: "linux", cpu: NODE_CPUS[architecture] ?? architecture, libc: "glibc" };
  const chosen: ChosenPackage[] = [];
  for (const [path, entry] of Object.entries(lock.packages ?? {})) {
    if (!path.startsWith(FOLDER) || entry.link === true || entry.dev === true) continue;
    if (!fits(entry.os, platform.os) || !fits(entry.cpu, platform.cpu) || !fits(entry.libc, platform.libc)) continue;
    const directory = path.slice(FOLDER.length);
    const name = entry.name ?? directory.slice(directory.lastIndexOf(`/${FOLDER}`) + 1).replace(FOLDER, "");
    const integrity = entry.integrity?.split(/\s+/).find((text) => text.startsWith("sha512-"));
    if (entry.version === undefined || integrity === undefined) {
      const message = `the registry has no SHA-512 for ${name}@${entry.version ?? "?"}, so it cannot be pinned`;
      throw new ImageError("IMAGE_PACKAGE_NOT_FOUND", message);
    }
    chosen.push({ directory, name, version: entry.version, integrity, asked: asked.has(directory) });
  }
  return chosen.sort((a, b) => compareUtf8(a.directory, b.directory));
}

/** Whether a list like `["linux", "!win32"]` lets `value` in. @see package.json, os and cpu */
function fits(list: readonly string[] | undefined, value: string): boolean {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${value}`)) return false;
  const allowed = list.filter((item) => !item.startsWith("!"));
  return allowed.length === 0 || allowed.includes(value) || allowed.includes("any");
}

function tarballs(fs: FileTree, place: string): readonly string[] {
  return fs
    .readDirectory(place)
    .filter(({ name, kind }) => kind === "file" && name.endsWith(".tgz"))
    .map(({ name }) => `${place}/${name}`);
}

function notInstalled(words: readonly string[], problem: string): ImageError {
  const absent = /\bE(404|TARGET)\b/.test(problem);
  const message = `npm cannot resolve ${words.join(" ")}: ${problem}`;
  return new ImageError(absent ? "IMAGE_PACKAGE_NOT_FOUND" : "IMAGE_UNREACHABLE", message);
}
