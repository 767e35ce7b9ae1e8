import type { FileTree } from "../ports/index.ts";
import { lastLines } from "./address.ts";
import { type MachineTool, runTool } from "./machine-tool.ts";
import { SourceError } from "./source.ts";
import type { FetchedFile } from "./source-kind.ts";

/** A file of a source package as the archive's signed index lists it. */
export interface IndexedFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** The strongest hash the index has; apt takes nothing weaker than these two. */
  readonly algorithm: "sha256" | "sha512";
  /** Lower-case hexadecimal. */
  readonly hash: string;
}

const HINT = "sources of kind deb-src come through apt-get, so they need Debian or one of its descendants";

/**
 * The machine's own apt, asked for source packages. Machines usually list binary packages only and begat must not
 * change their configuration, so it works on a copy of the source lists with `deb` turned into `deb-src`, and keeps
 * package lists and downloads in a directory of its own. Mirrors, keys, proxies and passwords stay apt's business.
 */
export class SourceArchive {
  readonly #fs: FileTree;
  readonly #tool: MachineTool;
  readonly #home: string;
  #updateProblem: string | undefined;

  private constructor(fs: FileTree, tool: MachineTool, home: string) {
    this.#fs = fs;
    this.#tool = tool;
    this.#home = home;
  }

  /**
   * Fetches the package lists into `home`, absolute, which must exist and be empty.
   *
   * @throws {SourceError} `SOURCE_TOOL_MISSING`. An archive that did not answer shows when a package is asked for.
   */
  static async open(fs: FileTree, tool: MachineTool, home: string, signal: AbortSignal): Promise<SourceArchive> {
    const archive = new SourceArchive(fs, tool, home);
    for (const directory of ["sources", "lists/partial", "cache/archives/partial"]) {
      fs.makeDirectory(`${home}/${directory}`, 0o755);
    }
    await archive.#copySourceLists(signal);
    // The machine's hooks after an update talk to its desktop or clean its caches; this update is none of theirs.
    const hooks = ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"].map((hook) => `#clear APT::Update::${hook};\n`);
    fs.writeFile(`${home}/apt.conf`, hooks.join(""), { mode: 0o644 });
    const update = await archive.#apt(["-q", "update"], home, signal);
    // One unreachable third-party archive must not keep packages of the others from being found.
    if (update.exitCode !== 0) archive.#updateProblem = lastLines(update.stderr);
    return archive;
  }

  /** The files of a source package, `undefined` when the archives have no such package or version. */
  async files(coordinate: string, signal: AbortSignal): Promise<readonly IndexedFile[] | undefined> {
    const argv = ["-q", "--only-source", "--print-uris", "source", coordinate];
    const outcome = await this.#apt(argv, this.#home, signal);
    if (outcome.exitCode === 0) return parsePrintedUris(outcome.stdout.toString());
    if (this.#updateProblem === undefined) return undefined;
    throw new SourceError("SOURCE_UNREACHABLE", `apt could not read its package lists: ${this.#updateProblem}`);
  }

  /** Downloads a source package; apt has checked each file against its signed index. */
  async download(
    coordinate: string,
    files: readonly IndexedFile[],
    limitBytes: number,
    signal: AbortSignal,
  ): Promise<readonly FetchedFile[]> {
    const large = files.find((file) => file.sizeBytes > limitBytes);
    if (large !== undefined) {
      const message = `${large.name} has ${large.sizeBytes} bytes, the limit is ${limitBytes}`;
      throw new SourceError("SOURCE_TOO_LARGE", message);
    }
    const directory = `${this.#home}/download-${coordinate}`;
    this.#fs.makeDirectory(directory, 0o755);
    const argv = ["-q", "--only-source", "--download-only", "source", coordinate];
    const outcome = await this.#apt(argv, directory, signal);
    if (outcome.exitCode !== 0) {
      const problem = lastLines(outcome.stderr);
      throw new SourceError("SOURCE_UNREACHABLE", `apt could not fetch the source package ${coordinate}: ${problem}`);
    }
    return files.map(({ name }) => ({ name, bytes: this.#fs.readFile(`${directory}/${name}`) }));
  }

  async #copySourceLists(signal: AbortSignal): Promise<void> {
    const argv = ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"] as const;
    const outcome = await runTool(this.#tool, argv, this.#home, HINT, signal);
    const places = new Map(
      [...outcome.stdout.toString().matchAll(/^(LIST|PARTS)='(.*)'$/gm)].map((match) => [match[1], match[2]]),
    );
    const list = places.get("LIST") ?? "/etc/apt/sources.list";
    const parts = (places.get("PARTS") ?? "/etc/apt/sources.list.d").replace(/\/$/, "");
    const found = this.#fs.stat(list)?.kind === "file" ? [list] : [];
    if (this.#fs.stat(parts)?.kind === "directory") {
      for (const { name } of this.#fs.readDirectory(parts)) {
        if (/^[\w.-]+\.(list|sources)$/.test(name)) found.push(`${parts}/${name}`);
      }
    }
    for (const [index, path] of found.entries()) {
      const text = this.#fs.readFile(path).toString();
      const deb822 = path.endsWith(".sources");
      const copy = `${this.#home}/sources/${index}.${deb822 ? "sources" : "list"}`;
      this.#fs.writeFile(copy, deb822 ? sourceStanzas(text) : sourceLines(text), { mode: 0o644 });
    }
  }

  #apt(argv: readonly string[], cwd: string, signal: AbortSignal) {
    const home = this.#home;
    const options = [
      "Dir::Etc::sourcelist=/dev/null",
      `Dir::Etc::sourceparts=${home}/sources`,
      `Dir::State::lists=${home}/lists`,
      `Dir::Cache=${home}/cache`,
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
      // Else a mirror that does not answer is a warning, and its packages seem not to exist.
      "APT::Update::Error-Mode=any",
    ];
    const settings = options.flatMap((option) => ["-o", option]);
    return runTool(this.#tool, ["apt-get", "-c", `${home}/apt.conf`, ...settings, ...argv], cwd, HINT, signal);
  }
}

/** One-line source lists with every archive listed for its sources only. @see sources.list(5) */
export function sourceLines(text: string): string {
  const lines = text.split("\n").flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(\S.*)$/.exec(line);
    return match === null ? [] : [`deb-src ${match[2]?.trimEnd()}`];
  });
  return [...new Set(lines)].map((line) => `${line}\n`).join("");
}

/** deb822 source lists with every archive listed for its sources only. @see sources.list(5) */
export function sourceStanzas(text: string): string {
  return text.replace(/^Types[ \t]*:.*(\n[ \t]+.*)*$/gim, "Types: deb-src");
}

/** Lines `'uri' name size SHA256:hash`; the uri is where this machine fetches from and is left out. */
export function parsePrintedUris(text: string): readonly IndexedFile[] {
  const files: IndexedFile[] = [];
  for (const line of text.split("\n").filter((line) => line.startsWith("'"))) {
    const match = /^'[^']*' (\S+) (\d+) (?:SHA256:([0-9a-f]{64})|SHA512:([0-9a-f]{128}))$/.exec(line.trimEnd());
    if (match === null) {
      const name = line.split("' ")[1]?.split(" ")[0] ?? "a file";
      throw new SourceError("SOURCE_MALFORMED", `apt lists ${name} without a SHA-256 or SHA-512`);
    }
    const [, name = "", size, sha256, sha512 = ""] = match;
    if (name.includes("/") || name.startsWith(".")) {
      throw new SourceError("SOURCE_UNSAFE_PATH", `apt lists a file named ${JSON.stringify(name)}`);
    }
    const hash = sha256 ?? sha512;
    files.push({ name, sizeBytes: Number(size), algorithm: sha256 === undefined ? "sha512" : "sha256", hash });
  }
  if (files.length === 0) throw new SourceError("SOURCE_MALFORMED", "apt lists a source package of no files");
  return files;
}
