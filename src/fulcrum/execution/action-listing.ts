import { type Digest, digestOf, EMPTY_DIGEST, type Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { decodeAction, decodeCommand, decodeDirectory, reapi, walkTree } from "../../protocol/index.ts";
import type { ActionListing } from "../../provenance/index.ts";

/** An action as statements about it list it, and the digest of its input root. */
export interface ListedAction {
  readonly listing: ActionListing;
  readonly inputRoot: Digest;
}

/** @throws {BlobStoreError} what is missing; @throws {ProtocolError} what does not decode. */
export function listAction(blobs: Pick<BlobStore, "read">, digest: Digest): ListedAction {
  const action = decodeAction(blobs.read(digest));
  const command = decodeCommand(blobs.read(action.command));
  // `decodeDirectory` asks by hash alone, the store by both: a directory's parent says how large it is.
  const sizes = new Map<string, number>([[action.inputRoot.hash, action.inputRoot.sizeBytes]]);
  const load = (hash: Sha256): Uint8Array => {
    const bytes = blobs.read({ hash, sizeBytes: sizes.get(hash) ?? 0 });
    for (const child of reapi.Directory.decode(bytes).directories) {
      if (child.digest !== undefined) sizes.set(child.digest.hash, child.digest.sizeBytes);
    }
    return bytes;
  };
  const { hash } = action.inputRoot;
  const { files, links } = walkTree(decodeDirectory(hash === EMPTY_DIGEST.hash ? new Uint8Array() : load(hash), load));
  return {
    inputRoot: action.inputRoot,
    listing: {
      argv: command.argv,
      env: command.env,
      directory: command.directory,
      platform: action.platform,
      inputs: [
        ...files.map((file) => ({ path: file.path, digest: file.digest.hash })),
        ...links.map(({ path, target }) => ({ path, digest: digestOf(target).hash })),
      ],
    },
  };
}
