import { canonicalJson, parseCanonicalJson, parseSha256, type Sha256 } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";

/** The largest size of a ledger that may have been signed: written, and on the disk, before anything is signed. */
export interface SignedHead {
  /** Leaf hash of genesis. */
  readonly ledger: Sha256;
  readonly size: number;
  readonly root: Sha256;
}

export type SignedHeadRead =
  | { readonly state: "absent" }
  | { readonly state: "malformed"; readonly problem: string }
  | { readonly state: "present"; readonly head: SignedHead };

export const lastSignedPath = (stateHome: string): string => `${stateHome}/last-signed`;

export function readLastSigned(files: FileTree, stateHome: string): SignedHeadRead {
  const path = lastSignedPath(stateHome);
  try {
    if (files.lstat(path) === undefined) return { state: "absent" };
    const value = parseCanonicalJson(files.readFile(path)) as unknown as { readonly [name: string]: unknown };
    const [ledger, root, size] = [parseSha256(value.ledger), parseSha256(value.root), Number(value.size)];
    if (value.v === 1 && ledger && root && Number.isSafeInteger(value.size) && size > 0) {
      return { state: "present", head: { ledger, size, root } };
    }
    return { state: "malformed", problem: `${path} does not say what was signed last` };
  } catch (error) {
    return { state: "malformed", problem: `${path} cannot be read: ${(error as Error).message}` };
  }
}

/** On the disk when it returns. @throws {FileTreeError} and then nothing may be signed. */
export function writeLastSigned(files: FileTree, stateHome: string, head: SignedHead): void {
  files.replaceFile(lastSignedPath(stateHome), canonicalJson({ v: 1, ...head }), { mode: 0o600, durable: true });
}

/**
 * Why `next` must not be signed after `last`; `undefined` when it may. A log signs no two histories: not another root for a
 * size, not a smaller size, not a root that does not begin with what was signed.
 *
 * @param rootAt Root of the ledger at hand at an earlier size.
 */
export function signingProblem(
  last: SignedHead,
  next: SignedHead,
  rootAt: (size: number) => Sha256,
): string | undefined {
  if (next.ledger !== last.ledger) {
    return `it is ledger ${next.ledger.slice(0, 12)}, and ledger ${last.ledger.slice(0, 12)} was signed here`;
  }
  if (next.size < last.size) return `it has ${next.size} records, and ${last.size} were signed`;
  const before = next.size === last.size ? next.root : rootAt(last.size);
  if (before === last.root) return undefined;
  return `its root at ${last.size} records is ${before.slice(0, 12)}, and ${last.root.slice(0, 12)} was signed`;
}
