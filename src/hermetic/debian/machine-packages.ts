import { createHash } from "node:crypto";
import { parseSha256, type Sha256, sha256 } from "../../base/index.ts";
import { type FileTree, ProcessError } from "../../ports/index.ts";
import { lastLines } from "../address.ts";
import { ImageError } from "../image-error.ts";
import { type MachineTool, runTool } from "../machine-tool.ts";
import { SourceError } from "../source.ts";
import { PackageIndex } from "./package-index.ts";

/** An archive's index as it was read: what a resolution rests on. */
export interface IndexedArchive {
  readonly origin: string;
  readonly codename: string;
  readonly component: string;
  /** When the suite was published, `2026-07-11T10:16:37Z`; empty where its Release file does not say. */
  readonly date: string;
  /** Of the (In)Release file, whose signature apt has checked. */
  readonly release: Sha256 | undefined;
  /** Of the Packages file, uncompressed: the hash that the Release file lists. */
  readonly packages: Sha256;
}

export interface MachineIndex {
  readonly architecture: string;
  readonly index: PackageIndex;
  /** In apt's order. */
  readonly archives: readonly IndexedArchive[];
}

interface IndexTarget {
  readonly file: string;
  readonly component: string;
  readonly codename: string;
  /** Its name in the Release file: `main/binary-amd64/Packages`. */
  readonly metaKey: string;
}

const HINT = "images of Debian packages come through apt-get, so they need Debian or one of its descendants";
const APT_HELPER = "/usr/lib/apt/apt-helper";
const TARGET_FORMAT = "$(CREATED_BY)|$(FILENAME)|$(COMPONENT)|$(CODENAME)|$(METAKEY)";

/**
 * The machine's own apt, asked for binary packages. By itself it reads the package lists that the machine has; where
 * they are missing or too old, `refresh` fetches lists into a directory of begat's own, by the same configuration.
 * Mirrors, keys, proxies and passwords stay apt's business, and the machine's own lists and packages are not touched.
 */
export class MachinePackages {
  readonly #fs: FileTree;
  readonly #tool: MachineTool;
  readonly #home: string;
  #fresh = false;
  #updateProblem: string | undefined;

  /** @param home absolute; exists, empty, removed by the caller. */
  constructor(fs: FileTree, tool: MachineTool, home: string) {
    this.#fs = fs;
    this.#tool = tool;
    this.#home = home;
    for (const directory of ["lists/partial", "cache/archives/partial"])
      fs.makeDirectory(`${home}/${directory}`, 0o755);
    // The machine's hooks after an update talk to its desktop or clean its caches; this update is none of theirs.
    const hooks = ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"].map((hook) => `#clear APT::Update::${hook};\n`);
    fs.writeFile(`${home}/apt.conf`, hooks.join(""), { mode: 0o644 });
  }

  /** Whether the lists are of this very moment. */
  get isFresh(): boolean {
    return this.#fresh;
  }

  /** Fetches package lists of begat's own. An archive that does not answer shows when nothing of it is found. */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#fresh = true;
    const update = await this.#apt(["-q", "-o", "APT::Update::Error-Mode=any", "update"], this.#home, signal);
    // One unreachable third-party archive must not keep packages of the others from being found.
    if (update.exitCode !== 0) this.#updateProblem = lastLines(update.stderr);
  }

  /** Why the last refresh did not reach every archive; `undefined` when it did. */
  get updateProblem(): string | undefined {
    return this.#updateProblem;
  }

  /** Reads the lists. Where the machine has none, they are fetched first. */
  async read(signal: AbortSignal): Promise<MachineIndex> {
    let targets = await this.#targets(signal);
    if (targets.length === 0 && !this.#fresh) {
      await this.refresh(signal);
      targets = await this.#targets(signal);
    }
    if (targets.length === 0) {
      const problem = this.#updateProblem ?? "no archive is configured";
      throw new ImageError("IMAGE_UNREACHABLE", `apt has no package lists: ${problem}`);
    }
    const architecture = await this.#architecture(signal);
    const index = new PackageIndex(architecture);
    const archives: IndexedArchive[] = [];
    for (const target of targets) archives.push(await this.#readTarget(target, index, signal));
    return { architecture, index, archives };
  }

  /**
   * Downloads what it can of `coordinates` (`name=version`) into `directory`, absolute and empty. Not all of it may
   * have come; apt's own words about that are the answer.
   */
  async download(
    coordinates: readonly string[],
    directory: string,
    signal: AbortSignal,
  ): Promise<{ readonly complete: boolean; readonly problem: string }> {
    const outcome = await this.#apt(["-q", "download", ...coordinates], directory, signal);
    return { complete: outcome.exitCode === 0, problem: lastLines(outcome.stderr) };
  }

  async #architecture(signal: AbortSignal): Promise<string> {
    const outcome = await this.#run(["apt-config", "shell", "ARCH", "APT::Architecture"], this.#home, signal);
    const architecture = /^ARCH='([a-z0-9-]+)'$/m.exec(outcome.stdout.toString())?.[1];
    if (architecture !== undefined) return architecture;
    throw new ImageError("IMAGE_TOOL_MISSING", "apt-config does not say which architecture packages are for");
  }

  async #targets(signal: AbortSignal): Promise<readonly IndexTarget[]> {
    const outcome = await this.#apt(["indextargets", "--format", TARGET_FORMAT], this.#home, signal);
    const targets: IndexTarget[] = [];
    for (const line of outcome.stdout.toString().split("\n")) {
      const [kind, file = "", component = "", codename = "", metaKey = ""] = line.split("|");
      if (kind === "Packages" && this.#fs.stat(file)?.kind === "file") {
        targets.push({ file, component, codename, metaKey });
      }
    }
    return targets;
  }

  async #readTarget(target: IndexTarget, index: PackageIndex, signal: AbortSignal): Promise<IndexedArchive> {
    const release = this.#releaseOf(target);
    const reader = index.reader(priorityOf(release.text));
    const hash = createHash("sha256");
    const spec = {
      argv: [APT_HELPER, "cat-file", target.file] as const,
      cwd: this.#home,
      env: { ...this.#tool.environment, LC_ALL: "C.UTF-8" },
      outputLimitBytes: 4096,
      timeoutMs: 10 * 60_000,
      onOutput: (stream: "stdout" | "stderr", chunk: Uint8Array) => {
        if (stream !== "stdout") return;
        hash.update(chunk);
        reader.take(chunk);
      },
    };
    const outcome = await this.#tool.runner.run(spec, signal).catch((cause: unknown) => {
      if (!(cause instanceof ProcessError)) throw cause;
      throw new ImageError("IMAGE_TOOL_MISSING", `${APT_HELPER} could not be run`, { cause, hint: HINT });
    });
    if (outcome.exitCode !== 0) {
      throw new ImageError("IMAGE_UNREACHABLE", `apt's package list cannot be read: ${lastLines(outcome.stderr)}`);
    }
    reader.end();
    const packages = hash.digest("hex") as Sha256;
    const listed = hashInRelease(release.text, target.metaKey);
    if (listed !== undefined && listed !== packages) {
      const message = `package list ${target.metaKey} of ${target.codename} has digest ${packages}, its Release file says ${listed}`;
      throw new ImageError("IMAGE_DIGEST_MISMATCH", message, { hint: "run apt-get update" });
    }
    const date = Date.parse(releaseField(release.text, "Date") ?? "");
    return {
      origin: releaseField(release.text, "Origin") ?? "",
      codename: releaseField(release.text, "Codename") ?? target.codename,
      component: target.component,
      date: Number.isNaN(date) ? "" : new Date(date).toISOString().replace(".000Z", "Z"),
      release: release.hash,
      packages,
    };
  }

  #releaseOf(target: IndexTarget): { readonly text: string; readonly hash: Sha256 | undefined } {
    const at = target.file.lastIndexOf(`_${target.metaKey.replaceAll("/", "_")}`);
    for (const name of at < 0 ? [] : ["InRelease", "Release"]) {
      const path = `${target.file.slice(0, at)}_${name}`;
      if (this.#fs.stat(path)?.kind !== "file") continue;
      const bytes = this.#fs.readFile(path);
      return { text: bytes.toString(), hash: sha256(bytes) };
    }
    return { text: "", hash: undefined };
  }

  #apt(argv: readonly string[], cwd: string, signal: AbortSignal) {
    const options = [
      `Dir::Cache=${this.#home}/cache`,
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
      ...(this.#fresh ? [`Dir::State::lists=${this.#home}/lists`] : []),
    ];
    const settings = options.flatMap((option) => ["-o", option]);
    return this.#run(["apt-get", "-c", `${this.#home}/apt.conf`, ...settings, ...argv], cwd, signal);
  }

  async #run(argv: readonly [string, ...string[]], cwd: string, signal: AbortSignal) {
    try {
      return await runTool(this.#tool, argv, cwd, HINT, signal);
    } catch (cause) {
      if (!(cause instanceof SourceError)) throw cause;
      throw new ImageError("IMAGE_TOOL_MISSING", cause.message, { cause: cause.cause, hint: cause.hint });
    }
  }
}

/** apt's own priorities for archives nobody has pinned. @see apt_preferences(5) */
function priorityOf(release: string): number {
  if (releaseField(release, "NotAutomatic") !== "yes") return 500;
  return releaseField(release, "ButAutomaticUpgrades") === "yes" ? 100 : 1;
}

function releaseField(release: string, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*)$`, "m").exec(release)?.[1]?.trim();
}

function hashInRelease(release: string, metaKey: string): Sha256 | undefined {
  const start = release.indexOf("\nSHA256:");
  if (start < 0) return undefined;
  const line = release
    .slice(start)
    .split("\n")
    .find((line) => line.endsWith(` ${metaKey}`));
  return parseSha256(line?.trim().split(/\s+/)[0]);
}
