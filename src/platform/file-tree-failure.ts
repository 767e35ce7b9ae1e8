import { FileTreeError, type FileTreeErrorCode } from "../ports/index.ts";

const CODES: Readonly<Record<string, FileTreeErrorCode>> = {
  ENOENT: "FILE_NOT_FOUND",
  EEXIST: "FILE_EXISTS",
  ENOTEMPTY: "FILE_EXISTS",
  EACCES: "FILE_ACCESS_DENIED",
  EPERM: "FILE_ACCESS_DENIED",
  EISDIR: "FILE_IS_DIRECTORY",
  ENOTDIR: "FILE_NOT_DIRECTORY",
  EROFS: "FILE_SYSTEM_READ_ONLY",
  ENOSPC: "FILE_SYSTEM_FULL",
  EDQUOT: "FILE_SYSTEM_FULL",
};

/**
 * What Node threw while begat was to `verb` the file at `path`, in the words of the port. The cause keeps errno and
 * the system's own text; errno not listed above is `FILE_IO`. What is no system error passes through unchanged.
 */
export function fileTreeFailure(cause: unknown, verb: string, path: string): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  return new FileTreeError(CODES[errno] ?? "FILE_IO", `cannot ${verb} ${path}`, { cause });
}

/** `ENOENT` and its like; `undefined` for anything that is no system error. */
export function errnoOf(cause: unknown): string | undefined {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
