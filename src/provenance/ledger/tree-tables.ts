/** What the second version of the ledger's file adds to the first: hashes of full subtrees, signed sizes, places of control records. */
export const TREE_TABLES = `
CREATE TABLE subtree (level INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, n)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL, time TEXT NOT NULL) STRICT;
CREATE TABLE cosignature (size INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, line)) STRICT, WITHOUT ROWID;
CREATE TABLE control (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL) STRICT;
CREATE TRIGGER subtree_kept BEFORE DELETE ON subtree BEGIN SELECT raise(ABORT, 'subtrees are never removed'); END;
CREATE TRIGGER subtree_fixed BEFORE UPDATE ON subtree BEGIN SELECT raise(ABORT, 'subtrees are never changed'); END;
CREATE TRIGGER checkpoint_grows BEFORE INSERT ON checkpoint WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoint)
BEGIN SELECT raise(ABORT, 'checkpoints grow'); END;
CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN SELECT raise(ABORT, 'checkpoints are never removed'); END;
CREATE TRIGGER checkpoint_fixed BEFORE UPDATE ON checkpoint BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER cosignature_kept BEFORE DELETE ON cosignature BEGIN SELECT raise(ABORT, 'cosignatures are never removed'); END;
CREATE TRIGGER cosignature_fixed BEFORE UPDATE ON cosignature BEGIN SELECT raise(ABORT, 'cosignatures are never changed'); END;
CREATE TRIGGER control_kept BEFORE DELETE ON control BEGIN SELECT raise(ABORT, 'control records are never removed'); END;
CREATE TRIGGER control_fixed BEFORE UPDATE ON control BEGIN SELECT raise(ABORT, 'control records are never changed'); END;
`;
