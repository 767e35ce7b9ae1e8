import type { Digest, Sha256 } from "../../base/index.ts";
import type { FileBlobStore } from "../../cache/index.ts";
import { RefusedError, type RnodeImages } from "../../fulcrum/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";
import type { Machine } from "./machine.ts";

/** Images of this machine's cache, as a fulcrum's rnode runs recipes in them. */
export function rnodeImages(machine: Machine, provider: ImageProvider, _blobs: FileBlobStore): RnodeImages {
  const rootOf = (config: Sha256) => `${machine.directories.cacheHome}/images/${config}/root`;
  return {
    standing: () => provider.list().map(({ configDigest }) => configDigest),
    async root(config: Sha256, _manifest: Digest | undefined) {
      const root = rootOf(config);
      if (machine.fs.stat(root)?.kind === "directory") return root;
      throw new RefusedError(`image sha256:${config} does not stand here`);
    },
  };
}
