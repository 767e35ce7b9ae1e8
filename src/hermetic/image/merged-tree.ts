import { compareUtf8, type Sha256 } from "../../base/index.ts";
import { ImageError } from "../image-error.ts";
import { parent, resolveLexically } from "./place.ts";

/** Who an entry comes from; in messages, and to know whose bytes go into the layer. */
export interface Owner {
  /** `package gcc`, `the base image`, `the begatfile`. */
  readonly shown: string;
  readonly rank: "base" | "package" | "declared";
  /** Names of packages whose files this owner may replace. */
  readonly replaces?: readonly string[];
  /** A package's name. */
  readonly name?: string;
}

export type MergedEntry = { readonly place: string; readonly owner: Owner } & (
  | { readonly kind: "directory" }
  | { readonly kind: "symlink"; readonly target: string }
  | {
      readonly kind: "file";
      /** Absent for files of a base image, which are not compared. */
      readonly sha256?: Sha256;
      readonly sizeBytes: number;
      readonly executable: boolean;
      /** Absolute: where its bytes stand on this machine. */
      readonly from: string;
    }
);

export interface ReplacedFile {
  readonly place: string;
  readonly by: string;
  readonly instead: string;
}

/** Follows at most this many links on one path, as Linux does. */
const LINK_LIMIT = 40;

/**
 * The files of an image, put together from a base, packages and what the begatfile declares, in this order. Two
 * packages may share a file only if it is the same one, or if one says that it replaces the other's; what a begatfile
 * declares stands in place of a package's.
 */
export class MergedTree {
  readonly replaced: ReplacedFile[] = [];
  readonly #entries = new Map<string, MergedEntry>();

  get(place: string): MergedEntry | undefined {
    return this.#entries.get(place);
  }

  /** Sorted by the UTF-8 bytes of the places: parents come first. */
  sorted(): readonly MergedEntry[] {
    return [...this.#entries.values()].sort((a, b) => compareUtf8(a.place, b.place));
  }

  /**
   * Adds an entry, and the directories above it; answers where it stands, which differs from its place where links of
   * a base image are on the way.
   *
   * @throws {ImageError} `IMAGE_FILE_CONFLICT`.
   */
  add(entry: MergedEntry): string {
    const place = this.#follow(entry);
    const above = parent(place);
    if (above !== "" && this.#entries.get(above)?.kind !== "directory") {
      this.add({ kind: "directory", place: above, owner: entry.owner });
    }
    const there = this.#entries.get(place);
    const added = place === entry.place ? entry : { ...entry, place };
    if (there === undefined) this.#entries.set(place, added);
    else this.#settle(there, added);
    return place;
  }

  /** For a base image's layers: what stands at `place` goes, with all below it. */
  remove(place: string): void {
    this.#entries.delete(place);
    for (const other of [...this.#entries.keys()]) if (other.startsWith(`${place}/`)) this.#entries.delete(other);
  }

  /** Whether something stands at `place` once links were followed. */
  leadsSomewhere(place: string): boolean {
    return this.#resolve(place) !== undefined;
  }

  /** Links that lead nowhere, sorted. What the kernel mounts at run time counts as there. */
  dangling(): readonly { readonly place: string; readonly target: string }[] {
    const found: { place: string; target: string }[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.kind !== "symlink" || this.leadsSomewhere(entry.place)) continue;
      if (/^(dev|proc|run|sys)(\/|$)/.test(resolveLexically(parent(entry.place), entry.target))) continue;
      found.push({ place: entry.place, target: entry.target });
    }
    return found.sort((a, b) => compareUtf8(a.place, b.place));
  }

  #settle(there: MergedEntry, added: MergedEntry): void {
    const { place } = added;
    if (there.kind === "directory" && added.kind === "directory") return;
    if (there.kind === "directory" || added.kind === "directory") {
      if (there.owner.rank === "base" && added.owner.rank === "base") {
        this.remove(place);
        this.#entries.set(place, added);
        return;
      }
      throw conflict(place, `${there.owner.shown} has a ${there.kind} there, ${added.owner.shown} a ${added.kind}`);
    }
    if (isSame(there, added)) return;
    if (there.owner.rank === "base") {
      this.#entries.set(place, added);
      return;
    }
    const winner = this.#winner(there, added);
    const loser = winner === there ? added : there;
    this.#entries.set(place, winner);
    this.replaced.push({ place, by: winner.owner.shown, instead: loser.owner.shown });
  }

  #winner(there: MergedEntry, added: MergedEntry): MergedEntry {
    if (added.owner.rank === "declared" && there.owner.rank === "package") return added;
    if (mayReplace(added.owner, there.owner)) return added;
    if (mayReplace(there.owner, added.owner)) return there;
    const who = `${there.owner.shown} and ${added.owner.shown}`;
    throw conflict(added.place, there.owner === added.owner ? "it is declared twice" : `${who} differ there`);
  }

  /** The entry's place with links of a base image above it followed; links of packages lead nowhere new. */
  #follow(entry: MergedEntry): string {
    let place = entry.place;
    for (let followed = 0; followed < LINK_LIMIT; followed++) {
      const link = this.#linkAbove(place);
      if (link === undefined) return place;
      if (link.owner.rank !== "base") {
        throw conflict(entry.place, `it would be written through ${link.place}, a link of ${link.owner.shown}`);
      }
      const rest = place.slice(link.place.length + 1);
      place = resolveLexically(parent(link.place), link.target);
      place = place === "" ? rest : `${place}/${rest}`;
    }
    throw conflict(entry.place, "the links above it lead in a circle");
  }

  #linkAbove(place: string): Extract<MergedEntry, { kind: "symlink" }> | undefined {
    for (let slash = place.indexOf("/"); slash > 0; slash = place.indexOf("/", slash + 1)) {
      const entry = this.#entries.get(place.slice(0, slash));
      if (entry?.kind === "symlink") return entry;
      if (entry?.kind === "file") throw conflict(place, `${entry.place} above it is a file of ${entry.owner.shown}`);
    }
    return undefined;
  }

  #resolve(start: string): MergedEntry | undefined {
    const at: string[] = [];
    const ahead = start.split("/").reverse();
    let entry: MergedEntry | undefined;
    for (let followed = 0; ahead.length > 0; ) {
      const segment = ahead.pop() as string;
      if (segment === "" || segment === ".") continue;
      if (segment === "..") {
        at.pop();
        entry = this.#entries.get(at.join("/"));
        continue;
      }
      entry = this.#entries.get([...at, segment].join("/"));
      if (entry === undefined) return undefined;
      if (entry.kind !== "symlink") {
        at.push(segment);
        continue;
      }
      if (++followed > LINK_LIMIT) return undefined;
      if (entry.target.startsWith("/")) at.length = 0;
      ahead.push(...entry.target.split("/").reverse());
    }
    // A path that came back to the root found a directory.
    return entry ?? { kind: "directory", place: "", owner: { shown: "the image", rank: "base" } };
  }
}

function isSame(a: MergedEntry, b: MergedEntry): boolean {
  if (a.kind === "symlink") return b.kind === "symlink" && a.target === b.target;
  if (a.kind !== "file" || b.kind !== "file") return false;
  return a.sha256 !== undefined && a.sha256 === b.sha256 && a.executable === b.executable;
}

function mayReplace(owner: Owner, other: Owner): boolean {
  return other.name !== undefined && (owner.replaces?.includes(other.name) ?? false);
}

function conflict(place: string, why: string): ImageError {
  return new ImageError("IMAGE_FILE_CONFLICT", `two contents for /${place}: ${why}`);
}
