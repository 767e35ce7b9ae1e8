/** Raised with each change of a table; a file of another version is made anew, never migrated. */
export const PROV_INDEX_VERSION = 4;

/** "BGPV" */
export const PROV_APPLICATION_ID = 0x42475056;

/** Tables of two numbers; looked up by the first. */
export const PAIR_TABLES = [
  /** Executions of an action, of a chore (failures too), of what has this input root. */
  { name: "of_action", from: "action", to: "seq" },
  { name: "of_chore", from: "chore", to: "seq" },
  { name: "of_root", from: "root", to: "seq" },
  /** Who made a digest; what an execution made; chores that made something at a path. */
  { name: "made", from: "artifact", to: "seq" },
  { name: "output", from: "seq", to: "artifact" },
  { name: "makes", from: "path", to: "chore" },
  /** In which directories and trees a file or directory is; which files a tree has. */
  { name: "holds", from: "inside", to: "outside" },
  { name: "tree_file", from: "tree", to: "artifact" },
  { name: "ingested", from: "artifact", to: "seq" },
  { name: "challenged", from: "travail", to: "seq" },
  /** Rekor leaves that attest a statement. */
  { name: "attested", from: "statement", to: "seq" },
  /** Hits that took a travail's result for another action. */
  { name: "kept", from: "travail", to: "seq" },
] as const;

/**
 * Digests are their first 48 bits: an integer column is a third of the size and an index over it twice as quick to make.
 * That two digests share them costs a look into the ledger, where the answer is found anyway.
 */
export const TABLES = `
CREATE TABLE position (ledger BLOB NOT NULL, size INTEGER NOT NULL, head BLOB NOT NULL,
  manifests INTEGER NOT NULL, last_manifest BLOB) STRICT;
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE execution (seq INTEGER PRIMARY KEY, image INTEGER NOT NULL, rnode INTEGER NOT NULL, key INTEGER NOT NULL,
  traits INTEGER NOT NULL) STRICT;
CREATE TABLE build (name TEXT NOT NULL, seq INTEGER NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (name, seq)) STRICT;
${PAIR_TABLES.map(({ name, from, to }) => `CREATE TABLE ${name} (${from} INTEGER NOT NULL, ${to} INTEGER NOT NULL, PRIMARY KEY (${from}, ${to})) STRICT, WITHOUT ROWID;`).join("\n")}
PRAGMA application_id = ${PROV_APPLICATION_ID};
PRAGMA user_version = ${PROV_INDEX_VERSION};
`;

/** Bits of `execution.traits`. */
export const TRAIT = {
  /** A `fail` record. */
  failed: 1,
  /** The sandbox showed it nothing but what its record lists. */
  complete: 2,
  /** It made properties. */
  properties: 4,
} as const;
