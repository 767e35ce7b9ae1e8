import { type Digest, type Sha256, sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams, FileTree } from "../../ports/index.ts";
import type { ImageFile } from "../image.ts";
import { ImageError } from "../image-error.ts";
import { caBundle } from "./ca-bundle.ts";
import { type GapReport, gapReport } from "./gap-report.ts";
import { type LayerPlan, layerOf, piecesOf } from "./layer.ts";
import { type MergedEntry, MergedTree, type Owner } from "./merged-tree.ts";
import { npmPrograms } from "./npm-programs.ts";
import type { StandingPackage } from "./package-store.ts";
import { IMAGE_TIME_S } from "./place.ts";
import { SegmentWriter } from "./segment-writer.ts";
import {
  OPTIONAL_MERGED,
  SHARED_DIRECTORIES,
  SKELETON_DIRECTORIES,
  SKELETON_FILES,
  SKELETON_LINKS,
} from "./skeleton.ts";
import { blobOf, type ImageSpec, type LockedPackage } from "./spec.ts";

export interface AssemblyRooms {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
  /** Absolute; an empty directory for what is this image's own, on the file system of the cache home. */
  readonly scratch: string;
}

export interface Assembly {
  readonly tree: MergedTree;
  /** This image's own layer; those of its base come before it. */
  readonly layer: LayerPlan;
  readonly report: GapReport;
}

const BASE: Owner = { shown: "the base layer", rank: "base" };
const NPM_LINKS: Owner = { shown: "the links to npm's programs", rank: "package" };
const BUNDLE: Owner = { shown: "the bundle of certificates", rank: "package" };
const DECLARED: Owner = { shown: "the begatfile", rank: "declared" };

/**
 * Puts an image together from packages that stand and files that are known by digest. Nothing here depends on the order
 * in which packages are given, on the time, or on this machine.
 *
 * @param base Entries of the image it stands on; absent for one that stands on none.
 * @throws {ImageError} `IMAGE_FILE_CONFLICT`, `IMAGE_DIGEST_MISMATCH`.
 */
export async function assemble(
  spec: ImageSpec,
  packages: readonly { readonly locked: LockedPackage; readonly standing: StandingPackage }[],
  files: ReadonlyMap<Sha256, ImageFile>,
  base: readonly MergedEntry[] | undefined,
  rooms: AssemblyRooms,
): Promise<Assembly> {
  const tree = new MergedTree();
  const own = new OwnFiles(rooms);
  for (const entry of base ?? []) tree.add(entry);
  if (base === undefined) addSkeleton(tree, own);
  const owners = packages.map(({ locked, standing }) => {
    const owner = ownerOf(locked, standing);
    for (const entry of standing.listing.entries) {
      if (entry.kind !== "file") tree.add({ ...entry, owner });
      else tree.add({ ...entry, from: `${standing.files}/${entry.number}`, owner });
    }
    return owner;
  });
  if (base === undefined) {
    for (const name of OPTIONAL_MERGED) {
      if (tree.get(`usr/${name}`)?.kind === "directory") {
        tree.add({ kind: "symlink", place: name, target: `usr/${name}`, owner: BASE });
      }
    }
  }
  for (const { place, target } of npmPrograms(rooms.fs, packages)) {
    tree.add({ kind: "symlink", place, target, owner: NPM_LINKS });
  }
  const bundle = caBundle(rooms.fs, tree);
  if (bundle !== undefined) tree.add({ ...own.bytes(bundle.place, bundle.bytes), owner: BUNDLE });
  for (const place of spec.directories) tree.add({ kind: "directory", place, owner: DECLARED });
  for (const file of spec.files) tree.add(await own.copy(file, files));
  for (const { place, target } of spec.links) tree.add({ kind: "symlink", place, target, owner: DECLARED });

  const fromBase = new Set(base);
  const ofPackages = new Set(owners);
  const segment = await own.writeSegment(
    tree
      .sorted()
      .filter((entry) => !fromBase.has(entry) && (entry.kind === "directory" || !ofPackages.has(entry.owner))),
  );
  const pieces = packages.map(({ standing }, index) =>
    piecesOf(standing.listing, (place) => tree.get(place)?.owner === owners[index]),
  );
  const listed = packages.map(({ locked, standing }) => ({ name: locked.name, listing: standing.listing }));
  return { tree, layer: layerOf(segment, pieces), report: gapReport(listed, tree) };
}

function ownerOf(locked: LockedPackage, standing: StandingPackage): Owner {
  const { name, version, kind } = locked;
  return {
    shown: kind === "deb" ? `package ${name}` : `npm package ${name}@${version}`,
    rank: "package",
    name,
    replaces: standing.listing.replaces,
  };
}

function addSkeleton(tree: MergedTree, own: OwnFiles): void {
  for (const place of SKELETON_DIRECTORIES) tree.add({ kind: "directory", place, owner: BASE });
  for (const link of SKELETON_LINKS) tree.add({ kind: "symlink", ...link, owner: BASE });
  for (const { place, text } of SKELETON_FILES) tree.add({ ...own.bytes(place, Buffer.from(text)), owner: BASE });
}

/** The files that come from no package: written once, for the root to link to and the layer to read. */
class OwnFiles {
  readonly #rooms: AssemblyRooms;
  #count = 0;

  constructor(rooms: AssemblyRooms) {
    this.#rooms = rooms;
  }

  bytes(place: string, bytes: Uint8Array): MergedEntry & { kind: "file" } {
    const from = this.#next();
    this.#rooms.fs.writeFile(from, bytes, { mode: 0o644, exclusive: true });
    this.#settle(from, false);
    const sizeBytes = bytes.length;
    return { kind: "file", place, sha256: sha256(bytes), sizeBytes, executable: false, from, owner: DECLARED };
  }

  async copy(
    file: { readonly place: string; readonly sha256: Sha256; readonly sizeBytes: number; readonly executable: boolean },
    files: ReadonlyMap<Sha256, ImageFile>,
  ): Promise<MergedEntry & { kind: "file" }> {
    const { fs, blobs } = this.#rooms;
    const digest = blobOf(file);
    const source = files.get(file.sha256)?.from;
    if (source !== undefined && "file" in source && !blobs.has(digest)) {
      const found: Digest = await blobs.ingest(source.file, { take: false });
      if (found.hash !== digest.hash) {
        const message = `${source.file} has digest ${found.hash}, and ${digest.hash} was to go into the image`;
        throw new ImageError("IMAGE_DIGEST_MISMATCH", message, { hint: "it changed meanwhile; build again" });
      }
    }
    const from = this.#next();
    await blobs.materialise([{ digest, path: from, executable: file.executable }]);
    this.#settle(from, file.executable);
    fs.setTimes(from, IMAGE_TIME_S * 1000, IMAGE_TIME_S * 1000);
    return { kind: "file", ...file, from, owner: DECLARED };
  }

  /** All directories first, then files and links; each sorted by the UTF-8 bytes of its place. */
  async writeSegment(entries: readonly MergedEntry[]): Promise<Digest> {
    const writer = new SegmentWriter(this.#rooms.streams, `${this.#rooms.scratch}/segment`);
    try {
      for (const { kind, place } of entries) {
        if (kind === "directory") await writer.directory(place, SHARED_DIRECTORIES.has(place) ? 0o1777 : 0o755);
      }
      for (const entry of entries) {
        if (entry.kind === "symlink") await writer.symlink(entry.place, entry.target);
        else if (entry.kind === "file") {
          await writer.file(entry.place, entry.from, entry.sizeBytes, entry.executable);
        }
      }
    } catch (error) {
      writer.abandon();
      throw error;
    }
    return writer.finish(this.#rooms.blobs);
  }

  #next(): string {
    return `${this.#rooms.scratch}/own-${this.#count++}`;
  }

  #settle(path: string, executable: boolean): void {
    const { fs } = this.#rooms;
    fs.setMode(path, executable ? 0o755 : 0o644);
    fs.setTimes(path, IMAGE_TIME_S * 1000, IMAGE_TIME_S * 1000);
  }
}
