import { IndexDatabase } from "./index-database.ts";
import { LeaseTable } from "./lease-table.ts";
import type { CacheIndex, OpenIndexOptions } from "./open-index.ts";
import { SqliteActionIndex } from "./sqlite-action-index.ts";
import { SqliteBlobIndex } from "./sqlite-blob-index.ts";

/** Everything that loads SQLite is reached through this one module, by `openIndex`. */
export function openSqliteIndex(path: string, options: OpenIndexOptions): CacheIndex {
  const onNotice = options.onNotice ?? (() => {});
  const db = new IndexDatabase(path, options.fs, onNotice);
  const leases = new LeaseTable(db, options.clock, options.processes);
  return {
    actions: new SqliteActionIndex(db),
    blobs: new SqliteBlobIndex(db, options.clock, () => leases.ownBegunMs(), onNotice),
    leases,
    isSound: () => db.isSound(),
    close: () => db.close(),
  };
}
