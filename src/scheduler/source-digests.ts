import { compareUtf8, type Digest, digestOf, explain, sha256, type WorkspacePath } from "../base/index.ts";
import { type BulkFiles, LARGE_FILE_BYTES } from "../cache/index.ts";
import { FileTreeError, STAT_NUMBERS } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";
import { RACY_WINDOW_MS } from "./freshness.ts";
import type { Plan } from "./plan.ts";
import { type CheckoutState, type Member, memberSignature, PATH } from "./state.ts";

/** A declared input that cannot be used. */
export interface InputProblem {
  readonly path: string;
  readonly code:
    | "INPUT_MISSING"
    | "INPUT_IS_DIRECTORY"
    | "INPUT_NOT_DIRECTORY"
    | "INPUT_UNREADABLE"
    | "INPUT_UNSTABLE"
    | "INPUT_UNUSABLE";
  readonly message: string;
}

export interface Refreshed {
  /** Paths whose content, kind or executability is not what the state had. */
  readonly changed: ReadonlySet<number>;
  readonly problems: readonly InputProblem[];
  /** Files whose bytes were read. */
  readonly hashed: number;
}

/** How often a file may change under our eyes before we give up on it. */
const TRIES = 3;

/**
 * Brings the digests of source files in the state up to date: one stat a file, and its bytes only where the stat
 * differs from the one under which they were last read. A file whose ctime is too near to the reading keeps no
 * signature, so that a second change within one tick of the file clock cannot hide.
 */
export class SourceDigests {
  readonly #checkout: Checkout;
  readonly #state: CheckoutState;
  readonly #bulk: BulkFiles;
  readonly #plan: Pick<Plan, "outputsBelow" | "path">;
  readonly #numbers = new Float64Array(STAT_NUMBERS);

  constructor(checkout: Checkout, state: CheckoutState, bulk: BulkFiles, plan: Pick<Plan, "outputsBelow" | "path">) {
    this.#checkout = checkout;
    this.#state = state;
    this.#bulk = bulk;
    this.#plan = plan;
  }

  async refresh(
    sources: readonly { readonly path: number; readonly name: WorkspacePath; readonly tree: boolean }[],
  ): Promise<Refreshed> {
    const changed = new Set<number>();
    const problems: InputProblem[] = [];
    const large: Promise<void>[] = [];
    let hashed = 0;
    const note = (path: number, digest: Digest, flags: number, numbers: Float64Array, racy: boolean): void => {
      if (this.#state.setDigest(path, digest, flags)) changed.add(path);
      if (!racy) this.#state.setSignature(path, numbers, 0);
      hashed++;
    };
    for (const { path, name, tree } of sources) {
      const full = this.#checkout.absolute(name);
      try {
        if (tree) {
          if (this.#refreshTree(path, name)) changed.add(path);
          continue;
        }
        if (this.#checkout.fs.statInto(full, this.#numbers, 0) && this.#state.hasSignature(path, this.#numbers, 0))
          continue;
        const kind = this.#checkout.fs.stat(full)?.kind;
        if (kind !== "file") {
          problems.push(kindProblem(name, kind, this.#checkout));
          if (kind === undefined) this.#state.forget(path);
          continue;
        }
        if ((this.#numbers[0] as number) < LARGE_FILE_BYTES) {
          const read = this.#readStable(full);
          if (read === undefined) problems.push(unstable(name));
          else note(path, read.digest, read.executable ? PATH.executable : 0, read.numbers, read.racy);
        } else {
          large.push(
            this.#hashLarge(full).then(
              (read) => {
                if (read === undefined) problems.push(unstable(name));
                else note(path, read.digest, read.executable ? PATH.executable : 0, read.numbers, read.racy);
              },
              (error: unknown) => void problems.push(unreadable(name, error)),
            ),
          );
        }
      } catch (error) {
        problems.push(unreadable(name, error));
      }
    }
    await Promise.all(large);
    return { changed, problems, hashed };
  }

  #stat(full: string): Float64Array | undefined {
    const numbers = new Float64Array(STAT_NUMBERS);
    return this.#checkout.fs.statInto(full, numbers, 0) ? numbers : undefined;
  }

  #readStable(full: string): StableRead | undefined {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const fileClock = this.#checkout.fileClockMs();
      const before = this.#stat(full);
      const digest = digestOf(this.#checkout.fs.readFile(full));
      const after = this.#stat(full);
      if (before && after && sameNumbers(before, after) && digest.sizeBytes === after[0])
        return stableRead(digest, after, fileClock);
    }
    return undefined;
  }

  async #hashLarge(full: string): Promise<StableRead | undefined> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const fileClock = this.#checkout.fileClockMs();
      const before = this.#stat(full);
      const digest = await this.#bulk.hash(full);
      const after = this.#stat(full);
      if (before && after && sameNumbers(before, after) && digest.sizeBytes === after[0])
        return stableRead(digest, after, fileClock);
    }
    return undefined;
  }

  /**
   * Walks a source tree; answers whether it changed. Members whose signature holds keep their digest. What chores make
   * in it is passed over: that comes from the store, wherever else it was written.
   */
  #refreshTree(path: number, name: WorkspacePath): boolean {
    const { fs } = this.#checkout;
    const known = new Map((this.#state.members.get(path) ?? []).map((member) => [member.path, member]));
    const fileClock = this.#checkout.fileClockMs();
    const members: Member[] = [];
    const made = new Set<string>(this.#plan.outputsBelow(path).map((entry) => this.#plan.path(entry >>> 1)));
    const walk = (directory: string): void => {
      const full = this.#checkout.absolute(directory);
      const own = this.#stat(full);
      if (own === undefined && directory === name && made.size > 0) return;
      if (own === undefined || fs.stat(full)?.kind !== "directory") {
        throw new FileTreeError("FILE_NOT_DIRECTORY", `${directory === "" ? "." : directory} is not a directory`);
      }
      const racyDirectory = (own[2] as number) > fileClock - RACY_WINDOW_MS;
      const place = members.length;
      members.push({
        path: directory,
        signature: racyDirectory ? own.fill(-1) : own,
        digest: undefined,
        flags: PATH.known | PATH.directory,
      });
      for (const entry of fs.readDirectory(full)) {
        const child = directory === "" ? entry.name : `${directory}/${entry.name}`;
        if (child === ".begat" || child === ".git" || made.has(child)) continue;
        if (entry.kind === undefined)
          throw new FileTreeError("FILE_IO", `${JSON.stringify(child)} has a name that is not UTF-8`);
        if (/[\u0000-\u001f\u007f]/.test(entry.name))
          throw new FileTreeError("FILE_IO", `${JSON.stringify(child)} has a control character in its name`);
        if (entry.kind === "directory") walk(child);
        else members.push(this.#member(child, known.get(child)));
      }
      const prefix = directory === "" ? "" : `${directory}/`;
      const holdsNothing = members.slice(place + 1).every((member) => (member.flags & PATH.scaffold) !== 0);
      if (made.size === 0 || !holdsNothing || ![...made].some((output) => output.startsWith(prefix))) return;
      const scaffold = members[place] as Member;
      members[place] = { ...scaffold, flags: scaffold.flags | PATH.scaffold };
    };
    walk(name);
    members.sort((a, b) => compareUtf8(a.path, b.path));
    const parts = members.filter((member) => (member.flags & PATH.scaffold) === 0);
    const lines = parts.map((member) => `${member.path}\0${member.digest?.hash ?? ""}\0${member.flags}`).join("\0\0");
    const changed = this.#state.setDigest(path, { hash: sha256(lines), sizeBytes: members.length }, PATH.tree);
    this.#state.setMembers(path, members);
    return changed;
  }

  #member(child: string, before: Member | undefined): Member {
    const { fs } = this.#checkout;
    const full = this.#checkout.absolute(child);
    const found = fs.lstat(full);
    if (found?.kind === "symlink") {
      const target = fs.readLink(full);
      const resolves = fs.stat(full)?.kind;
      // A link that stays where it is declared travels as a link; one that leads out travels as what it leads to.
      const leaves = target.startsWith("/") || target.split("/").includes("..");
      if (!leaves || resolves !== "file") {
        const signature = new Float64Array(STAT_NUMBERS);
        memberSignature(this.#checkout, child, PATH.symlink, signature);
        return { path: child, signature, digest: digestOf(target), flags: PATH.known | PATH.symlink };
      }
    } else if (found?.kind !== "file") {
      throw new FileTreeError("FILE_IO", `${child} is neither file, directory nor symlink`);
    }
    const numbers = this.#stat(full);
    if (before?.digest && numbers && sameNumbers(before.signature, numbers)) return before;
    const read = this.#readStable(full);
    if (read === undefined) throw new FileTreeError("FILE_IO", `${child} changed ${TRIES} times while it was read`);
    return {
      path: child,
      signature: read.racy ? new Float64Array(STAT_NUMBERS).fill(-1) : read.numbers,
      digest: read.digest,
      flags: PATH.known | (read.executable ? PATH.executable : 0),
    };
  }
}

interface StableRead {
  readonly digest: Digest;
  readonly numbers: Float64Array;
  readonly executable: boolean;
  readonly racy: boolean;
}

function stableRead(digest: Digest, numbers: Float64Array, fileClock: number): StableRead {
  const racy = (numbers[2] as number) > fileClock - RACY_WINDOW_MS;
  return { digest, numbers, executable: ((numbers[4] as number) & 0o100) !== 0, racy };
}

export function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  return a.every((n, i) => n === b[i]);
}

function unstable(name: string): InputProblem {
  return { path: name, code: "INPUT_UNSTABLE", message: `${name} changed ${TRIES} times while it was read` };
}

function unreadable(name: string, error: unknown): InputProblem {
  if (error instanceof FileTreeError && error.code === "FILE_ACCESS_DENIED")
    return { path: name, code: "INPUT_UNREADABLE", message: `${name} may not be read: permission denied` };
  if (error instanceof FileTreeError && error.code === "FILE_NOT_DIRECTORY") {
    return {
      path: name,
      code: "INPUT_NOT_DIRECTORY",
      message: `${name}/ is declared as a tree, but there is no such directory`,
    };
  }
  return { path: name, code: "INPUT_UNUSABLE", message: explain(error) };
}

function kindProblem(name: string, kind: string | undefined, checkout: Checkout): InputProblem {
  if (kind === "directory") {
    return {
      path: name,
      code: "INPUT_IS_DIRECTORY",
      message: `${name} is a directory; ${name}/ declares all that is in it`,
    };
  }
  const link = checkout.fs.lstat(checkout.absolute(name))?.kind === "symlink";
  if (kind === undefined) {
    const message = link ? `${name} is a symlink that leads nowhere` : `${name} does not exist, and no dictum makes it`;
    return { path: name, code: "INPUT_MISSING", message };
  }
  return { path: name, code: "INPUT_UNUSABLE", message: `${name} is a device, socket or FIFO` };
}
