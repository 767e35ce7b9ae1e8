import { canonicalJson, parseCanonicalJson, parseSha256, type Sha256 } from "../base/index.ts";
import { type FileTree, FileTreeError } from "../ports/index.ts";
import { checkpointOfNote } from "./ledger/signed-checkpoint.ts";

/**
 * What is remembered about a ledger outside of it: a chain alone proves nothing about its end, and with a pin a
 * shortened, replaced or rewritten ledger shows.
 */
export interface Pin {
  /** Leaf hash of genesis. */
  readonly ledger: Sha256;
  readonly log: string;
  /** Records, at least 1. */
  readonly size: number;
  /** Merkle root of the first `size` records; pins of the first version have `leaf` instead. */
  readonly root?: Sha256;
  /** Leaf hash of record `size - 1`. */
  readonly leaf?: Sha256;
  /** The signed checkpoint, where there was one: with it the pin can prove a fork to others. */
  readonly note?: string;
}

export type PinRead =
  | { readonly state: "absent" }
  | { readonly state: "malformed"; readonly problem: string }
  | { readonly state: "present"; readonly pin: Pin };

export const pinPath = (stateHome: string): string => `${stateHome}/pin`;

/** The pin kept apart from the state home, so that losing that does not lose all memory. */
export const secondPinPath = (cacheHome: string, ledger: Sha256): string => `${cacheHome}/pins/${ledger}`;

const importedPins = (stateHome: string): string => `${stateHome}/pins`;

/** The pin of this state home. Whatever the file holds, this answers. */
export function readPin(files: FileTree, stateHome: string): PinRead {
  return readPinFile(files, pinPath(stateHome));
}

export function readPinFile(files: FileTree, path: string): PinRead {
  try {
    if (files.lstat(path) === undefined) return { state: "absent" };
    const pin = parsePin(files.readFile(path));
    return pin === undefined ? { state: "malformed", problem: `${path} is not a pin` } : { state: "present", pin };
  } catch (error) {
    return { state: "malformed", problem: `${path} cannot be read: ${(error as Error).message}` };
  }
}

const MEMBERS: ReadonlySet<string> = new Set(["ledger", "leaf", "log", "note", "root", "size", "v"]);

/** `undefined` when `bytes` are canonical JSON, but no pin. @throws when they are not even that. */
export function parsePin(bytes: Uint8Array): Pin | undefined {
  const value = parseCanonicalJson(Buffer.from(bytes)) as unknown as { readonly [name: string]: unknown };
  const { v, log, size, note } = value;
  // A member with another name would else be a note that nobody looks at.
  if (Object.keys(value).some((name) => !MEMBERS.has(name))) return undefined;
  const [ledger, leaf, root] = [parseSha256(value.ledger), parseSha256(value.leaf), parseSha256(value.root)];
  if (!ledger || typeof log !== "string" || !Number.isSafeInteger(size) || Number(size) < 1) return undefined;
  const common = { ledger, log, size: Number(size) };
  if (v === 1 && leaf) return { ...common, leaf };
  if (v !== 2 || !root) return undefined;
  if (note === undefined) return { ...common, root };
  if (typeof note !== "string") return undefined;
  const noted = checkpointOfNote(note);
  const fits = noted.origin === log && noted.size === common.size && noted.root === root;
  return fits ? { ...common, root, note } : undefined;
}

export const pinText = (pin: Pin): string => canonicalJson({ v: pin.root === undefined ? 1 : 2, ...pin });

/**
 * Remembers `pin`, unless what is there already says more about the same ledger. Its name is not synced unless `durable`: after
 * a power cut it may be an older pin, which is still true.
 *
 * @returns Whether it could be written; a pin that cannot is no reason to stop a build.
 */
export function writePin(files: FileTree, stateHome: string, pin: Pin, durable = false): boolean {
  return writePinFile(files, pinPath(stateHome), pin, durable);
}

export function writePinFile(files: FileTree, path: string, pin: Pin, durable = false): boolean {
  const before = readPinFile(files, path);
  if (before.state === "present" && before.pin.ledger === pin.ledger && before.pin.size >= pin.size) {
    const says = before.pin.size > pin.size || before.pin.note !== undefined || pin.note === undefined;
    if (says && (before.pin.root !== undefined || before.pin.size > pin.size)) return true;
  }
  try {
    // What else is synced in its directory must not make its name last before what it says.
    files.replaceFile(path, pinText(pin), { mode: 0o600, durable: durable || "content" });
    return true;
  } catch (error) {
    if (error instanceof FileTreeError) return false;
    throw error;
  }
}

/** Puts `pin` in place of whatever is there: of one that was given up. @throws {FileTreeError} */
export function replacePin(files: FileTree, path: string, pin: Pin): void {
  files.replaceFile(path, pinText(pin), { mode: 0o600, durable: true });
}

/** As `writePin`, for the second pin; makes its directory. */
export function writeSecondPin(files: FileTree, cacheHome: string, pin: Pin): boolean {
  const path = secondPinPath(cacheHome, pin.ledger);
  try {
    if (files.lstat(path) === undefined) files.makeDirectory(`${cacheHome}/pins`, 0o700);
  } catch (error) {
    if (error instanceof FileTreeError) return false;
    throw error;
  }
  return writePinFile(files, path, pin);
}

/** Keeps a pin that came from elsewhere, beside those that came before. @throws {FileTreeError} */
export function importPin(files: FileTree, stateHome: string, pin: Pin): string {
  files.makeDirectory(importedPins(stateHome), 0o700);
  const path = `${importedPins(stateHome)}/${pin.size}-${(pin.root ?? pin.leaf ?? "").slice(0, 16)}`;
  files.replaceFile(path, pinText(pin), { mode: 0o600, durable: true });
  return path;
}

export interface PlacedPin {
  readonly path: string;
  readonly read: PinRead;
  /** It was brought from elsewhere: somebody other than this machine holds it too. */
  readonly imported: boolean;
}

/** Every pin of a ledger that can be found: the second one, and those brought from elsewhere. Not the state home's own. */
export function otherPins(
  files: FileTree,
  stateHome: string,
  cacheHome: string | undefined,
  ledger: Sha256,
): PlacedPin[] {
  const found: PlacedPin[] = [];
  if (cacheHome !== undefined) {
    const path = secondPinPath(cacheHome, ledger);
    found.push({ path, read: readPinFile(files, path), imported: false });
  }
  const directory = importedPins(stateHome);
  if (files.lstat(directory) === undefined) return found;
  for (const { name, kind } of files.readDirectory(directory)) {
    if (kind !== "file") continue;
    const path = `${directory}/${name}`;
    found.push({ path, read: readPinFile(files, path), imported: true });
  }
  return found;
}

/** What a pin says against a ledger; `undefined` when they agree. */
export function pinProblem(
  pin: Pin,
  ledger: { readonly identity: Sha256; readonly size: number },
  at: {
    /** Leaf hash of a record. */
    readonly leaf: (seq: number) => Sha256 | undefined;
    /** Merkle root of that many records; asked for no more than there are. */
    readonly root: (size: number) => Sha256 | undefined;
  },
): string | undefined {
  if (pin.ledger !== ledger.identity) {
    return `it is ledger ${ledger.identity.slice(0, 12)}, the pin is of ledger ${pin.ledger.slice(0, 12)}`;
  }
  if (ledger.size < pin.size) return `it has ${ledger.size} records, the pin remembers ${pin.size}`;
  const differs = (what: string, found: Sha256 | undefined, pinned: Sha256) =>
    found === pinned ? undefined : `${what} ${found?.slice(0, 12) ?? "none"}, the pin remembers ${pinned.slice(0, 12)}`;
  if (pin.root !== undefined) return differs(`its first ${pin.size} records have root`, at.root(pin.size), pin.root);
  return differs(`record ${pin.size - 1} has leaf hash`, at.leaf(pin.size - 1), pin.leaf as Sha256);
}
