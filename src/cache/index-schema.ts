/** Written as `PRAGMA user_version`. A file of any other version is set aside, never migrated: it is derived. */
export const INDEX_VERSION = 2;

/** Documented in docs/formats.md, "index.db". */
export const INDEX_SCHEMA = `
CREATE TABLE position (
  id INTEGER PRIMARY KEY CHECK (id = 0),
  ledger BLOB NOT NULL,
  size INTEGER NOT NULL
);
CREATE TABLE executions (
  seq INTEGER PRIMARY KEY,
  action BLOB NOT NULL,
  chore TEXT NOT NULL,
  level TEXT NOT NULL,
  key BLOB NOT NULL,
  outputs TEXT NOT NULL,
  properties TEXT NOT NULL,
  duration_ms REAL NOT NULL,
  finished_ms REAL NOT NULL
);
CREATE TABLE quarantined (
  seq INTEGER PRIMARY KEY
);
CREATE INDEX executions_action ON executions (action);
CREATE INDEX executions_chore ON executions (chore);
CREATE TABLE outputs (
  hash BLOB NOT NULL,
  seq INTEGER NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (hash, seq, path)
) WITHOUT ROWID;
CREATE INDEX outputs_path ON outputs (path, seq);
CREATE TABLE blobs (
  hash BLOB PRIMARY KEY,
  size INTEGER,
  last_used_ms REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE leases (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pid INTEGER NOT NULL,
  started INTEGER NOT NULL,
  begun_ms REAL NOT NULL
);
CREATE TABLE lease_blobs (
  lease INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (lease, hash)
) WITHOUT ROWID;
PRAGMA user_version = ${INDEX_VERSION};
`;
