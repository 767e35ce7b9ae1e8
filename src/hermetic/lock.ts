import { compareUtf8, parseSha256 } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";
import { type LockNode, lockMalformed, parseLockText } from "./lock-text.ts";
import { type LockedFile, SourceError, type SourceLock, type SourceRequest } from "./source.ts";

/** The pins of a workspace, by source name. */
export type SourceLocks = ReadonlyMap<string, SourceLock>;

const KINDS: readonly SourceRequest["kind"][] = ["deb-src", "npm", "url", "git"];

/**
 * Reads the text of a `begat.lock` (docs/formats.md, "begat.lock").
 *
 * @throws {SourceError} `LOCK_MALFORMED` with the line, for anything `formatLock` would not write but for blanks.
 */
export function parseLock(text: string): SourceLocks {
  const root = parseLockText(text);
  const top = members(root, "the lock", ["sources", "version"]);
  const version = top("version");
  if (version.kind !== "number" || version.value !== 1) {
    throw lockMalformed(version.line, "expected version 1", "the lock was written by another version of begat");
  }
  const sources = top("sources");
  if (sources.kind !== "object") throw lockMalformed(sources.line, "expected an object of sources");
  const locks = new Map<string, SourceLock>();
  for (const [name, node] of sources.members) locks.set(name, parseEntry(name, node));
  return locks;
}

/** The one text of a set of pins: names and members sorted, two blanks a level, a newline at the end. */
export function formatLock(locks: SourceLocks): string {
  const entries = [...locks].sort(([a], [b]) => compareUtf8(a, b));
  const sources = Object.fromEntries(
    entries.map(([name, lock]) => [
      name,
      {
        files: lock.files.map(({ name, sha256, sizeBytes }) => ({ name, sha256, sizeBytes })),
        kind: lock.kind,
        tree: lock.tree,
        version: lock.version,
        words: lock.words,
      },
    ]),
  );
  return `${JSON.stringify({ sources, version: 1 }, undefined, 2)}\n`;
}

/** The pins at `path`; none where there is no such file. */
export function readLock(fs: FileTree, path: string): SourceLocks {
  if (fs.stat(path) === undefined) return new Map();
  const bytes = fs.readFile(path);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SourceError("LOCK_MALFORMED", "begat.lock:1: the file is not UTF-8", { cause });
  }
  return parseLock(text);
}

/** Whether `lock` is the answer to what is asked: same kind, same words. */
export function answers(lock: SourceLock, request: SourceRequest, words: readonly string[]): boolean {
  return (
    lock.kind === request.kind &&
    lock.words.length === words.length &&
    lock.words.every((word, index) => word === words[index])
  );
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
  const size = member("sizeBytes");
  if (size.kind !== "number" || !Number.isSafeInteger(size.value) || size.value < 0) {
    throw lockMalformed(size.line, "expected a size in bytes");
  }
  return { name: text(member("name"), "a name"), sha256: hash(member("sha256")), sizeBytes: size.value };
}

/** Looks up members of an object that has exactly these. */
function members(node: LockNode, what: string, names: readonly string[]): (name: string) => LockNode {
  if (node.kind !== "object") throw lockMalformed(node.line, `expected ${what} to be an object`);
  for (const [name, member] of node.members) {
    if (!names.includes(name)) throw lockMalformed(member.line, `${what} has no member ${JSON.stringify(name)}`);
  }
  return (name) => {
    const member = node.members.get(name);
    if (member === undefined) throw lockMalformed(node.line, `${what} lacks ${JSON.stringify(name)}`);
    return member;
  };
}

function text(node: LockNode, what: string): string {
  if (node.kind !== "string") throw lockMalformed(node.line, `expected ${what} in quotes`);
  return node.text;
}

function items(node: LockNode, what: string): readonly LockNode[] {
  if (node.kind !== "array") throw lockMalformed(node.line, `expected a list of ${what}`);
  return node.items;
}

function hash(node: LockNode): LockedFile["sha256"] {
  const parsed = parseSha256(text(node, "a SHA-256"));
  if (parsed === undefined) throw lockMalformed(node.line, "expected a SHA-256: 64 lower-case hexadecimal digits");
  return parsed;
}
