import { createHash } from "node:crypto";
import { compareUtf8 } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";
import { lastLines } from "./address.ts";
import { readArchive, type Unpacking } from "./archive.ts";
import { type MachineTool, runTool } from "./machine-tool.ts";
import { type LockedFile, SourceError, type SourceLock, type SourceRequest } from "./source.ts";
import type { Fetched, FetchedFile, SourceKind, SourcePlan } from "./source-kind.ts";
import { entrySegments, SourceTree } from "./source-tree.ts";

const PACKAGE = /^((?:@[A-Za-z0-9~][\w.~-]*\/)?[A-Za-z0-9~][\w.~-]*)(?:@([\w.~^<>=*+ |-]+))?$/;
const HINT = "sources of kind npm come through npm, which is installed with Node.js";

interface PublishedPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource-integrity text of the registry: `sha512-` and base64. */
  readonly integrity: string;
}

/**
 * Packages of an npm registry: `npm "esbuild"`, `npm "esbuild@0.28.2" "@esbuild/linux-x64@0.28.2"`. They come through
 * the machine's own npm, and no script of theirs is run. One package's files stand at the root of the tree, those of
 * several in `<name>/` each. Dependencies are not followed.
 */
export function npmSource(fs: FileTree, tool: MachineTool, unpacking: Unpacking): SourceKind {
  return {
    plan(request: SourceRequest): SourcePlan {
      const asked = request.words.map((word) => PACKAGE.exec(word));
      const names = asked.map((match) => match?.[1]);
      const bad = request.words.find((_, index) => names[index] === undefined);
      const twice = names.find((name, index) => names.indexOf(name) !== index);
      if (bad !== undefined || names.length === 0 || twice !== undefined) {
        const found = twice === undefined ? JSON.stringify(bad ?? "") : `${twice} twice`;
        const message = `source ${request.name}: expected npm packages, found ${found}`;
        throw new SourceError("SOURCE_MALFORMED", message, { hint: 'write npm "name" or npm "name@version"' });
      }
      return {
        words: request.words,
        what: `npm package${request.words.length === 1 ? "" : "s"} ${request.words.join(" ")}`,
        remote: true,
        fetch: (locked, scratch, signal) => fetchPackages(request.words, locked, scratch, signal),
        unpack: (_version, files, read, signal) => unpackPackages(files, read, signal),
      };
    },
  };

  async function fetchPackages(
    words: readonly string[],
    locked: SourceLock | undefined,
    scratch: string,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const coordinates = locked === undefined ? words : locked.version.split(" ");
    const published: PublishedPackage[] = [];
    const files: FetchedFile[] = [];
    for (const coordinate of coordinates) {
      const found = await view(coordinate, locked, scratch, signal);
      published.push(found);
      files.push(await pack(found, scratch, signal));
    }
    files.sort((a, b) => compareUtf8(a.name, b.name));
    return { version: published.map(({ name, version }) => `${name}@${version}`).join(" "), files };
  }

  async function view(
    coordinate: string,
    locked: SourceLock | undefined,
    scratch: string,
    signal: AbortSignal,
  ): Promise<PublishedPackage> {
    const outcome = await npm(["view", coordinate, "name", "version", "dist.integrity", "--json"], scratch, signal);
    if (outcome.exitCode !== 0) {
      const answer = readJson(outcome.stdout) as { error?: { code?: string; summary?: string } } | undefined;
      if (answer?.error?.code !== "E404") {
        const problem = lastLines(Buffer.from(answer?.error?.summary ?? outcome.stderr));
        throw new SourceError("SOURCE_UNREACHABLE", `npm could not look up ${coordinate}: ${problem}`);
      }
      if (locked === undefined) throw new SourceError("SOURCE_NOT_FOUND", `npm finds no package ${coordinate}`);
      const message = `${coordinate} is pinned in begat.lock and is no longer in the registry`;
      const hint = `remove the entry ${JSON.stringify(locked.name)} from begat.lock to pin what the registry has now`;
      throw new SourceError("SOURCE_VANISHED", message, { hint });
    }
    return newest(coordinate, readJson(outcome.stdout));
  }

  async function pack(found: PublishedPackage, scratch: string, signal: AbortSignal): Promise<FetchedFile> {
    const coordinate = `${found.name}@${found.version}`;
    const argv = ["pack", coordinate, "--json", "--ignore-scripts", "--pack-destination", scratch];
    const outcome = await npm(argv, scratch, signal);
    const answer = readJson(outcome.stdout) as readonly { filename?: unknown; size?: unknown }[] | undefined;
    const filename = answer?.[0]?.filename;
    if (outcome.exitCode !== 0 || typeof filename !== "string") {
      const problem = lastLines(outcome.stderr);
      throw new SourceError("SOURCE_UNREACHABLE", `npm could not fetch ${coordinate}: ${problem}`);
    }
    // Some versions of npm write the scope into the name they print, and none into that of the file.
    const path = `${scratch}/${filename.replace(/^@/, "").replaceAll("/", "-")}`;
    const sizeBytes = fs.stat(path)?.sizeBytes ?? 0;
    if (sizeBytes > unpacking.limits.fetchedBytes) {
      const message = `${coordinate} has ${sizeBytes} bytes, the limit is ${unpacking.limits.fetchedBytes}`;
      throw new SourceError("SOURCE_TOO_LARGE", message);
    }
    const bytes = fs.readFile(path);
    fs.remove(path);
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    if (!found.integrity.split(/\s+/).includes(integrity)) {
      const message = `${coordinate} has integrity ${integrity}, the registry says ${found.integrity}`;
      throw new SourceError("SOURCE_DIGEST_MISMATCH", message);
    }
    return { name: `${coordinate}.tgz`, bytes };
  }

  async function unpackPackages(
    files: readonly LockedFile[],
    read: (file: LockedFile) => Uint8Array,
    signal: AbortSignal,
  ): Promise<SourceTree> {
    const together = new SourceTree(unpacking.limits);
    for (const file of files) {
      const tree = await readArchive(read(file), unpacking, signal, { stripFirst: true });
      if (tree === undefined) throw new SourceError("SOURCE_MALFORMED", `${file.name} is no tar archive`);
      if (files.length === 1) return tree;
      together.graft(entrySegments(file.name.slice(0, file.name.lastIndexOf("@"))), tree);
    }
    return together;
  }

  function npm(argv: readonly string[], cwd: string, signal: AbortSignal) {
    const quiet = ["--loglevel=error", "--no-update-notifier", "--no-fund", "--no-audit"];
    // Left alone, npm tries an unreachable registry for minutes before it says so.
    const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"];
    return runTool(tool, ["npm", ...argv, ...quiet, ...patience], cwd, HINT, signal);
  }
}

/** `npm view` answers with one object, or a list of them, oldest first, where a range fits several versions. */
function newest(coordinate: string, answer: unknown): PublishedPackage {
  const last: unknown = Array.isArray(answer) ? answer.at(-1) : answer;
  const { name, version, "dist.integrity": integrity } = (last ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || typeof version !== "string") {
    throw new SourceError("SOURCE_MALFORMED", `npm's answer about ${coordinate} has no name and version`);
  }
  if (typeof integrity !== "string" || !/(^|\s)sha512-/.test(integrity)) {
    const message = `the registry has no SHA-512 for ${name}@${version}, so it cannot be pinned`;
    throw new SourceError("SOURCE_KIND_UNSUPPORTED", message);
  }
  return { name, version, integrity };
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}
