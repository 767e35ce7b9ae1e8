import { join } from "node:path/posix";
import { type Sha256, sha256, sha256Of } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";

/** What stands in a chore's key where an image's digest would: the host's own tools. */
export interface HostToolsIdentity {
  /** SHA-256 over `parts`; the format is in docs/formats.md, "Host identity". */
  readonly digest: Sha256;
  /** Sorted by name: `packages dpkg`, `machine x64`, `tool cc /usr/bin/x86_64-linux-gnu-gcc-12`. */
  readonly parts: readonly { readonly name: string; readonly digest: Sha256 }[];
  /** Absolute, sorted. While none of them changes, the identity is the same and need not be worked out again. */
  readonly watchedFiles: readonly string[];
}

/** Where package managers keep what is installed; each of them that is there counts. */
const PACKAGE_DATABASES: readonly (readonly [name: string, path: string])[] = [
  ["dpkg", "/var/lib/dpkg/status"],
  ["rpm", "/usr/lib/sysimage/rpm/rpmdb.sqlite"],
  ["rpm", "/var/lib/rpm/rpmdb.sqlite"],
  ["apk", "/lib/apk/db/installed"],
  ["pacman", "/var/lib/pacman/local"],
];
/** Without a package database: which release of which system, and its kernel. */
const RELEASE_FILES = [
  "/etc/os-release",
  "/usr/lib/os-release",
  "/proc/sys/kernel/osrelease",
  "/proc/sys/kernel/version",
];
const TOOL_PATH = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
const MOST_LINKS = 40;

/**
 * Identity of the host's tools: its package database and the named `tools`, each followed to the file that is run. A
 * tool is a name, looked for where recipes look, or an absolute path; one that is not there counts as absent, so that
 * installing it changes the identity.
 */
export function hostIdentity(
  tools: readonly string[],
  files: FileTree,
  machine: string = process.arch,
): HostToolsIdentity {
  const parts = new Map<string, Sha256>([[`machine ${machine}`, sha256(machine)]]);
  const watched = new Set<string>();
  let hasDatabase = false;
  for (const [name, path] of PACKAGE_DATABASES) {
    const digest = digestOfDatabase(path, files);
    if (digest === undefined) continue;
    hasDatabase = true;
    parts.set(`packages ${name}`, digest);
    watched.add(path);
  }
  for (const path of hasDatabase ? [] : RELEASE_FILES) {
    if (files.stat(path)?.kind !== "file") continue;
    parts.set(`release ${path}`, sha256(files.readFile(path)));
    watched.add(path);
  }
  for (const tool of new Set(tools)) {
    const candidates = tool.startsWith("/") ? [tool] : TOOL_PATH.map((directory) => `${directory}/${tool}`);
    const found = candidates.find((path) => isProgram(path, files));
    if (found === undefined) {
      parts.set(`tool ${tool} absent`, sha256(""));
      for (const path of candidates) watched.add(path);
      continue;
    }
    // A link on the way may be turned elsewhere, as /etc/alternatives are; an earlier directory may get the tool.
    for (const path of candidates.slice(0, candidates.indexOf(found))) watched.add(path);
    const file = follow(found, files, watched);
    parts.set(`tool ${tool} ${file}`, sha256(files.readFile(file)));
  }
  const sorted = [...parts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, digest]) => ({ name, digest }));
  const text = sorted.map(({ name, digest }) => `${digest} ${JSON.stringify(name)}\n`);
  return { digest: sha256Of("begat host 1\n", ...text), parts: sorted, watchedFiles: [...watched].sort() };
}

/** A file by its bytes; pacman's directory by its names, which hold package and version. */
function digestOfDatabase(path: string, files: FileTree): Sha256 | undefined {
  const kind = files.stat(path)?.kind;
  if (kind === "file") return sha256(files.readFile(path));
  if (kind !== "directory") return undefined;
  return sha256Of(...files.readDirectory(path).map(({ name }) => `${name}\n`));
}

function isProgram(path: string, files: FileTree): boolean {
  const stat = files.stat(path);
  return stat?.kind === "file" && (stat.mode & 0o111) !== 0;
}

/** The file `path` ends at, every symlink on the way watched. */
function follow(path: string, files: FileTree, watched: Set<string>): string {
  for (let links = 0; links < MOST_LINKS; links++) {
    watched.add(path);
    if (files.lstat(path)?.kind !== "symlink") return path;
    const target = files.readLink(path);
    path = target.startsWith("/") ? target : join(path, "..", target);
  }
  return path;
}
