import { statSync } from "node:fs";
import type { FileSignature } from "../executor.ts";

/** `undefined` where no regular file is. Follows symlinks. */
export function readSignature(file: string): FileSignature | undefined {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return undefined;
    return { sizeBytes: stat.size, mtimeMs: stat.mtimeMs, ctimeMs: stat.ctimeMs, inode: stat.ino };
  } catch {
    return undefined;
  }
}

export function sameSignature(a: FileSignature | undefined, b: FileSignature | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.sizeBytes === b.sizeBytes &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.inode === b.inode
  );
}
