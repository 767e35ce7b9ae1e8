import { createHash } from "node:crypto";
import { compareUtf8, type Sha256 } from "../../base/index.ts";
import type { FileSink, FileStreams, FileTree } from "../../ports/index.ts";
import { ImageError } from "../image-error.ts";
import type { SourceLimits } from "../source-limits.ts";
import { entrySegments } from "../source-tree.ts";
import type { EntryTaker, TarEntry } from "../tar-reader.ts";
import type { ListedEntry, ListedFile, ListedLink, StrippedEntry } from "./listing.ts";
import { IMAGE_TIME_S, mergedPath, movedTarget, parent, resolveLexically } from "./place.ts";

export type UnpackedEntry =
  | Extract<ListedEntry, { kind: "directory" }>
  | Omit<ListedFile, "offset" | "length">
  | Omit<ListedLink, "offset" | "length">;

/**
 * The entries of one package's archive as they come. Bodies are written to `<directory>/<number>`, so that nothing an
 * archive says is ever a path on this machine; links and directories exist in memory only.
 */
export class PackageTree {
  readonly stripped: StrippedEntry[] = [];
  readonly dropped: StrippedEntry[] = [];
  readonly #fs: FileTree;
  readonly #streams: FileStreams;
  readonly #directory: string;
  readonly #limits: SourceLimits;
  readonly #rename: (segments: readonly string[]) => readonly string[];
  readonly #entries = new Map<string, UnpackedEntry>();
  #files = 0;
  #sink: FileSink | undefined;
  #sizeBytes = 0;

  /**
   * @param directory absolute; exists, empty.
   * @param rename where an entry goes; an empty answer leaves it out.
   */
  constructor(
    fs: FileTree,
    streams: FileStreams,
    directory: string,
    limits: SourceLimits,
    rename: (segments: readonly string[]) => readonly string[] = (segments) => segments,
  ) {
    this.#fs = fs;
    this.#streams = streams;
    this.#directory = directory;
    this.#limits = limits;
    this.#rename = rename;
  }

  /** Takes one entry of the archive. */
  add(entry: TarEntry): EntryTaker {
    const shown = entry.path;
    const original = this.#rename(entrySegments(shown)).join("/");
    const place = mergedPath(original);
    if (original === "") return NOTHING;
    if (entry.type !== "symlink") this.#noteStripped(entry, place);
    switch (entry.type) {
      case "directory":
        this.#addDirectory(place, shown);
        return NOTHING;
      case "symlink":
        this.#addLink(original, place, entry.target);
        return NOTHING;
      case "link": {
        const target = mergedPath(this.#rename(entrySegments(entry.target)).join("/"));
        const linked = this.#entries.get(target);
        if (linked?.kind !== "file")
          throw refused(`hard link ${shown} leads to ${entry.target}, which is no file before it`);
        this.#add({ ...linked, place }, shown);
        return NOTHING;
      }
      case "file":
      case "contiguous-file":
        if (entry.isSparse) throw refused(`${shown} is a sparse file, which this reader does not know`);
        return this.#addFile(entry, place);
      default:
        throw refused(
          `${shown} is a ${entry.type === "unknown" ? "special file" : entry.type}, which no image can hold`,
        );
    }
  }

  /** Everything, sorted by the UTF-8 bytes of the places. */
  entries(): readonly UnpackedEntry[] {
    return [...this.#entries.values()].sort((a, b) => compareUtf8(a.place, b.place));
  }

  /** After a failure: a file may still be open. */
  abandon(): void {
    this.#sink?.close();
    this.#sink = undefined;
  }

  #addFile(entry: TarEntry, place: string): EntryTaker {
    const { sizeBytes } = entry;
    const shown = entry.path;
    if (sizeBytes > this.#limits.entryBytes) {
      const message = `${shown} has ${sizeBytes} bytes, the limit for one file is ${this.#limits.entryBytes}`;
      throw new ImageError("IMAGE_TOO_LARGE", message);
    }
    this.#sizeBytes += sizeBytes;
    if (this.#sizeBytes > this.#limits.unpackedBytes) {
      throw new ImageError("IMAGE_TOO_LARGE", `it has more than ${this.#limits.unpackedBytes} bytes at ${shown}`);
    }
    const number = this.#files++;
    const path = `${this.#directory}/${number}`;
    const executable = (entry.mode & 0o111) !== 0;
    const sink = this.#streams.create(path, executable ? 0o755 : 0o644);
    this.#sink = sink;
    const hash = createHash("sha256");
    return {
      take: (chunk) => {
        hash.update(chunk);
        sink.write(chunk);
      },
      end: () => {
        this.abandon();
        this.#fs.setTimes(path, IMAGE_TIME_S * 1000, IMAGE_TIME_S * 1000);
        const sha256 = hash.digest("hex") as Sha256;
        this.#add({ kind: "file", place, sha256, sizeBytes, executable, number }, shown);
      },
    };
  }

  #addLink(original: string, place: string, target: string): void {
    if (target === "" || /[\u0000-\u001f\u007f]/.test(target) || !target.isWellFormed()) {
      throw refused(`link ${original} has the target ${JSON.stringify(target)}`);
    }
    // A package for split and merged /usr alike ships /bin/x as a link to /usr/bin/x: in a merged one, to itself.
    if (mergedPath(resolveLexically(parent(original), target)) === place) {
      this.dropped.push({ place, what: `a link to itself once /usr is merged` });
      return;
    }
    this.#add({ kind: "symlink", place, target: movedTarget(original, place, target) }, original);
  }

  #addDirectory(place: string, shown: string): void {
    const there = this.#entries.get(place);
    if (there?.kind === "directory") return;
    this.#add({ kind: "directory", place }, shown);
  }

  #add(entry: UnpackedEntry, shown: string): void {
    const { place } = entry;
    const there = this.#entries.get(place);
    if (there !== undefined) throw refused(`${shown} stands twice`);
    const above = parent(place);
    const directory = above === "" ? undefined : this.#entries.get(above);
    if (above !== "" && directory === undefined) {
      if (above.split("/").length > this.#limits.depth) {
        throw new ImageError("IMAGE_TOO_LARGE", `${shown} is more than ${this.#limits.depth} directories deep`);
      }
      this.#addDirectory(above, shown);
    } else if (directory !== undefined && directory.kind !== "directory") {
      throw refused(`${shown} would be written through ${above}, which is a ${directory.kind}`);
    }
    if (this.#entries.size >= this.#limits.entryCount) {
      throw new ImageError("IMAGE_TOO_LARGE", `it has more than ${this.#limits.entryCount} entries at ${shown}`);
    }
    this.#entries.set(place, entry);
  }

  #noteStripped({ mode, uid, gid }: TarEntry, place: string): void {
    if ((mode & 0o7022) !== 0) this.stripped.push({ place, what: `mode ${mode.toString(8).padStart(4, "0")}` });
    if (uid !== 0 || gid !== 0) this.stripped.push({ place, what: `owner ${uid}:${gid}` });
  }
}

const NOTHING: EntryTaker = { take() {}, end() {} };

function refused(problem: string): ImageError {
  return new ImageError("IMAGE_ARCHIVE_REFUSED", problem);
}
