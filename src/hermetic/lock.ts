import { compareUtf8 } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";
import { type ImageLocks, imageLockValue, parseImageLock } from "./image/image-lock.ts";
import { hash, items, members, optionalMember, size, text } from "./lock-shape.ts";
import { type LockNode, lockMalformed, parseLockText } from "./lock-text.ts";
import { type LockedFile, SourceError, type SourceLock, type SourceRequest } from "./source.ts";

/** The pins of a workspace, by source name. */
export type SourceLocks = ReadonlyMap<string, SourceLock>;

/** Everything a `begat.lock` holds. */
export interface LockFile {
  readonly sources: SourceLocks;
  readonly images: ImageLocks;
}

const KINDS: readonly SourceRequest["kind"][] = ["deb-src", "npm", "url", "git"];

/**
 * Reads the text of a `begat.lock` (docs/formats.md, "begat.lock").
 *
 * @throws {SourceError} `LOCK_MALFORMED` with the line, for anything `formatLock` would not write but for blanks.
 */
export function parseLock(content: string): LockFile {
  const root = parseLockText(content);
  const top = members(root, "the lock", ["sources", "version"], ["images"]);
  const version = top("version");
  if (version.kind !== "number" || version.value !== 1) {
    throw lockMalformed(version.line, "expected version 1", "the lock was written by another version of begat");
  }
  const sources = top("sources");
  if (sources.kind !== "object") throw lockMalformed(sources.line, "expected an object of sources");
  const locks = new Map<string, SourceLock>();
  for (const [name, node] of sources.members) locks.set(name, parseEntry(name, node));
  // Locks of workspaces without images have no such member.
  const images = optionalMember(root, "images");
  if (images === undefined) return { sources: locks, images: new Map() };
  if (images.kind !== "object") throw lockMalformed(images.line, "expected an object of images");
  return {
    sources: locks,
    images: new Map([...images.members].map(([name, node]) => [name, parseImageLock(name, node)])),
  };
}

/** The one text of a set of pins: names and members sorted, two blanks a level, a newline at the end. */
export function formatLock({ sources, images }: LockFile): string {
  const value = {
    ...(images.size === 0 ? {} : { images: sortedObject(images, imageLockValue) }),
    sources: sortedObject(sources, (lock) => ({
      files: lock.files.map(({ name, sha256, sizeBytes }) => ({ name, sha256, sizeBytes })),
      kind: lock.kind,
      tree: lock.tree,
      version: lock.version,
      words: lock.words,
    })),
    version: 1,
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The pins at `path`; none where there is no such file. */
export function readLock(fs: FileTree, path: string): LockFile {
  if (fs.stat(path) === undefined) return { sources: new Map(), images: new Map() };
  const bytes = fs.readFile(path);
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SourceError("LOCK_MALFORMED", "begat.lock:1: the file is not UTF-8", { cause });
  }
  return parseLock(content);
}

/** Whether `lock` is the answer to what is asked: same kind, same words. */
export function answers(lock: SourceLock, request: SourceRequest, words: readonly string[]): boolean {
  return (
    lock.kind === request.kind &&
    lock.words.length === words.length &&
    lock.words.every((word, index) => word === words[index])
  );
}

function sortedObject<T>(map: ReadonlyMap<string, T>, value: (item: T) => unknown): Record<string, unknown> {
  const entries = [...map].sort(([a], [b]) => compareUtf8(a, b));
  return Object.fromEntries(entries.map(([name, item]) => [name, value(item)]));
}

function parseEntry(name: string, node: LockNode): SourceLock {
  const member = members(node, `source ${JSON.stringify(name)}`, ["files", "kind", "tree", "version", "words"]);
  const kindText = text(member("kind"), "a kind");
  const kind = KINDS.find((known) => known === kindText);
  if (kind === undefined) throw lockMalformed(member("kind").line, `${JSON.stringify(kindText)} is no kind of source`);
  return {
    name,
    kind,
    words: items(member("words"), "words").map((word) => text(word, "a word")),
    version: text(member("version"), "a version"),
    files: items(member("files"), "files").map(parseFile),
    tree: hash(member("tree")),
  };
}

function parseFile(node: LockNode): LockedFile {
  const member = members(node, "a file", ["name", "sha256", "sizeBytes"]);
  return { name: text(member("name"), "a name"), sha256: hash(member("sha256")), sizeBytes: size(member("sizeBytes")) };
}
