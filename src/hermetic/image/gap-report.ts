import { compareUtf8 } from "../../base/index.ts";
import type { StrippedEntry, SuggestedLink } from "./listing.ts";
import type { MergedTree, ReplacedFile } from "./merged-tree.ts";
import { mergedPath } from "./place.ts";

interface OfPackage {
  readonly package: string;
}

/**
 * What an installation would have done and this image has not: for people to close, and for the image's provenance.
 * Places are relative to the root; every list is sorted.
 */
export interface GapReport {
  /** Scripts of packages that were not run. */
  readonly scripts: readonly (OfPackage & { readonly name: string; readonly sha256: string })[];
  /** Links that lead nowhere: often just what a script would have made. */
  readonly dangling: readonly { readonly place: string; readonly target: string }[];
  /** Permission bits and owners taken away. */
  readonly stripped: readonly (OfPackage & StrippedEntry)[];
  /** Entries left out. */
  readonly dropped: readonly (OfPackage & StrippedEntry)[];
  /** Files of one package that another one, or the begatfile, put its own in place of. */
  readonly replaced: readonly ReplacedFile[];
  /** Links that update-alternatives would have made, whose place is free and whose target is there. */
  readonly suggested: readonly (OfPackage & SuggestedLink)[];
}

interface ReportedPackage {
  readonly name: string;
  readonly listing: {
    readonly scripts: readonly { readonly name: string; readonly sha256: string }[];
    readonly stripped: readonly StrippedEntry[];
    readonly dropped: readonly StrippedEntry[];
    readonly suggested: readonly SuggestedLink[];
  };
}

export function gapReport(packages: readonly ReportedPackage[], tree: MergedTree): GapReport {
  const ofEach = <T>(pick: (listing: ReportedPackage["listing"]) => readonly T[]) =>
    packages.flatMap(({ name, listing }) => pick(listing).map((item) => ({ package: name, ...item })));
  const suggested = ofEach(({ suggested }) => suggested).filter(
    ({ place, target }) => !tree.leadsSomewhere(mergedPath(place.slice(1))) && tree.leadsSomewhere(target.slice(1)),
  );
  return {
    scripts: ofEach(({ scripts }) => scripts).sort(by(({ package: name, name: script }) => [name, script])),
    dangling: tree.dangling(),
    stripped: ofEach(({ stripped }) => stripped).sort(by(({ package: name, place, what }) => [name, place, what])),
    dropped: ofEach(({ dropped }) => dropped).sort(by(({ package: name, place, what }) => [name, place, what])),
    replaced: [...tree.replaced].sort(by(({ place, by: winner }) => [place, winner])),
    suggested: suggested.sort(by(({ place, package: name }) => [place, name])),
  };
}

export const NO_GAPS: GapReport = {
  scripts: [],
  dangling: [],
  stripped: [],
  dropped: [],
  replaced: [],
  suggested: [],
};

function by<T>(key: (item: T) => readonly string[]): (a: T, b: T) => number {
  return (a, b) => {
    const x = key(a);
    const y = key(b);
    for (let i = 0; i < x.length; i++) {
      const order = compareUtf8(x[i] as string, y[i] as string);
      if (order !== 0) return order;
    }
    return 0;
  };
}
