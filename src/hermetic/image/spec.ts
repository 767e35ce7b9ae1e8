import { type CanonicalValue, canonicalJson, compareUtf8, type Digest, type Sha256, sha256 } from "../../base/index.ts";
import type { ImageTree } from "../image.ts";
import { ImageError } from "../image-error.ts";
import { NORMALISER } from "./listing.ts";
import { mergedPath, parsePlace } from "./place.ts";
import type { ImageWords } from "./words.ts";

/** A package as it is pinned. */
export interface LockedPackage {
  readonly kind: "deb" | "npm";
  readonly name: string;
  readonly version: string;
  /** Debian's word, `all` for packages of every architecture; empty for npm. */
  readonly architecture: string;
  readonly sha256: Sha256;
  readonly sizeBytes: number;
  /** npm: the directory it goes to below /usr/lib/node_modules; `a/node_modules/b` for what only `a` may see. */
  readonly directory?: string;
  /** npm: asked for by name, so its programs are linked into /usr/bin. */
  readonly asked?: boolean;
}

export interface SpecFile {
  /** Relative to the image's root. */
  readonly place: string;
  readonly sha256: Sha256;
  readonly sizeBytes: number;
  readonly executable: boolean;
}

/** What an image stands on. */
export type SpecBase =
  | { readonly kind: "image"; readonly spec: ImageSpec }
  | {
      readonly kind: "oci";
      readonly manifest: Digest;
      readonly config: Digest;
      /** As the layout has them, compressed or not; lowest first. */
      readonly layers: readonly Digest[];
    };

/**
 * Everything that decides the bytes of an image, and nothing else: canonical JSON. Neither where its inputs come from
 * nor what its name is belongs to it.
 */
export interface ImageSpec {
  readonly v: 1;
  readonly normaliser: number;
  /** OCI's word: `amd64`. */
  readonly architecture: string;
  readonly base?: SpecBase;
  /** Sorted by name; npm by directory. */
  readonly packages: readonly LockedPackage[];
  /** All sorted by place. */
  readonly files: readonly SpecFile[];
  readonly links: readonly { readonly place: string; readonly target: string }[];
  readonly directories: readonly string[];
  /** `NAME=value`, sorted; without what the base has. */
  readonly env: readonly string[];
  readonly user?: string;
}

/** An input of an image's chore: a blob under a name of its own. */
export interface SpecInput {
  /** `deb/gcc_4%3a12.2.0-3_amd64.deb`, `npm/…`, `file/usr/share/x`, `base/oci/<digest>`; from the input root. */
  readonly path: string;
  readonly digest: Digest;
  readonly executable: boolean;
}

export interface SpecPins {
  readonly architecture: string;
  readonly packages: readonly LockedPackage[];
  readonly base: SpecBase | undefined;
}

/**
 * The spec of an image: a pure function of its words, its files and what they are pinned to. The order in which any of
 * them come means nothing.
 *
 * @throws {ImageError} `IMAGE_MALFORMED`, `IMAGE_FILE_CONFLICT` for two declared contents of one place.
 */
export function imageSpec(words: ImageWords, trees: readonly ImageTree[], pins: SpecPins): ImageSpec {
  const files = new Map<string, SpecFile>();
  const links = new Map<string, { readonly place: string; readonly target: string }>();
  const directories = new Set<string>();
  const claim = (place: string, same: boolean) => {
    if (!same && (files.has(place) || links.has(place))) {
      throw new ImageError("IMAGE_FILE_CONFLICT", `two contents are declared for /${place}`);
    }
  };
  const addLink = (place: string, target: string) => {
    claim(place, links.get(place)?.target === target);
    links.set(place, { place, target });
  };
  for (const tree of trees) {
    for (const { place: written, digest, executable } of tree.files) {
      const place = mergedPath(parsePlace(written));
      const there = files.get(place);
      claim(place, there?.sha256 === digest.hash && there.executable === executable);
      files.set(place, { place, sha256: digest.hash, sizeBytes: digest.sizeBytes, executable });
    }
    for (const { place, target } of tree.links) addLink(mergedPath(parsePlace(place)), target);
    for (const place of tree.directories) directories.add(mergedPath(parsePlace(place)));
  }
  for (const { place, target } of words.links) addLink(mergedPath(parsePlace(place)), target);
  const byPlace = (a: { readonly place: string }, b: { readonly place: string }) => compareUtf8(a.place, b.place);
  return {
    v: 1,
    normaliser: NORMALISER,
    architecture: pins.architecture,
    ...(pins.base === undefined ? {} : { base: pins.base }),
    packages: [...pins.packages].sort(
      (a, b) =>
        compareUtf8(a.kind, b.kind) ||
        compareUtf8(a.directory ?? a.name, b.directory ?? b.name) ||
        compareUtf8(a.sha256, b.sha256),
    ),
    files: [...files.values()].sort(byPlace),
    links: [...links.values()].sort(byPlace),
    directories: [...directories].filter((place) => place !== "").sort(compareUtf8),
    env: [...words.env].sort(compareUtf8),
    ...(words.user === undefined ? {} : { user: words.user }),
  };
}

export function specDigest(spec: ImageSpec): Sha256 {
  return sha256(canonicalJson(spec as unknown as CanonicalValue));
}

/** Whether there is more to the image than the base it stands on. */
export function isBaseAlone(spec: ImageSpec): boolean {
  const { packages, files, links, directories, env, user } = spec;
  const own = [packages, files, links, directories, env].some((list) => list.length > 0);
  return spec.base?.kind === "oci" && !own && user === undefined;
}

/** Everything that building the image reads, each under a name of its own, sorted by it. */
export function specInputs(spec: ImageSpec): readonly SpecInput[] {
  const inputs: SpecInput[] = [];
  const add = (path: string, hash: Sha256, sizeBytes: number, executable = false) =>
    inputs.push({ path, digest: { hash, sizeBytes }, executable });
  for (const one of spec.packages) {
    const file =
      one.kind === "deb" ? debFileName(one) : `${one.directory ?? one.name}@${one.version}`.replaceAll("/", "+");
    add(`${one.kind}/${file}`, one.sha256, one.sizeBytes);
  }
  for (const { place, sha256, sizeBytes, executable } of spec.files)
    add(`file/${place}`, sha256, sizeBytes, executable);
  if (spec.base?.kind === "oci") {
    for (const blob of [spec.base.manifest, spec.base.config, ...spec.base.layers]) {
      add(`base/oci/${blob.hash}`, blob.hash, blob.sizeBytes);
    }
  } else if (spec.base?.kind === "image") {
    for (const { path, digest, executable } of specInputs(spec.base.spec)) {
      add(`base/image/${path}`, digest.hash, digest.sizeBytes, executable);
    }
  }
  const byPath = new Map(inputs.map((input) => [input.path, input]));
  return [...byPath.values()].sort((a, b) => compareUtf8(a.path, b.path));
}

/** As archives name it: `gcc_4%3a12.2.0-3_amd64.deb`. */
export function debFileName({ name, version, architecture }: LockedPackage): string {
  return `${name}_${version.replaceAll(":", "%3a")}_${architecture}.deb`;
}

export function blobOf(one: { readonly sha256: Sha256; readonly sizeBytes: number }): Digest {
  return { hash: one.sha256, sizeBytes: one.sizeBytes };
}
