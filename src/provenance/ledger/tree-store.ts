import type { Sha256 } from "../../base/index.ts";
import { LedgerError } from "../ledger.ts";
import type { LedgerDatabase } from "../ledger-database.ts";
import { consistencyPath, inclusionPath, rootOf, type SubtreeReader } from "../tree/merkle.ts";
import { foldHashes, subtreesFromTiles, TILE_WIDTH } from "../tree/tiles.ts";

/**
 * The Merkle tree over a ledger's records. Leaf hashes stand beside the records; the roots of every full 256, 65,536... of
 * them are kept in a table of their own, so that a proof in a ledger of any length reads some hundred rows. Nothing is kept
 * in memory: another process may have appended.
 */
export class TreeStore {
  readonly reader: SubtreeReader;
  readonly #path: string;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: LedgerDatabase, path: string) {
    this.#path = path;
    this.#statements = prepare(database);
    this.reader = subtreesFromTiles((level, first, count) => this.hashes(level, first, count));
  }

  /** Hexadecimal, of the first `size` records; all of them must be there. */
  root(size: number): Sha256 {
    return Buffer.from(rootOf(size, this.reader)).toString("hex") as Sha256;
  }

  inclusion(seq: number, size: number): Uint8Array[] {
    return inclusionPath(seq, size, this.reader);
  }

  consistency(first: number, second: number): Uint8Array[] {
    return consistencyPath(first, second, this.reader);
  }

  /** Keeps the subtrees that records `from` to `to` complete, inside the transaction that appends them. */
  complete(from: number, to: number): void {
    let [before, after] = [from, to];
    for (let level = 1; after >= TILE_WIDTH; level++) {
      before = Math.floor(before / TILE_WIDTH);
      after = Math.floor(after / TILE_WIDTH);
      for (let n = before; n < after; n++) {
        this.#statements.keep.run(level, n, foldHashes(this.hashes(level - 1, n * TILE_WIDTH, TILE_WIDTH)));
      }
    }
  }

  /** `count` hashes of a tile level, from hash `first` on; level 0 are the records' leaf hashes. */
  hashes(level: number, first: number, count: number): Uint8Array[] {
    const { leaves, subtrees } = this.#statements;
    const rows = level === 0 ? leaves.all(first, first + count) : subtrees.all(level, first, first + count);
    if (rows.length === count && rows.every((row) => Buffer.isBuffer(row) && row.length === 32)) {
      return rows as Uint8Array[];
    }
    const which = `level ${level}, ${first} to ${first + count - 1}`;
    throw new LedgerError("LEDGER_TAMPERED", `ledger ${this.#path} has lost hashes of its tree (${which})`);
  }

  /** Every kept hash, in the order of levels. */
  kept(): IterableIterator<{ readonly level: number; readonly n: number; readonly hash: unknown }> {
    return this.#statements.kept.iterate() as ReturnType<TreeStore["kept"]>;
  }
}

function prepare(database: LedgerDatabase) {
  return {
    leaves: database.prepare("SELECT leaf FROM record WHERE seq >= ? AND seq < ? ORDER BY seq").pluck(),
    subtrees: database.prepare("SELECT hash FROM subtree WHERE level = ? AND n >= ? AND n < ? ORDER BY n").pluck(),
    keep: database.prepare("INSERT INTO subtree (level, n, hash) VALUES (?, ?, ?)"),
    kept: database.prepare("SELECT level, n, hash FROM subtree ORDER BY level, n"),
  };
}
