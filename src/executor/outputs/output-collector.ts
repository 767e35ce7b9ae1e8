import { chmodSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { digestOf } from "../../base/index.ts";
import type { BlobStore, RecordedOutput } from "../../cache/index.ts";
import { encodeTree } from "../../protocol/index.ts";
import type { DeclaredOutput, LimitEvent } from "../executor.ts";
import { type ExecutorLimits, LARGE_FILE_BYTES } from "../limits.ts";
import { lstatOrUndefined, resolveConfinedLink } from "./confined-link.ts";
import { TreeReader } from "./tree-reader.ts";

export interface CollectedOutputs {
  readonly outputs: readonly RecordedOutput[];
  /** Declared and not made. */
  readonly missing: readonly string[];
  /** Made in a way that cannot be kept; one line each. */
  readonly rejected: readonly string[];
  readonly limitEvents: readonly LimitEvent[];
}

/**
 * Takes the declared outputs out of a build root where nothing runs any more. Nothing is followed: whoever made these
 * files was not trusted, and begat may be root. What is rejected never reaches the blob store.
 */
export class OutputCollector {
  readonly #root: string;
  readonly #blobs: BlobStore;
  readonly #limits: ExecutorLimits;
  readonly #declared: readonly DeclaredOutput[];
  readonly #isStaged: (path: string) => boolean;
  readonly #realDirectories = new Set<string>([""]);
  readonly #missing: string[] = [];
  readonly #rejected: string[] = [];
  #bytes = 0;
  #files = 0;

  constructor(
    root: string,
    blobs: BlobStore,
    limits: ExecutorLimits,
    declared: readonly DeclaredOutput[],
    isStaged: (path: string) => boolean,
  ) {
    this.#root = root;
    this.#blobs = blobs;
    this.#limits = limits;
    this.#declared = declared;
    this.#isStaged = isStaged;
  }

  async collect(): Promise<CollectedOutputs> {
    const outputs: RecordedOutput[] = [];
    for (const declared of this.#declared) {
      const output = await this.#collectOne(declared);
      if (output !== undefined) outputs.push(output);
      if (this.#isOverLimit()) break;
    }
    return { outputs, missing: this.#missing, rejected: this.#rejected, limitEvents: this.#limitEvents() };
  }

  async #collectOne({ path, kind }: DeclaredOutput): Promise<RecordedOutput | undefined> {
    const slash = path.lastIndexOf("/");
    const obstacle = slash < 0 ? undefined : this.#obstacleAt(path.slice(0, slash));
    if (obstacle !== undefined) return this.#reject(path, obstacle);
    const file = `${this.#root}/${path}`;
    const stat = lstatOrUndefined(file);
    if (stat === undefined) {
      this.#missing.push(path);
      return undefined;
    }
    if (stat.isSymbolicLink()) {
      if (kind === "tree") return this.#reject(path, "is a symlink, declared as a directory");
      const problem = this.linkProblem(path);
      if (problem !== undefined) return this.#reject(path, problem);
      const target = readlinkSync(file);
      this.#files++;
      return { path, kind: "symlink", digest: this.#blobs.write(Buffer.from(target)), executable: false, target };
    }
    if (kind === "tree" || (kind === "any" && stat.isDirectory())) {
      if (!stat.isDirectory()) return this.#reject(path, `is ${kindOf(stat)}, declared as a directory`);
      return this.#collectTree(path);
    }
    const problem = fileProblem(stat, kind === "any" ? "declared as an output" : "declared as a file");
    if (problem !== undefined) return this.#reject(path, problem);
    if (!this.count(stat.size)) return undefined;
    const digest = await this.store(file, stat);
    return { path, kind: "file", digest, executable: (stat.mode & 0o100) !== 0 };
  }

  async #collectTree(path: string): Promise<RecordedOutput | undefined> {
    const reader = new TreeReader(this, this.#root, this.#limits.treeDepth);
    const tree = await reader.read(path);
    if (tree === undefined || this.#isOverLimit()) {
      for (const line of reader.problems) this.#rejected.push(line);
      return undefined;
    }
    const { bytes, digest } = encodeTree(tree);
    this.#blobs.write(bytes, digest);
    return { path, kind: "tree", digest, executable: false };
  }

  /** Counts one entry of `sizeBytes`; `false` when that is one too many and reading should stop. */
  count(sizeBytes: number): boolean {
    this.#files++;
    this.#bytes += sizeBytes;
    return !this.#isOverLimit();
  }

  async store(file: string, stat: Stats) {
    // Without root's rights an unreadable file has to be opened up first; it is ours.
    if ((stat.mode & 0o400) === 0) chmodSync(file, stat.mode | 0o400);
    if (stat.size < LARGE_FILE_BYTES) {
      const bytes = readFileSync(file);
      return this.#blobs.write(bytes, digestOf(bytes));
    }
    // A second name of the same file is another output or nothing; the store must not own what the slot still names.
    return this.#blobs.ingest(file, { take: stat.nlink === 1 });
  }

  /** What is wrong with the symlink at `path`; `undefined` when it will still lead somewhere in the checkout. */
  linkProblem(path: string): string | undefined {
    const target = readlinkSync(`${this.#root}/${path}`);
    if (!Buffer.from(target).equals(readlinkSync(`${this.#root}/${path}`, "buffer"))) {
      return "is a symlink whose target is not UTF-8";
    }
    const shown = `is a symlink to ${JSON.stringify(target)}, which`;
    if (/[\u0000-\u001f\u007f]/.test(target)) return `${shown} contains a control character`;
    const end = resolveConfinedLink(this.#root, path);
    if (!end.ok) return `${shown} ${end.problem}`;
    if (end.path === "" || this.#isStaged(end.path) || this.#isDeclared(end.path)) return undefined;
    return `${shown} is neither an input nor a declared output`;
  }

  /** Declared, in a declared directory, or a directory that something declared stands in. */
  #isDeclared(path: string): boolean {
    return this.#declared.some(
      (output) =>
        output.path === path ||
        (output.kind !== "file" && path.startsWith(`${output.path}/`)) ||
        output.path.startsWith(`${path}/`),
    );
  }

  /** Why `directory` cannot be entered: something in its place, or in the place of one above it. */
  #obstacleAt(directory: string): string | undefined {
    if (this.#realDirectories.has(directory)) return undefined;
    const slash = directory.lastIndexOf("/");
    const above = slash < 0 ? undefined : this.#obstacleAt(directory.slice(0, slash));
    if (above !== undefined) return above;
    const stat = lstatOrUndefined(`${this.#root}/${directory}`);
    // Not there at all: the output is missing, which says more.
    if (stat === undefined) return undefined;
    if (!stat.isDirectory()) return `stands in ${directory}, which is ${kindOf(stat)} now`;
    if ((stat.mode & 0o700) !== 0o700) chmodSync(`${this.#root}/${directory}`, 0o755);
    this.#realDirectories.add(directory);
    return undefined;
  }

  #reject(path: string, problem: string): undefined {
    this.#rejected.push(`output ${path} ${problem}`);
  }

  #isOverLimit(): boolean {
    return this.#bytes > this.#limits.outputBytes || this.#files > this.#limits.outputFiles;
  }

  #limitEvents(): LimitEvent[] {
    const events: LimitEvent[] = [];
    const { outputBytes, outputFiles } = this.#limits;
    if (this.#bytes > outputBytes) events.push({ limit: "output-bytes", allowed: outputBytes, seen: this.#bytes });
    if (this.#files > outputFiles) events.push({ limit: "output-files", allowed: outputFiles, seen: this.#files });
    return events;
  }
}

/** What keeps `stat` from being a file output. */
export function fileProblem(stat: Stats, wanted: string): string | undefined {
  if (!stat.isFile()) return `is ${kindOf(stat)}, ${wanted}`;
  if ((stat.mode & 0o6000) !== 0) return `is setuid or setgid (mode ${(stat.mode & 0o7777).toString(8)})`;
  return undefined;
}

export function kindOf(stat: Stats): string {
  if (stat.isFile()) return "a file";
  if (stat.isDirectory()) return "a directory";
  if (stat.isSymbolicLink()) return "a symlink";
  if (stat.isFIFO()) return "a FIFO";
  if (stat.isSocket()) return "a socket";
  return "a device";
}
