import { BegatError, type Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { decodeAction, reapi } from "../../protocol/index.ts";
import { decodeAs } from "../services/directory-walk.ts";
import { digestFrom } from "../services/index.ts";

/** Of all blobs that travel with one assignment, bytes: less than a question for them costs. */
const MOST_BYTES = 64 * 1024;

/**
 * What goes to an rnode along with an assignment, as far as it is small: the action, its command and directories, and the files
 * where the rnode is not known to have them. Whatever is left out, or cannot be read any more, the rnode asks for.
 */
export function travellingBlobs(
  blobs: Pick<BlobStore, "has" | "read">,
  action: Digest,
  areFilesThere: boolean,
): Uint8Array[] {
  const travelling: Uint8Array[] = [];
  let room = MOST_BYTES;
  const add = (digest: Digest): Uint8Array | undefined => {
    if (digest.sizeBytes > room || digest.sizeBytes === 0 || !blobs.has(digest)) return undefined;
    room -= digest.sizeBytes;
    const bytes = blobs.read(digest);
    travelling.push(bytes);
    return bytes;
  };
  try {
    const bytes = add(action);
    if (bytes === undefined) return travelling;
    const { command, inputRoot } = decodeAction(bytes);
    add(command);
    const files = new Map<string, Digest>();
    const seen = new Set<string>();
    const root = reapi.Directory.fromPartial({ directories: [{ name: "", digest: inputRoot }] });
    for (const level = [root]; level.length > 0; ) {
      for (const { digest: wire } of level.shift()?.directories ?? []) {
        const digest = digestFrom(wire, "a directory");
        if (seen.has(digest.hash)) continue;
        seen.add(digest.hash);
        const found = add(digest);
        if (found === undefined) continue;
        const directory = decodeAs("Directory", digest, found, reapi.Directory);
        level.push(directory);
        for (const { digest: file } of directory.files) {
          const known = digestFrom(file, "a file");
          files.set(known.hash, known);
        }
      }
    }
    if (!areFilesThere) for (const digest of files.values()) add(digest);
  } catch (error) {
    // Nothing is lost: what an action lacks is told to who asked for it when the rnode misses it.
    if (!(error instanceof BegatError)) throw error;
  }
  return travelling;
}
