import type { Digest, Sha256 } from "../../base/index.ts";

/**
 * Part of every key that a normalised package is kept under. To be raised with each change that gives other bytes for
 * the same package.
 */
export const NORMALISER = 1;

/** Places are relative to the image's root, without a leading slash. */
export type ListedEntry =
  | { readonly kind: "directory"; readonly place: string }
  | ({ readonly kind: "symlink"; readonly place: string; readonly target: string } & InSegment)
  | ({
      readonly kind: "file";
      readonly place: string;
      readonly sha256: Sha256;
      readonly sizeBytes: number;
      readonly executable: boolean;
      /** Its bytes stand in `files/<number>`; hard links of one package share a number. */
      readonly number: number;
    } & InSegment);

/** Where the entry's header and body stand in the package's segment; bytes. */
export interface InSegment {
  readonly offset: number;
  readonly length: number;
}

export type ListedFile = Extract<ListedEntry, { kind: "file" }>;
export type ListedLink = Extract<ListedEntry, { kind: "symlink" }>;

/** What normalising took away: a set-user-id bit, an owner other than root. */
export interface StrippedEntry {
  readonly place: string;
  /** `mode 4755`, `owner 0:42`. */
  readonly what: string;
}

/** A link that the package's postinst would ask update-alternatives for. */
export interface SuggestedLink {
  readonly place: string;
  readonly target: string;
}

/** One package, normalised: its entries sorted by the UTF-8 bytes of their places. */
export interface PackageListing {
  readonly entries: readonly ListedEntry[];
  /** Tar entries of its files and links, in the order of `entries`, without directories and without an end. */
  readonly segment: Digest;
  readonly scripts: readonly { readonly name: string; readonly sha256: string }[];
  readonly stripped: readonly StrippedEntry[];
  /** Entries left out, and why: a link that would lead to itself after /usr is merged. */
  readonly dropped: readonly StrippedEntry[];
  readonly suggested: readonly SuggestedLink[];
  /** Names of packages whose files this one may replace. */
  readonly replaces: readonly string[];
}
