import { canonicalJson, compareUtf8, type Digest, explain, parseCanonicalJson, sha256Of } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams, FileTree } from "../../ports/index.ts";
import { readControl, readDebFile } from "../debian/deb-file.ts";
import { parseRelations } from "../debian/relation.ts";
import type { DecompressionTools } from "../decompression.ts";
import { ImageError } from "../image-error.ts";
import { SourceError } from "../source.ts";
import type { SourceLimits } from "../source-limits.ts";
import { readTar } from "../tar-reader.ts";
import { suggestedLinks } from "./alternatives.ts";
import { type ListedEntry, NORMALISER, type PackageListing } from "./listing.ts";
import { programsOf } from "./npm-programs.ts";
import { PackageTree, type UnpackedEntry } from "./package-tree.ts";
import { resolveLexically } from "./place.ts";
import { SegmentWriter } from "./segment-writer.ts";

/** A package to be unpacked, by its blob. */
export interface PackageBlob {
  /** For messages: `gcc 4:12.2.0-3`. */
  readonly shown: string;
  readonly kind: "deb" | "npm";
  readonly digest: Digest;
  /** npm: the directory its files go to, from the image's root. */
  readonly prefix?: string;
}

/** A package that stands unpacked. */
export interface StandingPackage {
  readonly listing: PackageListing;
  /** Absolute; file `number` of the listing is `<files>/<number>`. */
  readonly files: string;
}

export interface PackageStoreOptions {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
  readonly tools: DecompressionTools;
  readonly limits: SourceLimits;
  /** Absolute: `<cacheHome>/images/packages`. */
  readonly home: string;
  /** A new absolute name for something not yet finished, on the same file system as `home`. */
  temporary(): string;
}

/**
 * Packages unpacked and normalised, one directory for each: `files/` and `listing.json`. A directory becomes visible
 * by rename, when it is complete. Its segment is a blob of the store; where that was evicted, the package is unpacked
 * again.
 */
export class PackageStore {
  readonly #options: PackageStoreOptions;

  constructor(options: PackageStoreOptions) {
    this.#options = options;
  }

  /** The package if it stands, segment and all. */
  standing(blob: PackageBlob): StandingPackage | undefined {
    const { fs, blobs } = this.#options;
    const place = this.#place(blob);
    const listing = readListing(fs, `${place}/listing.json`);
    if (listing === undefined || !blobs.has(listing.segment)) return undefined;
    return { listing, files: `${place}/files` };
  }

  /**
   * The package, unpacked now unless it stands already. Its blob must be in the store.
   *
   * @throws {ImageError} `IMAGE_ARCHIVE_REFUSED`, `IMAGE_TOO_LARGE`, `IMAGE_TOOL_MISSING`.
   */
  async stand(blob: PackageBlob, signal: AbortSignal): Promise<StandingPackage> {
    const standing = this.standing(blob);
    if (standing !== undefined) return standing;
    const { fs } = this.#options;
    const place = this.#place(blob);
    const temporary = this.#options.temporary();
    fs.makeDirectory(`${temporary}/files`, 0o755);
    try {
      const listing = await this.#unpack(blob, temporary, signal);
      fs.writeFile(`${temporary}/listing.json`, canonicalJson(listing as never), { mode: 0o644 });
      fs.makeDirectory(this.#options.home, 0o755);
      // Whoever was first is as good as we are; what lacks its segment is not.
      if (this.standing(blob) === undefined) {
        if (fs.lstat(place) !== undefined) fs.rename(place, `${temporary}/replaced`);
        fs.rename(temporary, place);
        fs.remove(`${place}/replaced`);
      }
      return { listing, files: `${place}/files` };
    } catch (cause) {
      throw failure(blob, cause);
    } finally {
      fs.remove(temporary);
    }
  }

  /** Name of the package's directory. */
  key(blob: PackageBlob): string {
    return sha256Of(`begat image package\n${NORMALISER}\n${blob.kind}\n${blob.prefix ?? ""}\n${blob.digest.hash}\n`);
  }

  #place(blob: PackageBlob): string {
    return `${this.#options.home}/${this.key(blob)}`;
  }

  async #unpack(blob: PackageBlob, temporary: string, signal: AbortSignal): Promise<PackageListing> {
    const { fs, streams, blobs, tools, limits } = this.#options;
    const bytes = blobs.read(blob.digest);
    const deb = blob.kind === "deb" ? readDebFile(bytes) : undefined;
    const control = deb === undefined ? undefined : await readControl(deb, tools, signal);
    const prefix = blob.prefix?.split("/") ?? [];
    const tree = new PackageTree(fs, streams, `${temporary}/files`, limits, (segments) =>
      // npm drops the first segment, whatever it is, and what has no other.
      blob.kind === "deb" ? segments : segments.length < 2 ? [] : [...prefix, ...segments.slice(1)],
    );
    try {
      if (!(await readTar(deb?.data ?? bytes, tools, (entry) => tree.add(entry), signal))) {
        throw new ImageError("IMAGE_ARCHIVE_REFUSED", "its files are in no tar archive");
      }
    } finally {
      tree.abandon();
    }
    const unpacked = blob.kind === "npm" ? this.#withPrograms(tree.entries(), blob, temporary) : tree.entries();
    const { entries, segment } = await this.#writeSegment(unpacked, temporary);
    const scripts = control?.scripts ?? [];
    return {
      entries,
      segment,
      scripts: scripts.map(({ name, sha256 }) => ({ name, sha256 })),
      stripped: tree.stripped,
      dropped: tree.dropped,
      suggested: scripts.filter(({ name }) => name === "postinst").flatMap(({ text }) => suggestedLinks(text)),
      replaces: parseRelations(control?.fields.get("replaces"))
        .flat()
        .map(({ name }) => name)
        .sort(compareUtf8),
    };
  }

  /** Programs of an npm package may be executed whatever its archive says: npm makes them so too. */
  #withPrograms(entries: readonly UnpackedEntry[], blob: PackageBlob, temporary: string): readonly UnpackedEntry[] {
    const { fs } = this.#options;
    const home = blob.prefix ?? "";
    const manifest = entries.find(({ kind, place }) => kind === "file" && place === `${home}/package.json`);
    if (manifest?.kind !== "file") return entries;
    const programs = programsOf(fs.readFile(`${temporary}/files/${manifest.number}`), "");
    const places = new Set(programs.map(([, path]) => resolveLexically(home, path)));
    return entries.map((entry) => {
      if (entry.kind !== "file" || entry.executable || !places.has(entry.place)) return entry;
      fs.setMode(`${temporary}/files/${entry.number}`, 0o755);
      return { ...entry, executable: true };
    });
  }

  async #writeSegment(
    unpacked: readonly UnpackedEntry[],
    temporary: string,
  ): Promise<{ readonly entries: readonly ListedEntry[]; readonly segment: Digest }> {
    const writer = new SegmentWriter(this.#options.streams, `${temporary}/segment`);
    const entries: ListedEntry[] = [];
    try {
      for (const entry of unpacked) {
        if (entry.kind === "directory") entries.push(entry);
        else if (entry.kind === "symlink")
          entries.push({ ...entry, ...(await writer.symlink(entry.place, entry.target)) });
        else {
          const from = `${temporary}/files/${entry.number}`;
          const where = await writer.file(entry.place, from, entry.sizeBytes, entry.executable);
          entries.push({ ...entry, ...where });
        }
      }
    } catch (error) {
      writer.abandon();
      throw error;
    }
    return { entries, segment: await writer.finish(this.#options.blobs) };
  }
}

function readListing(fs: FileTree, path: string): PackageListing | undefined {
  if (fs.stat(path)?.kind !== "file") return undefined;
  try {
    return parseCanonicalJson(fs.readFile(path)) as unknown as PackageListing;
  } catch {
    // A listing that cannot be read is none: the package is unpacked again.
    return undefined;
  }
}

/** What went wrong with the package, under the codes of images. */
function failure(blob: PackageBlob, cause: unknown): unknown {
  const about = `package ${blob.shown} cannot be unpacked`;
  if (cause instanceof ImageError) return new ImageError(cause.code, about, { cause, hint: cause.hint });
  if (!(cause instanceof SourceError)) return cause;
  const code = cause.code === "SOURCE_TOOL_MISSING" ? "IMAGE_TOOL_MISSING" : "IMAGE_ARCHIVE_REFUSED";
  return new ImageError(code, `${about}: ${explain(cause)}`, { cause: undefined, hint: cause.hint });
}
