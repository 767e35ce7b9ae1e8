import { type Digest, digestOf, type Sha256, type WorkspacePath } from "../../base/index.ts";
import {
  decodeAction,
  decodeCommand,
  decodeDirectory,
  decodeTree,
  type WalkedFile,
  walkTree,
} from "../../protocol/index.ts";
import { BASE_ENVIRONMENT, RECIPE_PATH } from "./describe-action.ts";

/** A directory output, or a source tree, as a list of leaves. Paths are from the tree's own root. */
export interface TreeListing {
  readonly files: readonly WalkedFile[];
  readonly links: readonly { readonly path: WorkspacePath; readonly target: string }[];
  readonly emptyDirectories: readonly WorkspacePath[];
}

/** The leaves of a REAPI Tree message, wherever it came from. Throws `ProtocolError` when it is none. */
export function listTree(bytes: Uint8Array): TreeListing {
  return walkTree(decodeTree(bytes, digestOf));
}

/** An action read back from its manifests: what was executed, for comparing and for statements. */
export interface ActionListing {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly directory: string;
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly inputRoot: Digest;
  readonly outputPaths: readonly string[];
  /** Symlinks too, by the digest of their target's text. */
  readonly inputs: readonly { readonly path: string; readonly digest: Sha256; readonly executable: boolean }[];
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Of the recipe's bytes; `undefined` in an action that is not begat's. */
  readonly recipe: Sha256 | undefined;
}

/**
 * Reads an action and everything it names.
 *
 * @param manifest Bytes by hash. A blob it does not have makes the answer `undefined`: nothing can be said.
 */
export function readAction(
  action: Sha256,
  manifest: (hash: Sha256) => Uint8Array | undefined,
): ActionListing | undefined {
  const actionBytes = manifest(action);
  if (actionBytes === undefined) return undefined;
  const decoded = decodeAction(actionBytes);
  const commandBytes = manifest(decoded.command.hash);
  const rootBytes = decoded.inputRoot.sizeBytes === 0 ? new Uint8Array() : manifest(decoded.inputRoot.hash);
  if (commandBytes === undefined || rootBytes === undefined) return undefined;
  const command = decodeCommand(commandBytes);
  const { files, links } = walkTree(decodeDirectory(rootBytes, manifest));
  return {
    argv: command.argv,
    env: command.env,
    directory: command.directory,
    platform: decoded.platform,
    inputRoot: decoded.inputRoot,
    outputPaths: command.outputPaths,
    inputs: [
      ...files.map(({ path, digest, executable }) => ({ path, digest: digest.hash, executable })),
      ...links.map(({ path, target }) => ({ path, digest: digestOf(target).hash, executable: false })),
    ],
    links,
    recipe: files.find(({ path }) => path === RECIPE_PATH)?.digest.hash,
  };
}

/** Names of variables that are begat's own and differ with every list of files: no reason to show a person. */
export const OWN_VARIABLES: ReadonlySet<string> = new Set([
  "BEGAT_IN",
  "BEGAT_OUT",
  "BEGAT_UP",
  ...BASE_ENVIRONMENT.map(([name]) => name),
]);
