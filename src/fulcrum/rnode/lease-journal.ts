import { canonicalJson, type Digest, parseCanonicalJson } from "../../base/index.ts";
import { type FileTree, FileTreeError, type Log } from "../../ports/index.ts";
import { farm } from "../../protocol/index.ts";

/** A lease as the journal has it: taken, or ended with what was to be said of it. */
export interface JournalEntry {
  readonly lease: string;
  readonly fence: number;
  readonly key: string;
  readonly action: Digest;
  /** `undefined`: it was being worked on. */
  readonly result: farm.Result | undefined;
}

/**
 * The leases an rnode holds, a file each, so that its next process neither begins one again nor forgets what it has to
 * say. Written before the work is begun and before a result is sent. Not synced: a kill loses nothing of it, and after
 * a power failure nothing of the work is left that could be done twice.
 */
export class LeaseJournal {
  readonly #files: FileTree;
  readonly #directory: string;

  /** @param directory Absolute, of this journal's own; made where it is not there. */
  constructor(files: FileTree, directory: string) {
    this.#files = files;
    this.#directory = directory;
    files.makeDirectory(directory, 0o700);
  }

  took(entry: Omit<JournalEntry, "result">): void {
    const { lease, fence, key, action } = entry;
    const text = canonicalJson({ action: { hash: action.hash, size: action.sizeBytes }, fence, key, lease, v: 1 });
    // Cut short by a kill, it says nothing, and rightly: its work was not begun.
    this.#files.writeFile(this.#path(lease, "lease"), text, { mode: 0o600 });
  }

  ended(lease: string, result: farm.Result): void {
    this.#files.replaceFile(this.#path(lease, "result"), farm.Result.encode(result).finish(), { mode: 0o600 });
  }

  forget(lease: string): void {
    // The result last: of what is left alone the lease would seem to be worked on still.
    this.#files.remove(this.#path(lease, "lease"));
    this.#files.remove(this.#path(lease, "result"));
  }

  /** What the process before this one left. Files that say nothing are told of and taken away. */
  read(log: Log): JournalEntry[] {
    const entries: JournalEntry[] = [];
    const names = this.#files.readDirectory(this.#directory).map(({ name }) => name);
    for (const name of names) {
      const path = `${this.#directory}/${name}`;
      if (!name.endsWith(".lease")) {
        if (!names.includes(name.replace(/result$/, "lease"))) this.#files.remove(path);
        continue;
      }
      try {
        const note = parseCanonicalJson(this.#files.readFile(path)) as unknown as {
          readonly action: { readonly hash: Digest["hash"]; readonly size: number };
          readonly fence: number;
          readonly key: string;
          readonly lease: string;
        };
        const { lease, fence, key } = note;
        const action = { hash: note.action.hash, sizeBytes: note.action.size };
        entries.push({ lease, fence, key, action, result: this.#result(lease) });
      } catch (error) {
        log.warn("a lease of the journal cannot be read", { path, because: String(error) });
        this.#files.remove(path);
      }
    }
    return entries;
  }

  #result(lease: string): farm.Result | undefined {
    try {
      return farm.Result.decode(this.#files.readFile(this.#path(lease, "result")));
    } catch (error) {
      if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return undefined;
      throw error;
    }
  }

  /** Leases are named by the leader: only what is harmless in a file's name is kept of it. */
  #path(lease: string, kind: "lease" | "result"): string {
    return `${this.#directory}/${lease.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 100)}.${kind}`;
  }
}
