import { BegatError, type Digest, digestOf, parentOf, type WorkspacePath } from "../base/index.ts";
import {
  type BlobStore,
  BlobStoreError,
  type BulkFiles,
  LARGE_FILE_BYTES,
  type Materialisation,
} from "../cache/index.ts";
import { type Clock, STAT_NUMBERS } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";
import type { ChoreActions } from "./chore-action.ts";
import type { Plan } from "./plan.ts";
import { type CheckoutState, type Member, memberSignature, PATH } from "./state.ts";

export class OutputError extends BegatError<"OUTPUT_IN_THE_WAY"> {}

/** What became of outputs that were to be written. */
export interface Placed {
  readonly written: readonly number[];
  /** Their blobs are gone or were wrong; who made them must run again. */
  readonly lost: readonly number[];
}

/** What stands in an output's place: itself, nothing at all, or something that is not it. */
export type Standing = "in place" | "absent" | "other";

/**
 * Outputs in the checkout: whether they stand there as recorded, and writing those that do not. Files and links are
 * replaced at once; a tree is built beside and swapped in. An entry is path * 2 + (1 for a tree).
 */
export class CheckoutOutputs {
  readonly #checkout: Checkout;
  readonly #plan: Plan;
  readonly #state: CheckoutState;
  readonly #blobs: BlobStore;
  readonly #bulk: BulkFiles;
  readonly #actions: ChoreActions;
  readonly #clock: Clock;
  readonly #numbers = new Float64Array(STAT_NUMBERS);
  readonly #replaced: (path: string, movedTo: string) => void;
  #swaps = 0;

  constructor(
    checkout: Checkout,
    plan: Plan,
    state: CheckoutState,
    rooms: { readonly blobs: BlobStore; readonly bulk: BulkFiles; readonly clock: Clock },
    actions: ChoreActions,
    replaced: (path: string, movedTo: string) => void,
  ) {
    this.#checkout = checkout;
    this.#plan = plan;
    this.#state = state;
    this.#blobs = rooms.blobs;
    this.#bulk = rooms.bulk;
    this.#clock = rooms.clock;
    this.#actions = actions;
    this.#replaced = replaced;
  }

  /** By signature alone. */
  looksInPlace(entry: number): boolean {
    const path = entry >>> 1;
    const full = this.#checkout.absolute(this.#plan.path(path));
    if (!this.#state.knows(path)) return false;
    if (this.#state.is(path, "symlink")) {
      const found = this.#checkout.fs.lstat(full);
      return found?.kind === "symlink" && this.#checkout.fs.readLink(full) === this.#state.texts.get(path);
    }
    if (this.#state.is(path, "tree")) {
      const members = this.#state.members.get(path);
      return members?.every((member) => this.#memberInPlace(member)) ?? false;
    }
    return this.#checkout.fs.statInto(full, this.#numbers, 0) && this.#state.hasSignature(path, this.#numbers, 0);
  }

  #memberInPlace(member: Member): boolean {
    if (!memberSignature(this.#checkout, member.path, member.flags, this.#numbers)) return false;
    return member.signature.every((n, i) => n === this.#numbers[i]);
  }

  /** As `looksInPlace`, but a file that was only touched is read, recognised, and remembered as it is now. */
  async standing(entry: number): Promise<Standing> {
    if (this.looksInPlace(entry)) return "in place";
    const path = entry >>> 1;
    const wanted = this.#state.digest(path);
    if (wanted === undefined || this.#state.is(path, "tree") || this.#state.is(path, "symlink")) return "other";
    const full = this.#checkout.absolute(this.#plan.path(path));
    const found = this.#checkout.fs.lstat(full);
    if (found === undefined) return "absent";
    if (found.kind !== "file" || found.sizeBytes !== wanted.sizeBytes) return "other";
    if (((found.mode & 0o100) !== 0) !== this.#state.is(path, "executable")) return "other";
    const before = this.#checkout.fs.statInto(full, this.#numbers, 0) && this.#numbers.slice();
    const digest =
      found.sizeBytes < LARGE_FILE_BYTES ? digestOf(this.#checkout.fs.readFile(full)) : await this.#bulk.hash(full);
    if (digest.hash !== wanted.hash || !before) return "other";
    this.#sign(path, full);
    return "in place";
  }

  /** Whether the store has what it takes to write this output. */
  isAvailable(entry: number): boolean {
    const path = entry >>> 1;
    const digest = this.#state.digest(path);
    if (digest === undefined) return false;
    if (this.#state.is(path, "symlink")) return true;
    if (!this.#state.is(path, "tree")) return this.#blobs.has(digest);
    return this.#treeIsAvailable(digest, path);
  }

  #treeIsAvailable(digest: Digest, path: number): boolean {
    try {
      return this.#actions.listing(digest, this.#plan.path(path)).files.every((file) => this.#blobs.has(file.digest));
    } catch {
      return false;
    }
  }

  /**
   * Writes `entries` into the checkout. Throws `OutputError` before anything of a user's would be lost.
   *
   * @param absent Those in whose place nothing stood a moment ago. Should a directory have come there, the rename fails.
   */
  async place(entries: readonly number[], absent: ReadonlySet<number>): Promise<Placed> {
    const files: { entry: number; file: Materialisation }[] = [];
    const written: number[] = [];
    const lost: number[] = [];
    const parents = new Set<string>();
    for (const entry of entries) {
      const path = entry >>> 1;
      const name = this.#plan.path(path);
      const digest = this.#state.digest(path);
      if (digest === undefined) continue;
      const parent = parentOf(name);
      if (!parents.has(parent)) this.#checkout.fs.makeDirectory(this.#checkout.absolute(parents.add(parent) && parent));
      if (this.#state.is(path, "tree")) {
        if (await this.#placeTree(path, name, digest)) written.push(entry);
        else lost.push(entry);
      } else if (this.#state.is(path, "symlink")) {
        this.#placeLink(path, name);
        written.push(entry);
      } else {
        if (!absent.has(entry)) this.#clearDirectory(path, name);
        files.push({
          entry,
          file: { digest, path: this.#checkout.absolute(name), executable: this.#state.is(path, "executable") },
        });
      }
    }
    for (const entry of await this.#writeFiles(files)) lost.push(entry);
    for (const { entry, file } of files) {
      if (lost.includes(entry)) continue;
      this.#sign(entry >>> 1, file.path);
      written.push(entry);
    }
    return { written, lost };
  }

  async #writeFiles(files: readonly { entry: number; file: Materialisation }[]): Promise<number[]> {
    if (files.length === 0) return [];
    try {
      await this.#blobs.materialise(files.map(({ file }) => file));
      return [];
    } catch (error) {
      if (!isLost(error)) throw error;
    }
    // One of them is gone: find out which, one at a time.
    const lost: number[] = [];
    for (const { entry, file } of files) {
      try {
        await this.#blobs.materialise([file]);
      } catch (error) {
        if (!isLost(error)) throw error;
        lost.push(entry);
      }
    }
    return lost;
  }

  /** Makes way for a file: a tree that begat put there goes, any other directory is refused. */
  #clearDirectory(path: number, name: WorkspacePath): void {
    const { fs } = this.#checkout;
    const full = this.#checkout.absolute(name);
    if (fs.lstat(full)?.kind !== "directory") return;
    if (this.#state.removeMembers(path)) {
      const aside = this.#temporary();
      fs.rename(full, aside);
      fs.remove(aside);
      return;
    }
    throw new OutputError("OUTPUT_IN_THE_WAY", `${name} is to be a file, but a directory stands there`, {
      hint: "move the directory away, and build again",
    });
  }

  #placeLink(path: number, name: WorkspacePath): void {
    this.#clearDirectory(path, name);
    const temporary = this.#temporary();
    this.#checkout.fs.symlink(this.#state.texts.get(path) ?? "", temporary);
    this.#checkout.fs.rename(temporary, this.#checkout.absolute(name));
  }

  #temporary(): string {
    this.#checkout.fs.makeDirectory(this.#checkout.absolute(CHECKOUT.temporary));
    return this.#checkout.absolute(`${CHECKOUT.temporary}/out-${Math.floor(this.#clock.nowMs())}-${this.#swaps++}`);
  }

  /**
   * A moment of our own choosing as mtime: any write after it, even within one tick of the kernel's clock, sets
   * another, so the signature taken now is never racy.
   */
  #sign(path: number, full: string): void {
    const now = Math.floor(this.#clock.nowMs());
    this.#checkout.fs.setTimes(full, now, now);
    if (this.#checkout.fs.statInto(full, this.#numbers, 0)) this.#state.setSignature(path, this.#numbers, 0);
  }

  async #placeTree(path: number, name: WorkspacePath, digest: Digest): Promise<boolean> {
    const { fs } = this.#checkout;
    const beside = this.#temporary();
    const listing = this.#actions.listing(digest, name);
    fs.makeDirectory(beside);
    const directories = new Set<string>([""]);
    const makeParents = (below: string): void => {
      for (let slash = below.indexOf("/"); slash > 0; slash = below.indexOf("/", slash + 1))
        directories.add(below.slice(0, slash));
    };
    for (const leaf of [...listing.files, ...listing.links]) makeParents(leaf.path);
    for (const empty of listing.emptyDirectories) {
      makeParents(empty);
      directories.add(empty);
    }
    for (const directory of [...directories].sort()) if (directory !== "") fs.makeDirectory(`${beside}/${directory}`);
    try {
      await this.#blobs.materialise(
        listing.files.map((file) => ({
          digest: file.digest,
          path: `${beside}/${file.path}`,
          executable: file.executable,
        })),
      );
    } catch (error) {
      fs.remove(beside);
      if (isLost(error)) return false;
      throw error;
    }
    for (const link of listing.links) fs.symlink(link.target, `${beside}/${link.path}`);
    this.#swap(path, name, beside);
    this.#signTree(path, name, directories, listing);
    return true;
  }

  /** What stood there is kept where it is not known to be ours. */
  #swap(path: number, name: WorkspacePath, beside: string): void {
    const { fs } = this.#checkout;
    const full = this.#checkout.absolute(name);
    const found = fs.lstat(full);
    if (found !== undefined) {
      const ours = this.#state.members.has(path) || (found.kind === "directory" && fs.readDirectory(full).length === 0);
      const aside = this.#temporary();
      fs.rename(full, aside);
      fs.rename(beside, full);
      if (ours) fs.remove(aside);
      else this.#replaced(name, `${CHECKOUT.temporary}/${aside.slice(aside.lastIndexOf("/") + 1)}`);
    } else fs.rename(beside, full);
  }

  #signTree(
    path: number,
    name: WorkspacePath,
    directories: ReadonlySet<string>,
    listing: ReturnType<ChoreActions["listing"]>,
  ): void {
    const now = Math.floor(this.#clock.nowMs());
    const members: Member[] = [];
    const note = (below: string, digest: Digest | undefined, flags: number): void => {
      const place = below === "" ? name : `${name}/${below}`;
      if ((flags & PATH.symlink) === 0) this.#checkout.fs.setTimes(this.#checkout.absolute(place), now, now);
      const signature = new Float64Array(STAT_NUMBERS);
      memberSignature(this.#checkout, place, flags, signature);
      members.push({ path: place, signature, digest, flags: flags | PATH.known });
    };
    for (const file of listing.files) note(file.path, file.digest, file.executable ? PATH.executable : 0);
    for (const link of listing.links) note(link.path, digestOf(link.target), PATH.symlink);
    for (const directory of directories) note(directory, undefined, PATH.directory);
    this.#state.setMembers(path, members);
  }
}

function isLost(error: unknown): boolean {
  return (
    error instanceof BlobStoreError &&
    (error.code === "BLOB_MISSING" || error.code === "BLOB_CORRUPT" || error.code === "BLOB_MISMATCH")
  );
}
