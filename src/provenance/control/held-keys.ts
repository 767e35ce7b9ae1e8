import type { Sha256 } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { KeyError, type KeyRole, keyPath, laterKeyPath, loadSigner, loadSignerAt, type Signer } from "../keys.ts";
import { currentLogKeys, type KeyHistory, type KeyLife } from "./key-history.ts";

/**
 * The newest key of `role` that this machine holds and that counts in record `seq`. Keys that came later than the first
 * have files of their own, so replacing one moves nothing.
 *
 * @returns `undefined` where it holds no such key: lost, revoked, or never endorsed.
 * @throws {KeyError} where a key is there and cannot be used.
 */
export function heldSigner(
  files: FileTree,
  stateHome: string,
  history: KeyHistory,
  role: KeyRole,
  seq: number,
): Signer | undefined {
  for (const key of [...history.keys()].reverse()) {
    if (!history.validAt(key.entry.id, seq, role).ok) continue;
    const signer = holderOf(files, stateHome, key, role);
    if (signer !== undefined) return signer;
  }
  return undefined;
}

/** Signers of a checkpoint of `size` records: while a rotation is under way the old key too, as far as it is at hand. */
export function heldLogSigners(files: FileTree, stateHome: string, history: KeyHistory, size: number): Signer[] {
  return currentLogKeys(history, size)
    .map(({ id }) => holderOf(files, stateHome, history.get(id) as KeyLife, "log"))
    .filter((signer) => signer !== undefined);
}

function holderOf(files: FileTree, stateHome: string, { entry }: KeyLife, role: KeyRole): Signer | undefined {
  const later = laterKeyPath(stateHome, role, entry.id);
  const path = files.lstat(later) === undefined ? keyPath(stateHome, role) : later;
  if (files.lstat(path) === undefined) return undefined;
  const signer = path === later ? loadSignerAt(files, path, role) : loadSigner(files, stateHome, role);
  return signer.key === entry.id ? { ...signer, entry } : undefined;
}

/**
 * The key with authority that is at hand: the root's or an admin's, from `path` where that is given.
 *
 * @throws {KeyError} `KEY_MISSING` with the reason; as `loadSigner`.
 */
export function authoritySigner(
  files: FileTree,
  stateHome: string,
  history: KeyHistory,
  seq: number,
  path?: string,
): Signer {
  const authorities = history.keys().filter(({ entry }) => entry.role === "root" || entry.role === "admin");
  if (authorities.length === 0) {
    throw new KeyError("KEY_MISSING", "this ledger names no root key: nobody can decide anything about its keys", {
      hint: "it was begun before begat made root keys; a new state home (BEGAT_STATE_HOME) begins a ledger that has one",
    });
  }
  if (path !== undefined) return named(files, history, seq, path);
  for (const role of ["root", "admin"] as const) {
    const signer = heldSigner(files, stateHome, history, role, seq);
    if (signer !== undefined) return signer;
  }
  const wanted = authorities.map(({ entry }) => `${entry.role} key ${entry.id.slice(0, 12)}`).join(" or ");
  throw new KeyError("KEY_MISSING", `this needs ${wanted}, which is not in ${stateHome}/keys`, {
    hint: "name the file it is kept in: --root-key FILE",
  });
}

function named(files: FileTree, history: KeyHistory, seq: number, path: string): Signer {
  const signer = loadSignerAt(files, path, "root");
  const known = history.get(signer.key as Sha256);
  const role = known?.entry.role === "admin" ? "admin" : "root";
  const valid = history.validAt(signer.key, seq, role);
  if (!valid.ok) throw new KeyError("KEY_MALFORMED", `${path} decides nothing here: ${valid.because}`);
  return { ...signer, entry: valid.key.entry };
}
