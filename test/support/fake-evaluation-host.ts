import { compareUtf8, type WorkspacePath } from "../../src/base/index.ts";
import type { EvaluationHost, EvaluationRequest, HostEntry } from "../../src/dictum-parser/index.ts";

/** A workspace in memory. A file of `undefined` is one that cannot be read; a name with U+FFFD is not UTF-8. */
export class FakeEvaluationHost implements EvaluationHost {
  readonly #files: ReadonlyMap<string, string | Uint8Array | undefined>;
  readonly #env: Readonly<Record<string, string>>;
  readonly #links: ReadonlySet<string>;

  constructor(
    files: Readonly<Record<string, string | Uint8Array | undefined>>,
    env: Readonly<Record<string, string>> = {},
    links: readonly string[] = [],
  ) {
    this.#files = new Map(Object.entries(files));
    this.#env = env;
    this.#links = new Set(links);
  }

  readFile(path: WorkspacePath): Uint8Array | undefined {
    if (!this.#files.has(path)) return undefined;
    const content = this.#files.get(path);
    if (content === undefined) throw new Error("permission denied");
    return typeof content === "string" ? Buffer.from(content) : content;
  }

  listDirectory(path: WorkspacePath): readonly HostEntry[] | undefined {
    const entries = new Map<string, HostEntry>();
    const prefix = path === "" ? "" : `${path}/`;
    for (const file of this.#files.keys()) {
      if (!file.startsWith(prefix)) continue;
      const rest = file.slice(prefix.length);
      const slash = rest.indexOf("/");
      const name = slash < 0 ? rest : rest.slice(0, slash);
      if (name === "") continue;
      const link = this.#links.has(prefix + name);
      const kind = name.includes("\ufffd") ? "not-utf8" : slash < 0 ? "file" : "directory";
      entries.set(name, { name, kind, ...(link ? { link } : {}) });
    }
    if (entries.size === 0 && path !== "") return undefined;
    return [...entries.values()].sort((a, b) => compareUtf8(a.name, b.name));
  }

  env(name: string): string | undefined {
    return this.#env[name];
  }
}

export function requestFor(
  entries: readonly string[],
  overrides: Readonly<Record<string, readonly string[]>> = {},
): EvaluationRequest {
  return {
    entries: entries as readonly WorkspacePath[],
    overrides,
    sourceDirectory: (name) => `.begat/source/${name}` as WorkspacePath,
  };
}
