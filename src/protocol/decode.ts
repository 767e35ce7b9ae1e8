import type { Digest, Sha256, WorkspacePath } from "../base/index.ts";
import { EMPTY_DIGEST, parseSha256 } from "../base/index.ts";
import { DirectoryMemory } from "./directory-memory.ts";
import { Action, Command, Directory, Tree, type Digest as WireDigest } from "./generated/actions.ts";
import { ProtocolError, type TreeNode } from "./input-root.ts";

export interface DecodedAction {
  readonly command: Digest;
  readonly inputRoot: Digest;
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly timeoutMs: number;
  readonly doNotCache: boolean;
}

export interface DecodedCommand {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly directory: WorkspacePath;
  /** Relative to `directory`. */
  readonly outputPaths: readonly string[];
}

/** A leaf of an input root or tree, by its path from the root. */
export interface WalkedFile {
  readonly path: WorkspacePath;
  readonly digest: Digest;
  readonly executable: boolean;
}

/** Runs a decoder; whatever bytes a peer sends end in a `ProtocolError`. */
function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw new ProtocolError("PROTOCOL_MALFORMED", `${what} does not decode`, { cause });
  }
}

function digestFrom(wire: WireDigest | undefined, what: string): Digest {
  const hash = parseSha256(wire?.hash);
  if (wire === undefined || hash === undefined || !Number.isSafeInteger(wire.sizeBytes) || wire.sizeBytes < 0) {
    throw new ProtocolError("PROTOCOL_MALFORMED", `${what} has no SHA-256 digest`);
  }
  return { hash, sizeBytes: wire.sizeBytes };
}

export function decodeAction(bytes: Uint8Array): DecodedAction {
  return decoding("action", () => {
    const action = Action.decode(bytes);
    return {
      command: digestFrom(action.commandDigest, "action's command"),
      inputRoot: digestFrom(action.inputRootDigest, "action's input root"),
      platform: (action.platform?.properties ?? []).map(({ name, value }) => [name, value] as const),
      timeoutMs: (action.timeout?.seconds ?? 0) * 1000 + Math.floor((action.timeout?.nanos ?? 0) / 1_000_000),
      doNotCache: action.doNotCache,
    };
  });
}

export function decodeCommand(bytes: Uint8Array): DecodedCommand {
  return decoding("command", () => {
    const command = Command.decode(bytes);
    return {
      argv: command.arguments,
      env: command.environmentVariables.map(({ name, value }) => [name, value] as const),
      directory: command.workingDirectory as WorkspacePath,
      outputPaths: command.outputPaths,
    };
  });
}

function checkName(name: string): void {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new ProtocolError("PROTOCOL_MALFORMED", `directory entry is named ${JSON.stringify(name)}`);
  }
}

/** Actions of one build share most of their directories. */
const remembered = new DirectoryMemory();

/** `load` gives the bytes of a Directory by hash; `undefined` makes the whole tree malformed. */
function node(bytes: Uint8Array, load: (hash: Sha256) => Uint8Array | undefined, depth: number): TreeNode {
  if (depth > 200) throw new ProtocolError("PROTOCOL_MALFORMED", "tree is more than 200 directories deep");
  const directory = Directory.decode(bytes);
  const names = new Set<string>();
  for (const { name } of [...directory.files, ...directory.directories, ...directory.symlinks]) {
    checkName(name);
    // REAPI: no name twice, whatever it names. Else what stands there would depend on who looks.
    if (names.size === names.add(name).size)
      throw new ProtocolError("PROTOCOL_MALFORMED", `directory has ${JSON.stringify(name)} twice`);
  }
  return {
    files: directory.files.map((file) => ({
      name: file.name,
      digest: digestFrom(file.digest, file.name),
      isExecutable: file.isExecutable,
    })),
    directories: directory.directories.map((child) => {
      const { hash } = digestFrom(child.digest, child.name);
      const known = remembered.get(hash);
      if (known !== undefined) return { name: child.name, node: known };
      const childBytes = hash === EMPTY_DIGEST.hash ? new Uint8Array() : load(hash);
      if (childBytes === undefined) {
        throw new ProtocolError("PROTOCOL_MALFORMED", `directory ${child.name} (${hash}) is missing`);
      }
      const decoded = node(childBytes, load, depth + 1);
      remembered.put(hash, childBytes, decoded);
      return { name: child.name, node: decoded };
    }),
    symlinks: directory.symlinks.map(({ name, target }) => ({ name, target })),
  };
}

/** The directory of which `bytes` is the Directory message. */
export function decodeDirectory(bytes: Uint8Array, load: (hash: Sha256) => Uint8Array | undefined): TreeNode {
  return decoding("directory", () => node(bytes, load, 0));
}

/** The inverse of `encodeTree`; children are found by the digest of their bytes, never by their place. */
export function decodeTree(bytes: Uint8Array, digestOf: (bytes: Uint8Array) => Digest): TreeNode {
  return decoding("tree", () => {
    const tree = Tree.decode(bytes);
    const children = new Map<string, Uint8Array>();
    for (const child of tree.children) {
      const encoded = Directory.encode(child).finish();
      children.set(digestOf(encoded).hash, encoded);
    }
    const root = Directory.encode(tree.root ?? { files: [], directories: [], symlinks: [] }).finish();
    return node(root, (hash) => children.get(hash), 0);
  });
}

/** Files and symlinks of a tree, in the byte order of their paths within each directory. */
export function walkTree(root: TreeNode): {
  readonly files: readonly WalkedFile[];
  readonly links: readonly { readonly path: WorkspacePath; readonly target: string }[];
  readonly emptyDirectories: readonly WorkspacePath[];
} {
  const files: WalkedFile[] = [];
  const links: { path: WorkspacePath; target: string }[] = [];
  const emptyDirectories: WorkspacePath[] = [];
  const walk = (at: TreeNode, prefix: string): void => {
    for (const file of at.files) {
      files.push({
        path: `${prefix}${file.name}` as WorkspacePath,
        digest: file.digest,
        executable: file.isExecutable,
      });
    }
    for (const link of at.symlinks) {
      links.push({ path: `${prefix}${link.name}` as WorkspacePath, target: link.target });
    }
    for (const { name, node: child } of at.directories) {
      if (child.files.length + child.directories.length + child.symlinks.length === 0) {
        emptyDirectories.push(`${prefix}${name}` as WorkspacePath);
      } else walk(child, `${prefix}${name}/`);
    }
  };
  walk(root, "");
  return { files, links, emptyDirectories };
}
