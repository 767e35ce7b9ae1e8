import { digestOf, EMPTY_DIGEST, type Sha256 } from "../base/index.ts";
import { decodeAction, decodeDirectory } from "./decode.ts";
import { Action } from "./generated/actions.ts";
import { encodeDirectories, type TreeNode } from "./input-root.ts";

/**
 * The digest of the action with the empty blob in place of every file of its input root that was not used: what all
 * actions have in common that differ in nothing but the contents of unused files (docs/formats.md, "What a recipe used").
 *
 * @param isUsed Asked with paths from the input root.
 * @param load Bytes by hash. `undefined` for a blob that is needed makes the answer `undefined`.
 * @throws {ProtocolError} when something does not decode.
 */
export function prunedKey(
  action: Sha256,
  isUsed: (path: string) => boolean,
  load: (hash: Sha256) => Uint8Array | undefined,
): Sha256 | undefined {
  const bytes = load(action);
  if (bytes === undefined) return undefined;
  const { inputRoot } = decodeAction(bytes);
  const rootBytes = inputRoot.sizeBytes === 0 ? new Uint8Array() : load(inputRoot.hash);
  if (rootBytes === undefined) return undefined;
  const { root } = encodeDirectories(prune(decodeDirectory(rootBytes, load), "", isUsed));
  return digestOf(Action.encode({ ...Action.decode(bytes), inputRootDigest: root }).finish()).hash;
}

function prune(node: TreeNode, prefix: string, isUsed: (path: string) => boolean): TreeNode {
  return {
    files: node.files.map((file) => (isUsed(prefix + file.name) ? file : { ...file, digest: EMPTY_DIGEST })),
    directories: node.directories.map(({ name, node: child }) => ({
      name,
      node: prune(child, `${prefix}${name}/`, isUsed),
    })),
    symlinks: node.symlinks,
  };
}
