import { compareUtf8 } from "../../src/base/index.ts";
import {
  type Clock,
  type DirectoryEntry,
  type FileContents,
  type FileKind,
  type FileStat,
  type FileTree,
  FileTreeError,
  type FileTreeErrorCode,
  type ReplaceOptions,
} from "../../src/ports/index.ts";
import { ManualClock } from "./manual-clock.ts";

interface Inode {
  readonly kind: FileKind;
  readonly inode: number;
  bytes: Buffer;
  readonly target: string;
  readonly children: Map<string, Inode>;
  mode: number;
  mtimeMs: number;
  ctimeMs: number;
  linkCount: number;
  uid: number;
}

export type FileTreeMethod = keyof FileTree;

/** When to say no. Every part that is given must fit. */
export interface Fault {
  readonly method?: FileTreeMethod | readonly FileTreeMethod[];
  readonly path?: RegExp;
  /** The n-th fitting call fails, from 1; absent: every one. */
  readonly nth?: number;
  readonly code: FileTreeErrorCode;
  /** What `cause.code` is, e.g. `EXDEV`. */
  readonly errno?: string;
}

const KINDS: readonly FileKind[] = ["file", "directory", "symlink", "other"];
const MOST_LINKS_FOLLOWED = 40;

/**
 * A file system in memory, without permissions: its user is root. One device. Faults can be planted, room can be
 * limited, and an `onCall` that throws is a crash: what had happened until then stays.
 */
export class MemoryFileTree implements FileTree {
  /** Calls so far of each method. */
  readonly calls = new Map<FileTreeMethod, number>();
  /** Bytes all files together may have; writing beyond is `FILE_SYSTEM_FULL`, after the part that fits. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Called before each operation; may throw to be the crash. */
  onCall: ((method: FileTreeMethod, path: string) => void) | undefined;
  readonly #clock: Clock;
  readonly #faults: { readonly fault: Fault; seen: number }[] = [];
  #inodes = 1;
  #usedBytes = 0;
  #root: Inode;

  constructor(clock: Clock = new ManualClock()) {
    this.#clock = clock;
    this.#root = this.#make("directory", 0o755);
  }

  /** Plants a fault; answers how to lift it. */
  fail(fault: Fault): () => void {
    const planted = { fault, seen: 0 };
    this.#faults.push(planted);
    return () => void this.#faults.splice(this.#faults.indexOf(planted), 1);
  }

  /** All files by path, for comparing whole states. Symlinks read `-> target`, directories end with `/`. */
  list(from = "/"): Map<string, string> {
    return new Map(
      this.#below(from).map(([path, node]) => [
        path,
        node.kind === "symlink" ? `-> ${node.target}` : node.bytes.toString("latin1"),
      ]),
    );
  }

  /** The names of `list`, without reading anything. */
  paths(from = "/"): string[] {
    return this.#below(from).map(([path]) => path);
  }

  /** Something that is neither file, directory nor symlink, such as a FIFO. */
  makeOther(path: string): void {
    const { parent, name } = this.#parent(path, "make");
    parent.children.set(name, this.#make("other", 0o644));
  }

  setUid(path: string, uid: number): void {
    this.#need(path, true, "own").uid = uid;
  }

  stat(path: string): FileStat | undefined {
    this.#enter("stat", path);
    const node = this.#find(path, true);
    return node && stat(node);
  }

  lstat(path: string): FileStat | undefined {
    this.#enter("lstat", path);
    const node = this.#find(path, false);
    return node && stat(node);
  }

  statInto(path: string, numbers: Float64Array, offset: number): boolean {
    this.#enter("statInto", path);
    const node = this.#find(path, true);
    if (node === undefined) return false;
    const { sizeBytes, mtimeMs, ctimeMs, inode, kind, mode } = stat(node);
    numbers.set([sizeBytes, mtimeMs, ctimeMs, inode, KINDS.indexOf(kind) * 4096 + mode], offset);
    return true;
  }

  readDirectory(path: string): DirectoryEntry[] {
    this.#enter("readDirectory", path);
    const node = this.#need(path, true, "list");
    if (node.kind !== "directory") throw failure("FILE_NOT_DIRECTORY", "list", path, "ENOTDIR");
    return Array.from(node.children, ([name, child]) => ({ name, kind: child.kind })).sort((a, b) =>
      compareUtf8(a.name, b.name),
    );
  }

  readFile(path: string): Buffer {
    this.#enter("readFile", path);
    const node = this.#need(path, true, "read");
    if (node.kind === "directory") throw failure("FILE_IS_DIRECTORY", "read", path, "EISDIR");
    if (node.kind !== "file") throw failure("FILE_IO", "read", path, "EINVAL");
    return Buffer.from(node.bytes);
  }

  readLink(path: string): string {
    this.#enter("readLink", path);
    const node = this.#need(path, false, "read the link");
    if (node.kind !== "symlink") throw failure("FILE_IO", "read the link", path, "EINVAL");
    return node.target;
  }

  writeFile(path: string, bytes: Uint8Array | string, options: { mode?: number; exclusive?: boolean } = {}): void {
    this.#enter("writeFile", path);
    if (options.exclusive && this.#find(path, false)) throw failure("FILE_EXISTS", "write", path, "EEXIST");
    const existing = this.#find(path, true);
    if (existing?.kind === "directory") throw failure("FILE_IS_DIRECTORY", "write", path, "EISDIR");
    const node = existing ?? this.#create(path, options.mode ?? 0o644);
    this.#fill(node, typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes), path);
  }

  replaceFile(path: string, bytes: FileContents, options: ReplaceOptions = {}): void {
    this.#enter("replaceFile", path);
    const { parent, name } = this.#parent(path, "replace");
    if (parent.children.get(name)?.kind === "directory") throw failure("FILE_IS_DIRECTORY", "replace", path, "EISDIR");
    const node = this.#make("file", options.mode ?? 0o644);
    try {
      const parts = typeof bytes === "string" ? [Buffer.from(bytes)] : bytes instanceof Uint8Array ? [bytes] : bytes;
      this.#fill(node, Buffer.concat(parts), path);
    } catch (error) {
      this.#usedBytes -= node.bytes.length;
      throw error;
    }
    this.#unlink(parent, name);
    this.#attach(parent, name, node);
  }

  makeDirectory(path: string, mode = 0o755): void {
    this.#enter("makeDirectory", path);
    let built = "";
    for (const segment of path.split("/").filter(Boolean)) {
      built += `/${segment}`;
      const node = this.#find(built, true);
      if (node === undefined) {
        const { parent, name } = this.#parent(built, "make the directory");
        if (parent.children.has(name)) throw failure("FILE_EXISTS", "make the directory", path, "EEXIST");
        this.#attach(parent, name, this.#make("directory", mode));
      } else if (node.kind !== "directory") {
        const last = built === path;
        const code = last ? "FILE_EXISTS" : "FILE_NOT_DIRECTORY";
        throw failure(code, "make the directory", path, last ? "EEXIST" : "ENOTDIR");
      }
    }
  }

  copyFile(from: string, to: string, mode: number): void {
    this.#enter("copyFile", to);
    const source = this.#need(from, true, "copy");
    if (source.kind === "directory") throw failure("FILE_IS_DIRECTORY", "copy", from, "EISDIR");
    if (this.#find(to, false)) throw failure("FILE_EXISTS", "copy to", to, "EEXIST");
    this.#fill(this.#create(to, mode), Buffer.from(source.bytes), to);
  }

  rename(from: string, to: string): void {
    this.#enter("rename", from);
    const source = this.#parent(from, "rename");
    const node = source.parent.children.get(source.name);
    if (node === undefined) throw failure("FILE_NOT_FOUND", "rename", from, "ENOENT");
    const target = this.#parent(to, "rename to");
    const there = target.parent.children.get(target.name);
    if (there === node) return;
    if (there !== undefined) {
      const isDirectory = there.kind === "directory";
      if (isDirectory && node.kind !== "directory") throw failure("FILE_IS_DIRECTORY", "rename to", to, "EISDIR");
      if (!isDirectory && node.kind === "directory") throw failure("FILE_NOT_DIRECTORY", "rename to", to, "ENOTDIR");
      if (there.children.size > 0) throw failure("FILE_EXISTS", "rename to", to, "ENOTEMPTY");
      this.#unlink(target.parent, target.name);
    }
    if (`${to}/`.startsWith(`${from}/`)) throw failure("FILE_IO", "rename", from, "EINVAL");
    source.parent.children.delete(source.name);
    this.#attach(target.parent, target.name, node);
    this.#changed(source.parent);
    node.ctimeMs = this.#clock.nowMs();
  }

  link(existing: string, path: string): void {
    this.#enter("link", path);
    const node = this.#need(existing, false, "link");
    if (node.kind === "directory") throw failure("FILE_ACCESS_DENIED", "link", existing, "EPERM");
    const { parent, name } = this.#parent(path, "link");
    if (parent.children.has(name)) throw failure("FILE_EXISTS", "link", path, "EEXIST");
    node.linkCount++;
    node.ctimeMs = this.#clock.nowMs();
    this.#attach(parent, name, node);
  }

  symlink(target: string, path: string): void {
    this.#enter("symlink", path);
    const { parent, name } = this.#parent(path, "make the symlink");
    if (parent.children.has(name)) throw failure("FILE_EXISTS", "make the symlink", path, "EEXIST");
    this.#attach(parent, name, this.#make("symlink", 0o777, target));
  }

  setMode(path: string, mode: number): void {
    this.#enter("setMode", path);
    const node = this.#need(path, true, "set the permissions of");
    node.mode = mode;
    node.ctimeMs = this.#clock.nowMs();
  }

  setTimes(path: string, _atimeMs: number, mtimeMs: number): void {
    this.#enter("setTimes", path);
    const node = this.#need(path, false, "set the times of");
    node.mtimeMs = mtimeMs;
    node.ctimeMs = this.#clock.nowMs();
  }

  remove(path: string): void {
    this.#enter("remove", path);
    if (this.#find(path, false) === undefined) return;
    const { parent, name } = this.#parent(path, "remove");
    this.#unlink(parent, name);
    this.#changed(parent);
  }

  #below(from: string): (readonly [path: string, node: Inode])[] {
    const found: (readonly [string, Inode])[] = [];
    const walk = (node: Inode, path: string) => {
      for (const [name, child] of [...node.children].sort(([a], [b]) => compareUtf8(a, b))) {
        const at = `${path}/${name}`;
        found.push([child.kind === "directory" ? `${at}/` : at, child]);
        walk(child, at);
      }
    };
    const top = this.#find(from, true);
    if (top !== undefined) walk(top, from === "/" ? "" : from);
    return found;
  }

  #enter(method: FileTreeMethod, path: string): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    this.onCall?.(method, path);
    for (const planted of this.#faults) {
      const { fault } = planted;
      if (fault.method !== undefined && ![fault.method].flat().includes(method)) continue;
      if (fault.path !== undefined && !fault.path.test(path)) continue;
      planted.seen++;
      if (fault.nth === undefined || fault.nth === planted.seen) throw failure(fault.code, method, path, fault.errno);
    }
  }

  #make(kind: FileKind, mode: number, target = ""): Inode {
    const nowMs = this.#clock.nowMs();
    const inode = this.#inodes++;
    const none = Buffer.alloc(0);
    const times = { mtimeMs: nowMs, ctimeMs: nowMs };
    return { kind, inode, bytes: none, target, children: new Map(), mode, ...times, linkCount: 0, uid: 0 };
  }

  #create(path: string, mode: number): Inode {
    const { parent, name } = this.#parent(this.#resolveLast(path), "write");
    const node = this.#make("file", mode);
    this.#attach(parent, name, node);
    return node;
  }

  #fill(node: Inode, bytes: Buffer, path: string): void {
    this.#usedBytes -= node.bytes.length;
    node.bytes = bytes.subarray(0, Math.max(0, Math.min(bytes.length, this.capacityBytes - this.#usedBytes)));
    this.#usedBytes += node.bytes.length;
    this.#changed(node);
    if (node.bytes.length < bytes.length) throw failure("FILE_SYSTEM_FULL", "write", path, "ENOSPC");
  }

  #attach(parent: Inode, name: string, node: Inode): void {
    if (!parent.children.has(name) && node.linkCount === 0) node.linkCount = 1;
    parent.children.set(name, node);
    this.#changed(parent);
  }

  #unlink(parent: Inode, name: string): void {
    const node = parent.children.get(name);
    if (node === undefined) return;
    parent.children.delete(name);
    for (const child of [...node.children.keys()]) this.#unlink(node, child);
    if (--node.linkCount === 0) this.#usedBytes -= node.bytes.length;
    node.ctimeMs = this.#clock.nowMs();
  }

  #changed(node: Inode): void {
    node.mtimeMs = node.ctimeMs = this.#clock.nowMs();
  }

  #need(path: string, follow: boolean, verb: string): Inode {
    const node = this.#find(path, follow);
    if (node === undefined) throw failure("FILE_NOT_FOUND", verb, path, "ENOENT");
    return node;
  }

  #parent(path: string, verb: string): { parent: Inode; name: string } {
    const slash = path.lastIndexOf("/");
    const parent = this.#find(path.slice(0, slash) || "/", true);
    if (parent === undefined) throw failure("FILE_NOT_FOUND", verb, path, "ENOENT");
    if (parent.kind !== "directory") throw failure("FILE_NOT_DIRECTORY", verb, path, "ENOTDIR");
    return { parent, name: path.slice(slash + 1) };
  }

  /** Where a write to `path` goes when its last component is a dangling symlink. */
  #resolveLast(path: string): string {
    const node = this.#find(path, false);
    return node?.kind === "symlink" ? this.#resolveLast(absolute(node.target, path)) : path;
  }

  #find(path: string, follow: boolean, hops = 0): Inode | undefined {
    let node: Inode = this.#root;
    let at = "";
    const segments = normalise(path);
    for (const [i, segment] of segments.entries()) {
      if (node.kind !== "directory") return undefined;
      const child = node.children.get(segment);
      if (child === undefined) return undefined;
      if (child.kind === "symlink" && (follow || i < segments.length - 1)) {
        if (hops >= MOST_LINKS_FOLLOWED) return undefined;
        const rest = segments.slice(i + 1).join("/");
        return this.#find(`${absolute(child.target, `${at}/${segment}`)}/${rest}`, follow, hops + 1);
      }
      node = child;
      at += `/${segment}`;
    }
    return node;
  }
}

function stat(node: Inode): FileStat {
  const { kind, mtimeMs, ctimeMs, inode, mode, linkCount, uid } = node;
  const sizeBytes = kind === "symlink" ? Buffer.byteLength(node.target) : node.bytes.length;
  return { kind, sizeBytes, mtimeMs, ctimeMs, inode, device: 1, mode, linkCount: Math.max(linkCount, 1), uid };
}

function normalise(path: string): string[] {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return segments;
}

/** `target` of the symlink at `path`, as an absolute path. */
function absolute(target: string, path: string): string {
  return target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/"))}/${target}`;
}

function failure(code: FileTreeErrorCode, verb: string, path: string, errno?: string): FileTreeError {
  const cause = errno === undefined ? {} : { cause: Object.assign(new Error(errno), { code: errno }) };
  return new FileTreeError(code, `cannot ${verb} ${path}`, cause);
}
