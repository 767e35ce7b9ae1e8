import { type Sha256, sha256, WeighedMemory } from "../base/index.ts";
import type { TreeNode } from "./input-root.ts";

/** Entries of all remembered directories together: some 10 MB. */
const MOST_ENTRIES = 50_000;

/** Decoded directories that have none below them, by the digest of their message. */
export class DirectoryMemory {
  readonly #nodes = new WeighedMemory<TreeNode>(MOST_ENTRIES);

  get(hash: Sha256): TreeNode | undefined {
    return this.#nodes.get(hash);
  }

  /** Not where `bytes` has another digest, whoever gave them: what is remembered answers for everybody's bytes. */
  put(hash: Sha256, bytes: Uint8Array, node: TreeNode): void {
    if (node.directories.length > 0 || sha256(bytes) !== hash) return;
    this.#nodes.set(hash, node, node.files.length + node.symlinks.length);
  }
}
