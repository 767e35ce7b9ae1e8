import type { Sha256 } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import { type IndexDatabase, packHash, unpackHash } from "./index-database.ts";
import type { ProcessTable } from "./process-table.ts";

/** What live leases protect from collection. */
export interface Protection {
  /** How many leases are live, whoever holds them. */
  readonly leases: number;
  /** Nothing used at or after this moment is collected; infinite when there is no lease. */
  readonly sinceMs: number;
  /** Claimed by name. */
  readonly held: ReadonlySet<Sha256>;
}

interface LeaseRow {
  readonly id: number;
  readonly pid: number;
  readonly started: number;
  readonly begun_ms: number;
}

/** Leases in `index.db`, where every process that shares the cache sees them. */
export class LeaseTable {
  readonly #db: IndexDatabase;
  readonly #clock: Clock;
  readonly #processes: ProcessTable;
  /** When each lease of this process began. */
  readonly #own = new Map<number, number>();

  constructor(db: IndexDatabase, clock: Clock, processes: ProcessTable) {
    this.#db = db;
    this.#clock = clock;
    this.#processes = processes;
  }

  /** The latest beginning among this process's leases; minus infinity without one. */
  ownBegunMs(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...this.#own.values());
  }

  begin(): number {
    const { pid, startedAt } = this.#processes.self;
    const begunMs = this.#clock.nowMs();
    const insert = () =>
      this.#db.write(() => {
        const { lastInsertRowid } = this.#db
          .statement("INSERT INTO leases (pid, started, begun_ms) VALUES (?, ?, ?)")
          .run(pid, startedAt, begunMs);
        return Number(lastInsertRowid);
      }, 0);
    // 0: the index was damaged and is new and empty now.
    const id = insert() || insert();
    this.#own.set(id, begunMs);
    return id;
  }

  hold(lease: number, hashes: readonly Sha256[]): void {
    this.#db.write(() => {
      const hold = this.#db.statement("INSERT OR IGNORE INTO lease_blobs VALUES (?, ?)");
      for (const hash of hashes) hold.run(lease, packHash(hash));
    }, undefined);
  }

  end(lease: number): void {
    this.#own.delete(lease);
    this.#db.write(() => this.#delete(lease), undefined);
  }

  /** What is protected at this moment. Forgets the leases of processes that are gone. */
  protection(): Protection {
    const nothing: Protection = { leases: 0, sinceMs: Number.POSITIVE_INFINITY, held: new Set() };
    return this.#db.write(() => {
      const leases = this.#db.statement("SELECT * FROM leases").all() as LeaseRow[];
      const live = leases.filter((lease) => this.#processes.isAlive({ pid: lease.pid, startedAt: lease.started }));
      for (const lease of leases) if (!live.includes(lease)) this.#delete(lease.id);
      // An index made anew has lost the leases that claims written since then belong to.
      this.#db.statement("DELETE FROM lease_blobs WHERE lease NOT IN (SELECT id FROM leases)").run();
      const held = this.#db.statement("SELECT hash FROM lease_blobs").all() as { hash: Buffer }[];
      return {
        leases: live.length,
        sinceMs: Math.min(Number.POSITIVE_INFINITY, ...live.map((lease) => lease.begun_ms)),
        held: new Set(held.map((row) => unpackHash(row.hash))),
      };
    }, nothing);
  }

  #delete(lease: number): void {
    this.#db.statement("DELETE FROM leases WHERE id = ?").run(lease);
    this.#db.statement("DELETE FROM lease_blobs WHERE lease = ?").run(lease);
  }
}
