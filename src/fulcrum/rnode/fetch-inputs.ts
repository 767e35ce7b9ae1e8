import { type Digest, EMPTY_DIGEST, type Sha256 } from "../../base/index.ts";
import type { RemoteBlobs } from "../../fulcrum-client/index.ts";
import { reapi } from "../../protocol/index.ts";
import { decodeAs } from "../services/directory-walk.ts";
import { digestFrom } from "../services/request-checks.ts";
import type { BroughtBlobs } from "./brought-blobs.ts";

type Source = Pick<RemoteBlobs, "fetch">;

/**
 * Brings everything an action needs into the own store but what came with it: the action, its command, then the input root level
 * by level, then its files. Answers the bytes that had to be moved.
 *
 * @throws {BlobsMissingError} What the leader does not have any more.
 * @throws {RpcError} `RPC_INVALID_ARGUMENT` for blobs that are not what they are used as.
 */
export async function fetchInputs(
  source: Source,
  blobs: Pick<BroughtBlobs, "get" | "read">,
  action: Digest,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0;
  const bring = async (digests: readonly Digest[]): Promise<void> => {
    const others = digests.filter((digest) => blobs.get(digest) === undefined);
    if (others.length > 0) bytes += (await source.fetch(others, signal)).bytes;
  };
  await bring([action]);
  const { commandDigest, inputRootDigest } = decodeAs("Action", action, blobs.read(action), reapi.Action);
  const root = digestFrom(inputRootDigest, "the input root");
  await bring([digestFrom(commandDigest, "the command"), root]);
  const files = new Map<Sha256, Digest>();
  const seen = new Set<Sha256>([EMPTY_DIGEST.hash]);
  for (let level = [root]; level.length > 0; ) {
    const below: Digest[] = [];
    for (const digest of level) {
      if (seen.has(digest.hash)) continue;
      seen.add(digest.hash);
      const directory = decodeAs("Directory", digest, blobs.read(digest), reapi.Directory);
      for (const { name, digest: wire } of directory.files) {
        const file = digestFrom(wire, `file ${JSON.stringify(name)}`);
        files.set(file.hash, file);
      }
      for (const { name, digest: wire } of directory.directories) {
        below.push(digestFrom(wire, `directory ${JSON.stringify(name)}`));
      }
    }
    await bring(below);
    level = below;
  }
  await bring([...files.values()]);
  return bytes;
}
