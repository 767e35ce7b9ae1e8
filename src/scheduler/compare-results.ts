import type { Digest } from "../base/index.ts";
import type { RecordedOutput } from "../cache/index.ts";
import { listTree, UP_PATH } from "../executor/index.ts";
import type { Difference } from "./events.ts";

type Read = (digest: Digest) => Uint8Array;

/** Something with a name, in a chore's result or in a tree of it. */
interface Entry {
  readonly kind: "file" | "link" | "tree";
  readonly digest: Digest | undefined;
  readonly executable: boolean;
  readonly target: string | undefined;
}

/**
 * Where two results of one action first differ, by the outputs' order; within a tree by the members' paths, within a
 * file the first byte.
 *
 * @param read Of the store; what it throws where a blob was lost meanwhile goes on to the caller.
 */
export function firstDifference(
  before: readonly RecordedOutput[],
  after: readonly RecordedOutput[],
  read: Read,
): Difference | undefined {
  return differenceAmong(named(before.map(asEntry)), named(after.map(asEntry)), read);
}

/** Outputs that came out otherwise, as they did. */
export function differingOutputs(
  before: readonly RecordedOutput[],
  after: readonly RecordedOutput[],
): readonly RecordedOutput[] {
  const known = new Map(before.map((output) => [output.path, JSON.stringify(asEntry(output)[1])]));
  return after.filter((output) => known.get(output.path) !== JSON.stringify(asEntry(output)[1]));
}

const named = (entries: readonly (readonly [string, Entry])[]): ReadonlyMap<string, Entry> => new Map(entries);

function asEntry({ path, kind, digest, executable, target }: RecordedOutput): readonly [string, Entry] {
  const name = path === UP_PATH ? "BEGAT_UP" : path;
  if (kind === "symlink") return [name, { kind: "link", digest: undefined, executable: false, target }];
  return [name, { kind, digest, executable, target: undefined }];
}

/** The members of a tree by their paths; an empty directory is one too. */
function membersOf(tree: Uint8Array): ReadonlyMap<string, Entry> {
  const { files, links } = listTree(tree);
  const members = [
    ...files.map(({ path, digest, executable }): [string, Entry] => [
      path,
      { kind: "file", digest, executable, target: undefined },
    ]),
    ...links.map(({ path, target }): [string, Entry] => [
      path,
      { kind: "link", digest: undefined, executable: false, target },
    ]),
  ];
  return new Map(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function differenceAmong(
  before: ReadonlyMap<string, Entry>,
  after: ReadonlyMap<string, Entry>,
  read: Read,
): Difference | undefined {
  const names = [...before.keys(), ...[...after.keys()].filter((name) => !before.has(name))];
  for (const path of names) {
    const found = difference(path, before.get(path), after.get(path), read);
    if (found !== undefined) return found;
  }
  return undefined;
}

function difference(
  path: string,
  before: Entry | undefined,
  after: Entry | undefined,
  read: Read,
): Difference | undefined {
  if (after === undefined) return { kind: "missing", path };
  if (before === undefined) return { kind: "extra", path };
  if (before.kind !== after.kind) return { kind: "kind", path };
  if (before.target !== after.target) return { kind: "link", path };
  if (before.digest !== undefined && after.digest !== undefined && before.digest.hash !== after.digest.hash) {
    const bytes = [read(before.digest), read(after.digest)] as const;
    if (before.kind === "file") return { kind: "bytes", path, ...firstDifferingByte(...bytes) };
    const inside = differenceAmong(membersOf(bytes[0]), membersOf(bytes[1]), read);
    // Only empty directories can be all that differs.
    return inside === undefined ? { kind: "kind", path } : { ...inside, path, member: inside.path };
  }
  return before.executable === after.executable ? undefined : { kind: "mode", path };
}

const BLOCK = 64 * 1024;

/** Offset of the first byte that differs, and both bytes; `undefined` for one past the end. */
export function firstDifferingByte(
  before: Uint8Array,
  after: Uint8Array,
): { readonly offset: number; readonly first: number | undefined; readonly second: number | undefined } {
  let at = 0;
  for (; at < before.length; at += BLOCK) {
    if (Buffer.compare(before.subarray(at, at + BLOCK), after.subarray(at, at + BLOCK)) !== 0) break;
  }
  while (at < before.length && before[at] === after[at]) at++;
  return { offset: at, first: before[at], second: after[at] };
}
