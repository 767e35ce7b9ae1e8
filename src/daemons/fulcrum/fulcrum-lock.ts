import type { ProcessIdentity, ProcessTable } from "../../cache/index.ts";
import { type FileTree, FileTreeError } from "../../ports/index.ts";
import { FulcrumError } from "./fulcrum-error.ts";

/** One fulcrum for each state home: two would answer for the same leases. A holder that is gone holds nothing. */
export class FulcrumLock {
  readonly #files: FileTree;
  readonly #path: string;

  private constructor(files: FileTree, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /**
   * @param directory Absolute; made where it is not there.
   * @throws {FulcrumError} `FULCRUM_RUNNING`.
   */
  static take(files: FileTree, directory: string, processes: ProcessTable): FulcrumLock {
    const path = `${directory}/process.json`;
    files.makeDirectory(directory, 0o700);
    for (;;) {
      try {
        files.writeFile(path, JSON.stringify(processes.self), { mode: 0o600, exclusive: true });
        return new FulcrumLock(files, path);
      } catch (error) {
        if (!(error instanceof FileTreeError) || error.code !== "FILE_EXISTS") throw error;
      }
      const holder = readHolder(files, path);
      if (holder !== undefined && processes.isAlive(holder)) {
        throw new FulcrumError("FULCRUM_RUNNING", `process ${holder.pid} serves this state home already`, {
          hint: "another fulcrum on this machine needs a state home of its own; BEGAT_STATE_HOME names it",
        });
      }
      files.remove(path);
    }
  }

  release(): void {
    this.#files.remove(this.#path);
  }
}

function readHolder(files: FileTree, path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(files.readFile(path).toString()) as ProcessIdentity;
  } catch {
    // Gone meanwhile, or cut short by a power failure: nobody is named by it.
    return undefined;
  }
}
