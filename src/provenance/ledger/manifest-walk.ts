import { type Sha256, sha256 } from "../../base/index.ts";
import type { LedgerDatabase } from "../ledger-database.ts";

/** Manifests read together; so many of the usual few hundred bytes. */
const [FEWEST, MOST] = [4, 256];
/** What is read together should be about as long as this, whatever the manifests are. */
const AIM_BYTES = 256 * 1024;
/** Manifests kept that were not near to those around them: what many executions share. */
const SHARED = 1_024;

type Packed = [last: number | null, isSound: number, hashes: Buffer, lengths: string, bytes: Buffer];

/**
 * Gives manifests to whoever goes through the records in order, at a fifth of what looking up each costs: those of a record
 * were put in together, so that what stands behind one that was asked for is read with it. Every manifest that is given has
 * been hashed; one that is not as it should be is left to the look-up.
 */
export class ManifestWalk {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #lookUp: (hash: Sha256) => Buffer | undefined;
  /** Of those read together. */
  #near = new Map<string, Buffer>();
  #last = 0;
  #count = 16;
  readonly #shared = new Map<Sha256, Buffer>();

  /** @param lookUp Finds one by its hash, and says what is wrong with it. */
  constructor(database: LedgerDatabase, lookUp: (hash: Sha256) => Buffer | undefined) {
    this.#statements = prepare(database);
    this.#lookUp = lookUp;
  }

  manifest(hash: Sha256): Buffer | undefined {
    const shared = this.#shared.get(hash);
    if (shared !== undefined) return shared;
    const near = this.#near.get(hash) ?? this.#ahead(hash);
    if (near !== undefined && sha256(near) === hash) return near;
    const found = this.#lookUp(hash);
    if (found === undefined) return undefined;
    if (this.#shared.size === SHARED) this.#shared.clear();
    this.#shared.set(hash, found);
    return found;
  }

  /** Reads on from a manifest that stands behind those at hand. */
  #ahead(hash: Sha256): Buffer | undefined {
    const place = this.#statements.place.get(Buffer.from(hash, "hex")) as number | undefined;
    if (place === undefined || place <= this.#last) return undefined;
    const [last, isSound, hashes, lengths, bytes] = this.#statements.packed.get(place, this.#count) as Packed;
    if (last === null || isSound !== 1 || !Buffer.isBuffer(bytes)) return undefined;
    this.#near = new Map();
    this.#last = last;
    let at = 0;
    for (const [i, length] of lengths.split(",").entries()) {
      const end = at + Number(length);
      this.#near.set(hashes.toString("hex", 32 * i, 32 * (i + 1)), bytes.subarray(at, end));
      at = end;
    }
    const fitting = Math.round((this.#near.size * AIM_BYTES) / Math.max(1, at));
    this.#count = Math.min(MOST, Math.max(FEWEST, fitting));
    return this.#near.get(hash);
  }
}

function prepare(database: LedgerDatabase) {
  return {
    place: database.prepare("SELECT rowid FROM manifest WHERE hash = ?").pluck(),
    packed: database
      .prepare(
        `SELECT max(r), min(typeof(h) = 'blob' AND length(h) = 32 AND typeof(b) = 'blob'), CAST(group_concat(h, '') AS BLOB),
           group_concat(length(b)), CAST(group_concat(b, '') AS BLOB)
         FROM (SELECT rowid AS r, hash AS h, bytes AS b FROM manifest WHERE rowid >= ? ORDER BY rowid LIMIT ?)`,
      )
      .raw(),
  };
}
