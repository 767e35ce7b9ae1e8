import type { Digest } from "../base/index.ts";
import { compareUtf8 } from "../base/index.ts";
import { SourceError } from "./source.ts";
import type { SourceLimits } from "./source-limits.ts";

/** A directory as a value; order does not matter. The shape of `TreeNode` in the protocol room. */
export interface SourceTreeNode {
  readonly files: readonly { readonly name: string; readonly digest: Digest; readonly isExecutable: boolean }[];
  readonly directories: readonly { readonly name: string; readonly node: SourceTreeNode }[];
  readonly symlinks: readonly { readonly name: string; readonly target: string }[];
}

/** Encodes a tree as a REAPI Tree message. */
export type EncodeTree = (root: SourceTreeNode) => { readonly bytes: Uint8Array; readonly digest: Digest };

export interface TreeFile {
  readonly kind: "file";
  readonly digest: Digest;
  readonly executable: boolean;
}

export interface TreeLink {
  readonly kind: "symlink";
  readonly target: string;
}

export interface TreeDirectory {
  readonly kind: "directory";
  readonly children: Map<string, TreeEntry>;
}

export type TreeEntry = TreeFile | TreeLink | TreeDirectory;

/** Follows at most this many links on one path, as Linux does. */
const LINK_LIMIT = 40;

const newDirectory = (): TreeDirectory => ({ kind: "directory", children: new Map() });

/**
 * A tree being put together from archives, in memory: nothing an archive says is written anywhere before the whole
 * of it was found sound. Paths come as segments that `entrySegments` has checked.
 */
export class SourceTree {
  readonly #limits: SourceLimits;
  #root: TreeDirectory = newDirectory();
  #entryCount = 0;
  #sizeBytes = 0;

  constructor(limits: SourceLimits) {
    this.#limits = limits;
  }

  get root(): TreeDirectory {
    return this.#root;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  /** Fails before `sizeBytes` more are read, rather than after. */
  reserve(sizeBytes: number, shown: string): void {
    if (sizeBytes > this.#limits.entryBytes) {
      throw tooLarge(`${shown} has ${sizeBytes} bytes, the limit for one file is ${this.#limits.entryBytes}`);
    }
    this.#sizeBytes += sizeBytes;
    if (this.#sizeBytes > this.#limits.unpackedBytes) {
      throw tooLarge(`the tree has more than ${this.#limits.unpackedBytes} bytes at ${shown}`);
    }
  }

  addDirectory(segments: readonly string[], shown: string): void {
    this.#directory(segments, segments.length, shown);
  }

  addLeaf(segments: readonly string[], entry: TreeFile | TreeLink, shown: string): void {
    const name = segments.at(-1);
    if (name === undefined) throw unsafe(`${shown} names the root of the tree`);
    const parent = this.#directory(segments, segments.length - 1, shown);
    if (parent.children.has(name)) throw unsafe(`${shown} stands twice in the archive`);
    this.#count(shown);
    parent.children.set(name, entry);
  }

  /** What stands at `segments`, following no link. */
  find(segments: readonly string[]): TreeEntry | undefined {
    let entry: TreeEntry = this.#root;
    for (const segment of segments) {
      const child: TreeEntry | undefined = entry.kind === "directory" ? entry.children.get(segment) : undefined;
      if (child === undefined) return undefined;
      entry = child;
    }
    return entry;
  }

  /** Where all there is is one directory, as in `lua-5.4.4/...`, that directory becomes the root. */
  stripTop(): void {
    const [only, ...others] = this.#root.children.values();
    if (others.length === 0 && only?.kind === "directory") this.#root = only;
  }

  /** Puts `tree` at `segments` in place of what stands there. */
  graft(segments: readonly string[], tree: SourceTree): void {
    const name = segments.at(-1);
    const shown = segments.join("/");
    if (name === undefined) throw unsafe("a tree cannot be put over the root of another");
    this.#directory(segments, segments.length - 1, shown).children.set(name, tree.root);
    this.#entryCount += tree.entryCount;
    if (this.#entryCount > this.#limits.entryCount) this.#tooMany(shown);
    this.reserve(0, shown);
    this.#sizeBytes += tree.sizeBytes;
  }

  /** Removes what stands at a name of the root. */
  removeTop(name: string): void {
    this.#root.children.delete(name);
  }

  /** @throws {SourceError} `SOURCE_UNSAFE_PATH` for the first link, in path order, that leads out of the tree. */
  checkLinks(): void {
    const walk = (directory: TreeDirectory, at: readonly string[]): void => {
      for (const [name, entry] of sortedChildren(directory)) {
        const path = [...at, name];
        if (entry.kind === "directory") walk(entry, path);
        else if (entry.kind === "symlink" && this.#leavesTree(at, entry.target)) {
          throw unsafe(`link ${path.join("/")} leads to ${JSON.stringify(entry.target)}, outside the tree`);
        }
      }
    };
    walk(this.#root, []);
  }

  /**
   * Walks `target` from `directory` as the kernel would. `d/..` through a link `d` is not where it looks to be, so
   * comparing texts is not enough.
   */
  #leavesTree(directory: readonly string[], target: string): boolean {
    const at = [...directory];
    const ahead = target.split("/").reverse();
    if (target.startsWith("/")) return true;
    for (let followed = 0; ahead.length > 0; ) {
      const segment = ahead.pop() as string;
      if (segment === "" || segment === ".") continue;
      if (segment === "..") {
        if (at.pop() === undefined) return true;
        continue;
      }
      const entry = this.find([...at, segment]);
      if (entry?.kind !== "symlink") {
        at.push(segment);
        continue;
      }
      if (entry.target.startsWith("/")) return true;
      // A loop leads nowhere, so nowhere outside either.
      if (++followed > LINK_LIMIT) return false;
      ahead.push(...entry.target.split("/").reverse());
    }
    return false;
  }

  #directory(segments: readonly string[], length: number, shown: string): TreeDirectory {
    if (length > this.#limits.depth) {
      throw tooLarge(`${shown} is ${length} directories deep, the limit is ${this.#limits.depth}`);
    }
    let directory = this.#root;
    for (let i = 0; i < length; i++) {
      const name = segments[i] as string;
      const child = directory.children.get(name);
      if (child === undefined) {
        this.#count(shown);
        const made = newDirectory();
        directory.children.set(name, made);
        directory = made;
      } else if (child.kind === "directory") {
        directory = child;
      } else {
        const through = segments.slice(0, i + 1).join("/");
        throw unsafe(`${shown} would be written through ${through}, which is a ${child.kind}`);
      }
    }
    return directory;
  }

  #count(shown: string): void {
    this.#entryCount++;
    if (this.#entryCount > this.#limits.entryCount) this.#tooMany(shown);
  }

  #tooMany(shown: string): never {
    throw tooLarge(`the tree has more than ${this.#limits.entryCount} entries at ${shown}`);
  }
}

/** Entries in the order of their names' UTF-8 bytes. */
export function sortedChildren(directory: TreeDirectory): [name: string, entry: TreeEntry][] {
  return [...directory.children].sort(([a], [b]) => compareUtf8(a, b));
}

/** The tree as the protocol room encodes it. */
export function treeNode(directory: TreeDirectory): SourceTreeNode {
  const files: { name: string; digest: Digest; isExecutable: boolean }[] = [];
  const directories: { name: string; node: SourceTreeNode }[] = [];
  const symlinks: { name: string; target: string }[] = [];
  for (const [name, entry] of sortedChildren(directory)) {
    if (entry.kind === "file") files.push({ name, digest: entry.digest, isExecutable: entry.executable });
    else if (entry.kind === "symlink") symlinks.push({ name, target: entry.target });
    else directories.push({ name, node: treeNode(entry) });
  }
  return { files, directories, symlinks };
}

/**
 * Checks a name from an archive and cuts it into segments; leading `./` and a trailing `/` are dropped.
 *
 * @throws {SourceError} `SOURCE_UNSAFE_PATH` for an absolute name, `..`, a control character, or a segment no file
 *   system takes.
 */
export function entrySegments(name: string): string[] {
  const shown = JSON.stringify(name);
  if (name.startsWith("/")) throw unsafe(`archive entry ${shown} is absolute`);
  if (/[\u0000-\u001f\u007f]/.test(name)) throw unsafe(`archive entry ${shown} has a control character in its name`);
  if (!name.isWellFormed()) throw unsafe(`archive entry ${shown} has a name that is not valid Unicode`);
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw unsafe(`archive entry ${shown} climbs out of the tree`);
  const long = segments.find((segment) => Buffer.byteLength(segment) > 255);
  if (long !== undefined) throw unsafe(`archive entry ${shown} has a name of ${Buffer.byteLength(long)} bytes`);
  return segments;
}

export function unsafe(message: string): SourceError {
  return new SourceError("SOURCE_UNSAFE_PATH", message);
}

export function tooLarge(message: string): SourceError {
  return new SourceError("SOURCE_TOO_LARGE", message);
}
