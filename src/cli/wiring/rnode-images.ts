import type { Digest, Sha256 } from "../../base/index.ts";
import type { FileBlobStore } from "../../cache/index.ts";
import { type BringBlobs, RefusedError, type RnodeImages } from "../../fulcrum/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";
import { begatApart } from "./begat-apart.ts";
import type { Machine } from "./machine.ts";

/** Unpacks thousands of files and layers read whole. */
async function standApart(machine: Machine, config: Sha256, manifest: Digest, signal: AbortSignal): Promise<void> {
  const argv = ["image", "stand", config, `${manifest.hash}/${manifest.sizeBytes}`, "--json"];
  const { exitCode, said } = await begatApart(machine, argv, signal);
  if (exitCode !== 0) throw new RefusedError(`image sha256:${config} cannot be made to stand here: ${said}`);
}

/** Images of this machine's cache, as a fulcrum's rnode runs recipes in them. */
export function rnodeImages(machine: Machine, provider: ImageProvider, blobs: FileBlobStore): RnodeImages {
  const rootOf = (config: Sha256) => `${machine.directories.cacheHome}/images/${config}/root`;
  const standing = new Map<Sha256, Promise<string>>();

  /** Manifest, then what it names: every one of them is what its digest says, so the client need not be believed. */
  const stand = async (config: Sha256, manifest: Digest, bring: BringBlobs, signal: AbortSignal): Promise<string> => {
    await bring([manifest]);
    await bring(provider.ociParts(manifest).filter((digest) => !blobs.has(digest)));
    await standApart(machine, config, manifest, signal);
    return rootOf(config);
  };
  return {
    standing: () => provider.list().map(({ configDigest }) => configDigest),
    async root(config, manifest, bring, signal) {
      const root = rootOf(config);
      if (machine.fs.stat(root)?.kind === "directory") return root;
      if (manifest === undefined) throw new RefusedError(`image sha256:${config} does not stand here`);
      const others = standing.get(config);
      // Who waits for it gets its own chance where the first one was stopped.
      if (others !== undefined) return others.catch(() => stand(config, manifest, bring, signal));
      const own = stand(config, manifest, bring, signal);
      standing.set(config, own);
      try {
        return await own;
      } finally {
        standing.delete(config);
      }
    },
  };
}
