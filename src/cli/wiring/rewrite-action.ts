import type { Digest, Sha256, WorkspacePath } from "../../base/index.ts";
import {
  decodeAction,
  decodeCommand,
  decodeDirectory,
  encodeAction,
  encodeDirectories,
  type TreeNode,
} from "../../protocol/index.ts";
import type { ActionRewriter } from "../../provenance/index.ts";

/** Writes an action again with other input files; only where it comes out the same with none, or nothing is said. */
export const rewriteAction: ActionRewriter = (action, swaps, manifest) => {
  try {
    if (rewritten(action, new Map(), manifest) !== action) return undefined;
    return rewritten(action, swaps, manifest);
  } catch {
    // A manifest that is missing, or an action of somebody else's writing.
    return undefined;
  }
};

function rewritten(
  action: Sha256,
  swaps: ReadonlyMap<string, Digest>,
  manifest: (hash: Sha256) => Buffer | undefined,
): Sha256 | undefined {
  const actionBytes = manifest(action);
  if (actionBytes === undefined) return undefined;
  const decoded = decodeAction(actionBytes);
  const commandBytes = manifest(decoded.command.hash);
  const rootBytes = decoded.inputRoot.sizeBytes === 0 ? Buffer.alloc(0) : manifest(decoded.inputRoot.hash);
  if (commandBytes === undefined || rootBytes === undefined) return undefined;
  const command = decodeCommand(commandBytes);
  const { root } = encodeDirectories(swapped(decodeDirectory(rootBytes, manifest), "", swaps));
  const { directory } = command;
  return encodeAction({
    argv: command.argv,
    env: command.env,
    directory,
    // Relative to the directory; `encodeAction` takes them from the root.
    outputs: command.outputPaths.map((path) => fromRoot(directory, path)),
    platform: decoded.platform,
    inputRoot: root,
    timeoutMs: decoded.timeoutMs,
    doNotCache: decoded.doNotCache,
  }).action.digest.hash;
}

function fromRoot(directory: string, path: string): WorkspacePath {
  const segments = directory === "" ? [] : directory.split("/");
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
  }
  return segments.join("/") as WorkspacePath;
}

function swapped(node: TreeNode, prefix: string, swaps: ReadonlyMap<string, Digest>): TreeNode {
  return {
    files: node.files.map((file) => ({ ...file, digest: swaps.get(prefix + file.name) ?? file.digest })),
    directories: node.directories.map(({ name, node: child }) => ({
      name,
      node: swapped(child, `${prefix}${name}/`, swaps),
    })),
    symlinks: node.symlinks,
  };
}
