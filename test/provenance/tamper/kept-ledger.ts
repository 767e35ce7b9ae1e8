import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Sha256 } from "../../../src/base/index.ts";
import { KernelRandom } from "../../../src/platform/index.ts";
import {
  cosign,
  type Entry,
  exportTiles,
  importPin,
  loadSigner,
  logVerifiers,
  provePossession,
  readKeyHistory,
  type Signer,
  type SqliteLedger,
  secondPinPath,
  signControl,
  signerFromSeed,
} from "../../../src/provenance/index.ts";
import { afterThisFile } from "../../support/leftovers.ts";
import { sketchChore } from "../../support/recorded-chore.ts";
import { fastPlace } from "../../support/scratch-directory.ts";
import { files, newStateHome, open, record } from "../state-home.ts";

/** Pages of the least size SQLite knows: hardly a byte of the file is one that means nothing. */
const PAGE_BYTES = 512;

export const ingest = (name: string): Entry => ({
  body: { kind: "ingest", name, uri: `url:${name}`, version: "1", files: [], by: "test" },
  manifests: [],
});

const witnessSigner = (): Signer => {
  const made = signerFromSeed(Buffer.alloc(32, 77), "rnode");
  return { ...made, entry: { ...made.entry, role: "witness" } };
};

/** A directory that is there for all tests of a file. */
function lastingDirectory(): string {
  const directory = mkdtempSync(join(fastPlace(), "begat-kept-"));
  afterThisFile(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface KeptLedger {
  /** State home and cache home beside each other, under one directory. */
  readonly directory: string;
  readonly home: string;
  readonly cacheHome: string;
  readonly tiles: string;
  /** Of the ledger. */
  readonly identity: Sha256;
  /** Copies of `directory` as it was at each size that was signed, by size. */
  readonly snapshots: ReadonlyMap<number, string>;
}

/**
 * A small ledger with one of everything: a build, what came in, a decision, a witness's line, both of its pins and one brought
 * from elsewhere, and its tiles. Every part of it is closed and as a build leaves it.
 */
export async function keptLedger(): Promise<KeptLedger> {
  const directory = lastingDirectory();
  const [home, cacheHome, tiles] = ["state", "cache", "tiles"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [home, cacheHome]) files.makeDirectory(path, 0o700);
  const small = new Database(join(home, "ledger.db"));
  small.pragma(`page_size = ${PAGE_BYTES}`);
  small.exec("VACUUM");
  small.close();
  const snapshots = new Map<number, string>();
  let identity = "" as Sha256;
  const step = async (make: (ledger: SqliteLedger) => Promise<unknown>) => {
    const ledger = await open(home, { cacheHome });
    identity = ledger.identity;
    await make(ledger);
    const { size } = await ledger.checkpoint();
    ledger.close();
    const copy = lastingDirectory();
    cpSync(directory, copy, { recursive: true });
    snapshots.set(size, copy);
  };
  await step((ledger) => record(ledger, "b1", [sketchChore({ inputs: { "a.c": "int a;\n" }, env: {} })]));
  await step(async (ledger) => {
    await ledger.append([ingest("lua")]);
    const { size, root, note } = await ledger.checkpoint();
    importPin(files, home, { ledger: ledger.identity, log: ledger.origin, size, root, note });
  });
  await step((ledger) => endorseWitness(ledger, home));
  await step(async (ledger) => {
    await ledger.append([ingest("zlib")]);
    const checkpoint = await ledger.checkpoint();
    const keeper = witnessSigner();
    const witness = { name: "witness.test/w1", publicKey: Buffer.from(keeper.entry.pub, "base64"), sign: keeper.sign };
    ledger.cosign(checkpoint.size, [
      cosign(witness, checkpoint.note.slice(0, checkpoint.note.lastIndexOf("\n\n") + 1), 1),
    ]);
    exportTiles(ledger, await ledger.checkpoint(), files, tiles, verifiersOf(ledger));
  });
  return { directory, home, cacheHome, tiles, identity, snapshots };
}

export const verifiersOf = (ledger: SqliteLedger) =>
  logVerifiers(
    ledger.origin,
    readKeyHistory(ledger)
      .keys()
      .map(({ entry }) => entry),
  );

async function endorseWitness(ledger: SqliteLedger, home: string): Promise<void> {
  const keeper = witnessSigner();
  const pop = provePossession(keeper, ledger.origin);
  const place = { at: ledger.size(), before: 0, nonce: new KernelRandom().bytes(16) };
  const decided = { kind: "key.endorse" as const, subject: keeper.entry, pop };
  const body = signControl(decided, place, ledger.origin, loadSigner(files, home, "root"));
  await ledger.append([{ body, manifests: [] }]);
}

/** A copy of its own to change. */
export function copyOf({ directory }: Pick<KeptLedger, "directory">): { home: string; cacheHome: string } {
  const copy = newStateHome();
  cpSync(directory, copy, { recursive: true });
  return { home: join(copy, "state"), cacheHome: join(copy, "cache") };
}

/** All that is remembered of the ledger outside its file is gone: the weakest ledger there is. */
export function forget({ home, cacheHome }: { home: string; cacheHome: string }): void {
  for (const path of ["pin", "pins", "last-signed"]) rmSync(join(home, path), { recursive: true, force: true });
  rmSync(join(cacheHome, "pins"), { recursive: true, force: true });
}

export const pinFiles = ({ home, cacheHome, identity }: KeptLedger): readonly string[] => [
  join(home, "pin"),
  join(home, "last-signed"),
  secondPinPath(cacheHome, identity),
  ...files.readDirectory(join(home, "pins")).map(({ name }) => join(home, "pins", name)),
];

/** Puts `bytes` in place of a database, without what another one left beside it. */
export function putDatabase(home: string, bytes: Uint8Array): void {
  for (const side of ["-wal", "-shm"]) rmSync(join(home, `ledger.db${side}`), { force: true });
  writeFileSync(join(home, "ledger.db"), bytes);
}
