import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { ProtocolError, reapi } from "../../protocol/index.ts";
import { digestFrom } from "./request-checks.ts";

export interface WalkedDirectory {
  readonly directory: reapi.Directory;
  readonly sizeBytes: number;
}

/** @throws {ProtocolError} `PROTOCOL_MALFORMED`, naming the blob. */
export function decodeAs<T>(
  what: string,
  digest: Digest,
  bytes: Uint8Array,
  codec: { decode(bytes: Uint8Array): T },
): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new ProtocolError("PROTOCOL_MALFORMED", `blob ${digest.hash} is no ${what}`, { cause });
  }
}

/** `root`, then every distinct directory below it, parents first; what is missing is left out, as the protocol asks. */
export function* directoriesBelow(blobs: Pick<BlobStore, "has" | "read">, root: Digest): Generator<WalkedDirectory> {
  const seen = new Set<string>([root.hash]);
  const queue = [root];
  for (let digest = queue.shift(); digest !== undefined; digest = queue.shift()) {
    if (!blobs.has(digest)) continue;
    const directory = decodeAs("Directory", digest, blobs.read(digest), reapi.Directory);
    yield { directory, sizeBytes: digest.sizeBytes };
    for (const child of directory.directories) {
      const found = digestFrom(child.digest, `directory ${JSON.stringify(child.name)}`);
      if (seen.has(found.hash)) continue;
      seen.add(found.hash);
      queue.push(found);
    }
  }
}
