import { type HostToolsIdentity, hostIdentity } from "../../executor/index.ts";
import type { FileTree } from "../../ports/index.ts";

interface Known {
  readonly identity: HostToolsIdentity;
  readonly looks: string;
}

/** The identity of the host's tools, worked out again when one of the files it rests on has changed. */
export class HostTools {
  readonly #files: FileTree;
  readonly #known = new Map<string, Known>();

  constructor(files: FileTree) {
    this.#files = files;
  }

  /** As the platform property `container-image` has it. */
  image(tools: readonly string[]): string {
    const key = JSON.stringify([...tools].sort());
    let known = this.#known.get(key);
    if (known === undefined || known.looks !== this.#looks(known.identity.watchedFiles)) {
      const identity = hostIdentity(tools, this.#files);
      known = { identity, looks: this.#looks(identity.watchedFiles) };
      if (this.#known.size > 1_000) this.#known.clear();
      this.#known.set(key, known);
    }
    return `begat-host:sha256:${known.identity.digest}`;
  }

  #looks(paths: readonly string[]): string {
    const stats = paths.map((path) => {
      const stat = this.#files.lstat(path);
      return stat === undefined ? null : [stat.sizeBytes, stat.mtimeMs, stat.ctimeMs, stat.inode];
    });
    return JSON.stringify(stats);
  }
}
