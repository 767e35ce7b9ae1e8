// Makes a ledger of N executions, every one of them signed, chained and in the tree, and the index of questions over it.
//
//   make-history <state home> <cache home> <N>
//   prints {"records":...,"ledgerBytes":...,"indexBytes":...,"reindexMs":...,"reindexCpuMs":...}
//
// Records are encoded and signed as everywhere, but put into the file in bulk and unsynced: through the door a million of
// them would write some 15 GB of write-ahead log. `ledger verify` tells no difference (tried below at a small size).

import { statSync } from "node:fs";
import { argv, stdout } from "node:process";
import BetterSqlite from "better-sqlite3";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { manifestReferences } from "../../src/protocol/index.ts";
import {
  encodeRecord,
  foldHashes,
  ledgerFileSource,
  openLedger,
  openProvIndex,
  TILE_WIDTH,
} from "../../src/provenance/index.ts";
import { historyEntries } from "../../test/support/generated-history.ts";

const [stateHome = "", cacheHome = "", count = "0"] = argv.slice(2);
const places = { stateHome, cacheHome, files: new NodeFileTree(), clock: new NodeClock(), random: new KernelRandom() };

/** Puts the executions behind the genesis record, and keeps the subtrees they complete. */
function fill(path: string, origin: string, genesis: string, entries: ReturnType<typeof historyEntries>): void {
  const database = new BetterSqlite(path);
  // The index over manifests grows everywhere at once: kept in memory until it is whole.
  for (const pragma of ["cache_size = -1500000", "journal_mode = OFF", "synchronous = OFF"]) database.pragma(pragma);
  const record = database.prepare("INSERT INTO record (seq, bytes, leaf) VALUES (?, ?, ?)");
  const manifest = database.prepare("INSERT OR IGNORE INTO manifest (hash, bytes) VALUES (?, ?)");
  const subtree = database.prepare("INSERT INTO subtree (level, n, hash) VALUES (?, ?, ?)");
  database.exec("BEGIN");
  const levels: Uint8Array[][] = [[Buffer.from(genesis, "hex")]];
  const placed = new Set<string>();
  let prev = genesis;
  let seq = 1;
  for (const { body, manifests } of entries) {
    const encoded = encodeRecord(body, { log: origin, seq, prev: prev as never, atMs: 1_767_225_601_000 + seq });
    const leaf = Buffer.from(encoded.leaf, "hex");
    record.run(seq, encoded.bytes, leaf);
    for (const { hash, bytes } of manifests) {
      if (placed.has(hash)) continue;
      manifest.run(Buffer.from(hash, "hex"), bytes);
      // The last ones only: what is shared comes again soon.
      if (placed.size > 1_000) placed.clear();
      placed.add(hash);
    }
    let up: Uint8Array = leaf;
    let at = seq;
    for (let level = 0; ; level++) {
      levels[level] ??= [];
      const tile = levels[level] as Uint8Array[];
      tile.push(up);
      if (tile.length < TILE_WIDTH) break;
      up = foldHashes(tile);
      at = (at + 1) / TILE_WIDTH - 1;
      subtree.run(level + 1, at, up);
      levels[level] = [];
    }
    prev = encoded.leaf;
    seq++;
  }
  database.exec("COMMIT");
  database.pragma("journal_mode = WAL");
  database.close();
}

const made = await openLedger(places);
const { origin, identity, path } = made;
const signer = made.signer();
made.close();
fill(path, origin, identity, historyEntries({ origin, firstSeq: 1, signer }, Number(count)));

const ledger = await openLedger(places);
await ledger.checkpoint();
const source = await ledgerFileSource(path, identity, ledger.size());
const before = process.cpuUsage();
const begin = performance.now();
const { index } = await openProvIndex({
  path: `${cacheHome}/prov.db`,
  source,
  references: manifestReferences,
  files: places.files,
  random: places.random,
  anew: true,
});
const reindexMs = performance.now() - begin;
const { user, system } = process.cpuUsage(before);
index.close();
source.close();
const records = ledger.size();
ledger.close();
stdout.write(
  `${JSON.stringify({
    records,
    ledgerBytes: statSync(path).size,
    indexBytes: statSync(`${cacheHome}/prov.db`).size,
    reindexMs,
    reindexCpuMs: (user + system) / 1000,
  })}\n`,
);
