import { join } from "node:path/posix";
import { BegatError, digestOf, type Sha256, type WorkspacePath } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { encodeTree, TreeBuilder } from "../../protocol/index.ts";

export class TreeDigestError extends BegatError<"TREE_UNREADABLE"> {}

/**
 * What names the tree artifact that a directory is a copy of: the digest of its REAPI Tree, from names, bytes, the right
 * to execute and the texts of symlinks. Nothing is followed.
 *
 * @throws {TreeDigestError} for what stands in no tree: a FIFO, a device, a socket.
 */
export function treeDigest(files: FileTree, directory: string): Sha256 {
  const tree = new TreeBuilder();
  const enter = (below: string): void => {
    for (const { name } of files.readDirectory(join(directory, below))) {
      const path = (below === "" ? name : `${below}/${name}`) as WorkspacePath;
      const full = join(directory, path);
      const stat = files.lstat(full);
      switch (stat?.kind) {
        case "file":
          tree.addFile(path, digestOf(files.readFile(full)), (stat.mode & 0o100) !== 0);
          break;
        case "symlink":
          tree.addSymlink(path, files.readLink(full));
          break;
        case "directory":
          tree.addDirectory(path);
          enter(path);
          break;
        default:
          throw new TreeDigestError("TREE_UNREADABLE", `${full} is neither file, directory nor symlink`);
      }
    }
  };
  enter("");
  return encodeTree(tree.build()).digest.hash;
}
