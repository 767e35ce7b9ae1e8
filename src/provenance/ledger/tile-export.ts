import { BegatError, type Sha256 } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import type { Ledger } from "../ledger.ts";
import { type NoteVerifier, openNote } from "../note/note.ts";
import { entriesPath, entryBundle, TILE_WIDTH, type Tile, tilePath, tilesOf } from "../tree/tiles.ts";
import { checkpointOfNote, type SignedCheckpoint } from "./signed-checkpoint.ts";

export type ExportErrorCode =
  /** What is there already is not the beginning of this ledger; it is left as it is. */
  "EXPORT_CONFLICT" | "EXPORT_EMPTY";

export class ExportError extends BegatError<ExportErrorCode> {}

export interface TileExport {
  readonly size: number;
  readonly root: Sha256;
  /** Records that were there already. */
  readonly had: number;
  readonly files: number;
}

/** What is exported: reading, and hashes of whole tile levels. */
export interface TileSource extends Pick<Ledger, "origin" | "read" | "root"> {
  /** `count` hashes of tile level `level`, from hash `first` on. */
  tileHashes(level: number, first: number, count: number): Uint8Array[];
}

/**
 * Writes the ledger up to `checkpoint` into `directory` as static C2SP tiles: whoever can serve files can serve the ledger.
 * Tiles first, the checkpoint last: a reader never sees a size whose tiles are not there. What an earlier export wrote is
 * not written again.
 *
 * @throws {ExportError} `EXPORT_CONFLICT`; `EXPORT_EMPTY` for a checkpoint of no records. @throws {FileTreeError}
 */
export function exportTiles(
  source: TileSource,
  checkpoint: SignedCheckpoint,
  files: FileTree,
  directory: string,
  verifiers: readonly NoteVerifier[],
): TileExport {
  const { size, root, note } = checkpoint;
  if (size < 1) throw new ExportError("EXPORT_EMPTY", "a ledger without genesis has nothing to export");
  const had = sizeThere(source, size, files, directory, verifiers);
  let written = 0;
  const write = (path: string, bytes: Uint8Array | string) => {
    const full = `${directory}/${path}`;
    files.makeDirectory(full.slice(0, full.lastIndexOf("/")), 0o755);
    files.replaceFile(full, bytes, { mode: 0o644 });
    written++;
  };
  for (const tile of tilesOf(size, had)) {
    write(tilePath(tile), tileBytes(source, tile));
    if (tile.level > 0) continue;
    const first = tile.index * TILE_WIDTH;
    write(entriesPath(tile.index, tile.width), bundleBytes(source, first, first + tile.width));
  }
  files.makeDirectory(directory, 0o755);
  files.replaceFile(`${directory}/checkpoint`, note, { mode: 0o644, durable: true });
  return { size, root, had, files: written + 1 };
}

function tileBytes(source: TileSource, { level, index, width }: Tile): Uint8Array {
  return Buffer.concat(source.tileHashes(level, index * TILE_WIDTH, width));
}

function bundleBytes(source: TileSource, from: number, to: number): Uint8Array {
  return entryBundle([...source.read(from, to)].map(({ bytes }) => bytes));
}

/** Records an earlier export holds; 0 where there is none. */
function sizeThere(
  source: TileSource,
  size: number,
  files: FileTree,
  directory: string,
  verifiers: readonly NoteVerifier[],
): number {
  const kind = files.stat(directory)?.kind;
  if (kind === undefined) return 0;
  const conflict = (what: string, cause?: unknown) =>
    new ExportError("EXPORT_CONFLICT", `${directory} ${what}; nothing was written`, {
      cause,
      hint: "name a directory that is empty, or does not exist yet",
    });
  if (kind !== "directory") throw conflict("is not a directory");
  const path = `${directory}/checkpoint`;
  if (files.lstat(path) === undefined) {
    // A first export that was cut short leaves tiles and no checkpoint; they are written again.
    const strangers = files.readDirectory(directory).filter(({ name }) => name !== "tile");
    if (strangers.length === 0) return 0;
    throw conflict(`holds something else (${strangers[0]?.name})`);
  }
  let there: ReturnType<typeof checkpointOfNote>;
  try {
    const note = files.readFile(path).toString();
    openNote(note, verifiers);
    there = checkpointOfNote(note);
  } catch (cause) {
    throw conflict("holds a checkpoint that this ledger's key did not sign", cause);
  }
  if (there.origin !== source.origin) throw conflict(`holds another ledger, ${there.origin}`);
  if (there.size > size) throw conflict(`holds ${there.size} records, more than the ${size} to be exported`);
  if (source.root(there.size) !== there.root) throw conflict(`holds another history of ${there.size} records`);
  return there.size;
}
