import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type FileKind, fileKind, TELLING_BYTES } from "./file-kind.ts";

/** Large enough that hashing and not reading takes the time, small enough that the page stays alive. */
const CHUNK_BYTES = 4 << 20;

/** The most that is read whole; a proof has some KiB. */
const WHOLE_BYTES = 64 << 20;

export async function kindOf(file: File): Promise<FileKind> {
  const latin1 = async (part: Blob) => new TextDecoder("latin1").decode(await part.arrayBuffer());
  const end = file.slice(Math.max(0, file.size - TELLING_BYTES));
  return fileKind(file.name, await latin1(file.slice(0, TELLING_BYTES)), await latin1(end));
}

/** @throws {RangeError} where it is far larger than any proof or policy. */
export async function wholeOf(file: File): Promise<Uint8Array> {
  if (file.size > WHOLE_BYTES) throw new RangeError(`it has ${file.size} bytes, far more than a proof`);
  return new Uint8Array(await file.arrayBuffer());
}

/** SHA-256 in hexadecimal, read piece by piece; `undefined` once `wanted` says that nobody waits for it any more. */
export async function digestOfFile(
  file: File,
  onProgress: (share: number) => void,
  wanted: () => boolean,
): Promise<string | undefined> {
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += CHUNK_BYTES) {
    hash.update(new Uint8Array(await file.slice(at, at + CHUNK_BYTES).arrayBuffer()));
    if (!wanted()) return undefined;
    onProgress(Math.min(1, (at + CHUNK_BYTES) / file.size));
  }
  return bytesToHex(hash.digest());
}
