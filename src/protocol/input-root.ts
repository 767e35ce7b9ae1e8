import type { Digest, WorkspacePath } from "../base/index.ts";
import { BegatError, compareUtf8, digestOf, EMPTY_DIGEST, type Sha256 } from "../base/index.ts";
import { Directory, type FileNode, type SymlinkNode } from "./generated/actions.ts";

export class ProtocolError extends BegatError<"PROTOCOL_MALFORMED" | "PROTOCOL_PATH_CONFLICT"> {}

/** A directory as a value. Order does not matter here; encoding sorts. */
export interface TreeNode {
  readonly files: readonly { readonly name: string; readonly digest: Digest; readonly isExecutable: boolean }[];
  readonly directories: readonly { readonly name: string; readonly node: TreeNode }[];
  readonly symlinks: readonly { readonly name: string; readonly target: string }[];
}

export interface EncodedBlob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

interface Branch {
  readonly files: { name: string; digest: Digest; isExecutable: boolean }[];
  readonly branches: Map<string, Branch>;
  readonly symlinks: { name: string; target: string }[];
  /** Names taken by files and links, so that one name never stands twice. */
  readonly leaves: Set<string>;
}

const newBranch = (): Branch => ({ files: [], branches: new Map(), symlinks: [], leaves: new Set() });

/** Collects paths into a tree. One path given twice, or as file and directory at once, is refused. */
export class TreeBuilder {
  readonly #root: Branch = newBranch();

  addFile(path: WorkspacePath, digest: Digest, isExecutable: boolean): void {
    const [branch, name] = this.#leaf(path);
    branch.files.push({ name, digest, isExecutable });
  }

  addSymlink(path: WorkspacePath, target: string): void {
    const [branch, name] = this.#leaf(path);
    branch.symlinks.push({ name, target });
  }

  addDirectory(path: WorkspacePath): void {
    if (path !== "") this.#branch(path, path.length);
  }

  build(): TreeNode {
    return toNode(this.#root);
  }

  #leaf(path: WorkspacePath): [Branch, string] {
    const slash = path.lastIndexOf("/");
    const branch = slash < 0 ? this.#root : this.#branch(path, slash);
    const name = path.slice(slash + 1);
    if (branch.leaves.has(name) || branch.branches.has(name)) {
      throw new ProtocolError("PROTOCOL_PATH_CONFLICT", `${path} stands twice in one input root`);
    }
    branch.leaves.add(name);
    return [branch, name];
  }

  #branch(path: WorkspacePath, end: number): Branch {
    let branch = this.#root;
    for (let start = 0; start < end; ) {
      const next = path.indexOf("/", start);
      const stop = next < 0 || next > end ? end : next;
      const name = path.slice(start, stop);
      let child = branch.branches.get(name);
      if (child === undefined) {
        if (branch.leaves.has(name)) {
          throw new ProtocolError("PROTOCOL_PATH_CONFLICT", `${path.slice(0, stop)} is both a file and a directory`);
        }
        child = newBranch();
        branch.branches.set(name, child);
      }
      branch = child;
      start = stop + 1;
    }
    return branch;
  }
}

function toNode(branch: Branch): TreeNode {
  const directories = [...branch.branches].map(([name, child]) => ({ name, node: toNode(child) }));
  return { files: branch.files, directories, symlinks: branch.symlinks };
}

const byName = (a: { name: string }, b: { name: string }): number => compareUtf8(a.name, b.name);

/**
 * Encodes `root` and everything below it as canonical Directory messages, children before parents; equal directories
 * once. The last blob is the root, unless it is empty (then there is no blob: everybody has the empty one).
 */
export function encodeDirectories(root: TreeNode): { readonly root: Digest; readonly blobs: readonly EncodedBlob[] } {
  const blobs = new Map<Sha256, EncodedBlob>();
  const encode = (node: TreeNode): Digest => {
    const directories = [...node.directories].sort(byName).map(({ name, node: child }) => ({
      name,
      digest: encode(child),
    }));
    const files: FileNode[] = [...node.files].sort(byName);
    const symlinks: SymlinkNode[] = [...node.symlinks].sort(byName);
    if (files.length + directories.length + symlinks.length === 0) return EMPTY_DIGEST;
    const bytes = Directory.encode({ files, directories, symlinks }).finish();
    const digest = digestOf(bytes);
    if (!blobs.has(digest.hash)) blobs.set(digest.hash, { digest, bytes });
    return digest;
  };
  const digest = encode(root);
  return { root: digest, blobs: [...blobs.values()] };
}

/**
 * The REAPI Tree of a directory output: the root, then every distinct directory below it, in the order a walk by name
 * first meets them, parents before children. Its digest is what names a tree artifact.
 */
export function encodeTree(root: TreeNode): EncodedBlob {
  const { root: rootDigest, blobs } = encodeDirectories(root);
  const bytesOf = new Map<string, Uint8Array>(blobs.map((blob) => [blob.digest.hash, blob.bytes]));
  bytesOf.set(EMPTY_DIGEST.hash, new Uint8Array());
  const order: string[] = [];
  const seen = new Set<string>([rootDigest.hash]);
  for (let level = [rootDigest.hash as string]; level.length > 0; ) {
    const below: string[] = [];
    for (const hash of level) {
      for (const { digest } of Directory.decode(bytesOf.get(hash) ?? new Uint8Array()).directories) {
        if (digest === undefined || seen.has(digest.hash)) continue;
        seen.add(digest.hash);
        below.push(digest.hash);
      }
    }
    order.push(...below);
    level = below;
  }
  // Records 0x0a (root) and 0x12 (children) around the Directory bytes already hashed: no second encoding to differ.
  const pieces = [record(0x0a, bytesOf.get(rootDigest.hash) ?? new Uint8Array())];
  for (const hash of order) pieces.push(record(0x12, bytesOf.get(hash) ?? new Uint8Array()));
  const bytes = Buffer.concat(pieces);
  return { digest: digestOf(bytes), bytes };
}

function record(tag: number, bytes: Uint8Array): Buffer {
  const head = [tag];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), bytes]);
}
