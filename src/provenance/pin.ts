import { canonicalJson, parseCanonicalJson, parseSha256, type Sha256 } from "../base/index.ts";
import { type FileTree, FileTreeError } from "../ports/index.ts";

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
  /** Leaf hash of record `size - 1`. */
  readonly leaf: Sha256;
}

export type PinRead =
  | { readonly state: "absent" }
  | { readonly state: "malformed"; readonly problem: string }
  | { readonly state: "present"; readonly pin: Pin };

export const pinPath = (stateHome: string): string => `${stateHome}/pin`;

/** The pin of this state home. Whatever the file holds, this answers. */
export function readPin(files: FileTree, stateHome: string): PinRead {
  const path = pinPath(stateHome);
  try {
    if (files.lstat(path) === undefined) return { state: "absent" };
    const value = parseCanonicalJson(files.readFile(path));
    const { v, ledger, log, size, leaf } = value as unknown as { readonly [name: string]: unknown };
    const identity = parseSha256(ledger);
    const head = parseSha256(leaf);
    if (v !== 1 || !identity || !head || typeof log !== "string" || !Number.isSafeInteger(size) || Number(size) < 1) {
      return { state: "malformed", problem: `${path} is not a pin` };
    }
    return { state: "present", pin: { ledger: identity, log, size: Number(size), leaf: head } };
  } catch (error) {
    return { state: "malformed", problem: `${path} cannot be read: ${(error as Error).message}` };
  }
}

/**
 * Remembers `pin`, unless what is there already says more about the same ledger. Not synced unless `durable`: after a
 * power cut it may be an older pin, which is still true.
 *
 * @returns Whether it could be written; a pin that cannot is no reason to stop a build.
 */
export function writePin(files: FileTree, stateHome: string, pin: Pin, durable = false): boolean {
  const before = readPin(files, stateHome);
  if (before.state === "present" && before.pin.ledger === pin.ledger && before.pin.size >= pin.size) return true;
  try {
    files.replaceFile(pinPath(stateHome), canonicalJson({ v: 1, ...pin }), { mode: 0o600, durable });
    return true;
  } catch (error) {
    if (error instanceof FileTreeError) return false;
    throw error;
  }
}

/** What a pin says against a ledger; `undefined` when they agree. `leafAt` gives the leaf hash of a record. */
export function pinProblem(
  pin: Pin,
  ledger: { readonly identity: Sha256; readonly size: number },
  leafAt: (seq: number) => Sha256 | undefined,
): string | undefined {
  if (pin.ledger !== ledger.identity) {
    return `it is ledger ${ledger.identity.slice(0, 12)}, the pin is of ledger ${pin.ledger.slice(0, 12)}`;
  }
  if (ledger.size < pin.size) return `it has ${ledger.size} records, the pin remembers ${pin.size}`;
  const leaf = leafAt(pin.size - 1);
  if (leaf === pin.leaf) return undefined;
  return `record ${pin.size - 1} has leaf hash ${leaf?.slice(0, 12) ?? "none"}, the pin remembers ${pin.leaf.slice(0, 12)}`;
}
