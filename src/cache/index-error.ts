import { BegatError } from "../base/index.ts";

export type IndexErrorCode =
  | "INDEX_FULL"
  | "INDEX_READ_ONLY"
  | "INDEX_BUSY"
  | "INDEX_CORRUPT"
  | "INDEX_UNUSABLE"
  | "INDEX_CLOSED";

/** The index could not be used. Nothing is lost by it but time: it can be deleted. */
export class IndexError extends BegatError<IndexErrorCode> {}

/** SQLite's own error in our words; what is no error of SQLite's passes through. */
export function indexFailure(cause: unknown, path: string): unknown {
  const code = (cause as { code?: unknown } | undefined)?.code;
  if (cause instanceof TypeError && /not open/.test(cause.message)) {
    return new IndexError("INDEX_CLOSED", `the index ${path} was closed`, { cause });
  }
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return cause;
  const options = { cause };
  // A full tmpfs shows first where the shared memory file cannot grow.
  if (code === "SQLITE_FULL" || code === "SQLITE_IOERR_SHMSIZE") {
    return new IndexError("INDEX_FULL", `no room left to write the index ${path}`, options);
  }
  if (code.startsWith("SQLITE_READONLY") || code === "SQLITE_PERM") {
    return new IndexError("INDEX_READ_ONLY", `cannot write the index ${path}`, options);
  }
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new IndexError("INDEX_BUSY", `another process has kept the index ${path} locked for too long`, options);
  }
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return new IndexError("INDEX_CORRUPT", `the index ${path} is damaged`, options);
  }
  return new IndexError("INDEX_UNUSABLE", `cannot use the index ${path}`, options);
}
