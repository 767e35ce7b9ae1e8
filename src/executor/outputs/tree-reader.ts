import { chmodSync, readdirSync, readlinkSync } from "node:fs";
import type { Digest } from "../../base/index.ts";
import type { TreeNode } from "../../protocol/index.ts";
import { lstatOrUndefined } from "./confined-link.ts";
import { fileProblem, type OutputCollector } from "./output-collector.ts";

/** Problems named before reading goes on without naming more. */
const MOST_PROBLEMS = 20;
/** Entries between two looks at the event loop. */
const ENTRIES_AT_ONCE = 200;

/** Reads an output directory into the blob store, and its shape into a tree. */
export class TreeReader {
  readonly problems: string[] = [];
  readonly #collector: OutputCollector;
  readonly #root: string;
  readonly #depthLimit: number;
  #entries = 0;

  constructor(collector: OutputCollector, root: string, depthLimit: number) {
    this.#collector = collector;
    this.#root = root;
    this.#depthLimit = depthLimit;
  }

  /** The tree below `path` (from the build root); `undefined` when there are problems or a limit was passed. */
  async read(path: string): Promise<TreeNode | undefined> {
    const node = await this.#readDirectory(path, 1);
    return this.problems.length === 0 ? node : undefined;
  }

  async #readDirectory(path: string, depth: number): Promise<TreeNode | undefined> {
    if (depth > this.#depthLimit) {
      return this.#problem(path, `is more than ${this.#depthLimit} directories deep`);
    }
    const directory = `${this.#root}/${path}`;
    const stat = lstatOrUndefined(directory);
    if (stat !== undefined && (stat.mode & 0o500) !== 0o500) chmodSync(directory, stat.mode | 0o700);
    const files: { name: string; digest: Digest; isExecutable: boolean }[] = [];
    const directories: { name: string; node: TreeNode }[] = [];
    const symlinks: { name: string; target: string }[] = [];
    // Byte order is the order of the tree.
    for (const bytes of readdirSync(directory, "buffer").sort(Buffer.compare)) {
      if (++this.#entries % ENTRIES_AT_ONCE === 0) await new Promise(setImmediate);
      const name = bytes.toString();
      const child = `${path}/${name}`;
      if (!Buffer.from(name).equals(bytes)) {
        this.#problem(path, `holds a name that is not UTF-8: ${JSON.stringify(bytes.toString("latin1"))}`);
      } else if (/[\u0000-\u001f\u007f]/.test(name)) {
        this.#problem(path, `holds a name with a control character: ${JSON.stringify(name)}`);
      } else {
        const entry = lstatOrUndefined(`${this.#root}/${child}`);
        if (entry === undefined) {
          this.#problem(path, `holds a path that is too long: ${Buffer.byteLength(child)} bytes`);
        } else if (entry.isSymbolicLink()) {
          const problem = this.#collector.linkProblem(child);
          if (problem !== undefined) this.#problem(child, problem);
          else symlinks.push({ name, target: readlinkSync(`${this.#root}/${child}`) });
          if (!this.#collector.count(0)) return undefined;
        } else if (entry.isDirectory()) {
          if (!this.#collector.count(0)) return undefined;
          const node = await this.#readDirectory(child, depth + 1);
          if (node !== undefined) directories.push({ name, node });
        } else {
          const problem = fileProblem(entry, "which a directory output cannot hold");
          if (problem !== undefined) {
            this.#problem(child, problem);
          } else {
            if (!this.#collector.count(entry.size)) return undefined;
            const digest = await this.#collector.store(`${this.#root}/${child}`, entry);
            files.push({ name, digest, isExecutable: (entry.mode & 0o100) !== 0 });
          }
        }
      }
      if (this.problems.length >= MOST_PROBLEMS) return undefined;
    }
    return { files, directories, symlinks };
  }

  #problem(path: string, problem: string): undefined {
    this.problems.push(`output ${path} ${problem}`);
  }
}
