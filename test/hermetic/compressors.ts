import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";

export const gzip = (bytes: Uint8Array): Buffer | undefined => gzipSync(bytes);
export const xz = (bytes: Uint8Array): Buffer | undefined => through("xz", bytes);
export const bzip2 = (bytes: Uint8Array): Buffer | undefined => through("bzip2", bytes);

/** `undefined` when the machine lacks the program. */
function through(program: string, bytes: Uint8Array): Buffer | undefined {
  try {
    return execFileSync(program, ["-1", "-c"], { input: bytes, maxBuffer: 1024 ** 3 });
  } catch {
    return undefined;
  }
}
