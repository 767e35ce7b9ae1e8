import {
  compareUtf8,
  type Digest,
  digestOf,
  EMPTY_DIGEST,
  parseWorkspacePath,
  type Sha256,
  WORKSPACE_ROOT,
  type WorkspacePath,
} from "../../base/index.ts";
import { type DeclaredOutput, type ExecutionRequest, RECIPE_PATH, UP_PATH } from "../../executor/index.ts";
import { decodeAction, decodeDirectory, type farm, ProtocolError, reapi, walkTree } from "../../protocol/index.ts";
import type { ActionListing, ManifestBlob } from "../../provenance/index.ts";
import type { BroughtBlobs } from "./brought-blobs.ts";

/** An action whose blobs are all here, in the words of those that execute and sign it. */
export interface AssignedAction {
  readonly digest: Digest;
  readonly request: Omit<ExecutionRequest, "imageRoot">;
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly doNotCache: boolean;
  readonly inputRoot: Digest;
  /** Files and symlinks of the input root. */
  readonly inputCount: number;
  readonly listing: ActionListing;
  /** Action, Command and Directories. */
  readonly manifests: readonly ManifestBlob[];
  /** Named by the lists that came before `output_paths`: their symlinks are told in lists of their own. */
  readonly hasOldOutputLists: boolean;
  /** Whether it is begat's own: with a recipe of it, and with properties to give. */
  readonly isDictum: boolean;
}

/** Environment of a dictum whose values are paths from its directory. */
const PATH_VARIABLES = ["BEGAT_IN", "BEGAT_OUT", "BEGAT_UP"];

/**
 * Reads the action from what came with it and from the own store.
 *
 * @throws {BlobStoreError} @throws {ProtocolError}
 */
export function readAssignedAction(
  blobs: Pick<BroughtBlobs, "get" | "read">,
  digest: Digest,
  context: Pick<farm.TravailContext, "chore" | "resources"> | undefined,
): AssignedAction {
  const manifests = new Map<Sha256, ManifestBlob>();
  const keep = (blob: Digest): Buffer => {
    const bytes = blobs.read(blob);
    manifests.set(blob.hash, { hash: blob.hash, bytes });
    return bytes;
  };
  const action = decodeAction(keep(digest));
  const command = commandOf(keep(action.command));
  const sizes = new Map<string, number>();
  const root = action.inputRoot.hash === EMPTY_DIGEST.hash ? Buffer.alloc(0) : keep(action.inputRoot);
  noteSizes(root, sizes);
  const tree = decodeDirectory(root, (hash) => {
    const bytes = keep({ hash, sizeBytes: sizes.get(hash) ?? 0 });
    noteSizes(bytes, sizes);
    return bytes;
  });
  const { files, links, emptyDirectories } = walkTree(tree);
  const directory =
    command.workingDirectory === ""
      ? WORKSPACE_ROOT
      : placeOf(command.workingDirectory, WORKSPACE_ROOT, "the working directory");
  const isDictum = files.some(({ path }) => path === RECIPE_PATH);
  const platform = (action.platform.length > 0 ? action.platform : command.platform).map(
    ([name, value]) => [name, value] as const,
  );
  const request = {
    actionDigest: digest,
    label: context?.chore || `action ${digest.hash.slice(0, 12)}`,
    argv: command.argv,
    env: command.env,
    pathVariables: isDictum ? PATH_VARIABLES.filter((name) => command.env.some(([other]) => other === name)) : [],
    directory,
    inputs: files
      .map(({ path, digest: file, executable }) => {
        const bytes = blobs.get(file);
        return { path, digest: file, executable, from: bytes === undefined ? ({ blob: true } as const) : { bytes } };
      })
      .sort((a, b) => compareUtf8(a.path, b.path)),
    links,
    emptyDirectories,
    outputs: outputsOf(command, directory),
    network: platform.some(([name, value]) => name === "network" && value === "host")
      ? ("host" as const)
      : ("none" as const),
    timeoutMs: action.timeoutMs,
    resources: context?.resources ?? {},
    interactive: false,
  };
  return {
    digest,
    request,
    platform,
    doNotCache: action.doNotCache,
    inputRoot: action.inputRoot,
    inputCount: files.length + links.length,
    listing: {
      argv: command.argv,
      env: command.env,
      directory: command.workingDirectory,
      platform: action.platform,
      inputs: [
        ...files.map(({ path, digest: file }) => ({ path, digest: file.hash })),
        ...links.map(({ path, target }) => ({ path, digest: digestOf(target).hash })),
      ],
    },
    manifests: [...manifests.values()],
    hasOldOutputLists: command.outputPaths.length === 0,
    isDictum,
  };
}

interface ReadCommand {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly workingDirectory: string;
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly outputPaths: readonly string[];
  readonly outputFiles: readonly string[];
  readonly outputDirectories: readonly string[];
}

function commandOf(bytes: Uint8Array): ReadCommand {
  let command: reapi.Command;
  try {
    command = reapi.Command.decode(bytes);
  } catch (cause) {
    throw new ProtocolError("PROTOCOL_MALFORMED", "command does not decode", { cause });
  }
  const { workingDirectory, outputPaths, outputFiles, outputDirectories } = command;
  return {
    argv: command.arguments,
    env: command.environmentVariables.map(({ name, value }) => [name, value] as const),
    // Clients before version 2.2 have it here.
    platform: (command.platform?.properties ?? []).map(({ name, value }) => [name, value] as const),
    workingDirectory,
    outputPaths,
    outputFiles,
    outputDirectories,
  };
}

/** Where `output_paths` is given the two older lists are not looked at, as the API has it. */
function outputsOf(command: ReadCommand, directory: WorkspacePath): DeclaredOutput[] {
  const of = (paths: readonly string[], kind: DeclaredOutput["kind"]): DeclaredOutput[] =>
    paths.map((path) => {
      const full = placeOf(path, directory, "an output");
      return { path: full, kind: full === UP_PATH ? "file" : kind };
    });
  if (command.outputPaths.length > 0) return of(command.outputPaths, "any");
  return [...of(command.outputFiles, "file"), ...of(command.outputDirectories, "tree")];
}

/** From the input root, what is written relative to `directory`. */
function placeOf(path: string, directory: WorkspacePath, what: string): WorkspacePath {
  const parsed = parseWorkspacePath(path, directory);
  if (!parsed.ok) throw new ProtocolError("PROTOCOL_MALFORMED", `${what}: ${parsed.problem}`);
  return parsed.path;
}

/** `decodeDirectory` asks by hash alone; the store wants sizes too. */
function noteSizes(bytes: Uint8Array, sizes: Map<string, number>): void {
  for (const { digest } of reapi.Directory.decode(bytes).directories) {
    if (digest !== undefined) sizes.set(digest.hash, digest.sizeBytes);
  }
}
