import { compareUtf8, type WorkspacePath } from "../base/index.ts";
import type { EvaluationReads } from "./chore.ts";
import type { EvaluationHost, HostEntry } from "./evaluation.ts";

/** An `EvaluationHost` that remembers what was asked of it, and asks for each directory once. */
export class ObservedHost implements EvaluationHost {
  readonly #host: EvaluationHost;
  readonly #files = new Set<WorkspacePath>();
  readonly #directories = new Map<WorkspacePath, readonly HostEntry[] | undefined>();
  readonly #env = new Map<string, string | undefined>();

  constructor(host: EvaluationHost) {
    this.#host = host;
  }

  readFile(path: WorkspacePath): Uint8Array | undefined {
    this.#files.add(path);
    return this.#host.readFile(path);
  }

  listDirectory(path: WorkspacePath): readonly HostEntry[] | undefined {
    const known = this.#directories.get(path);
    if (known !== undefined || this.#directories.has(path)) return known;
    // Noted before it is asked: a directory that cannot be read today is part of what the result depends on.
    this.#directories.set(path, undefined);
    const entries = this.#host.listDirectory(path);
    this.#directories.set(path, entries);
    return entries;
  }

  env(name: string): string | undefined {
    if (!this.#env.has(name)) this.#env.set(name, this.#host.env(name));
    return this.#env.get(name);
  }

  reads(): EvaluationReads {
    return {
      files: [...this.#files].sort(compareUtf8),
      directories: [...this.#directories.keys()].sort(compareUtf8),
      env: [...this.#env].sort(([a], [b]) => compareUtf8(a, b)),
    };
  }
}
