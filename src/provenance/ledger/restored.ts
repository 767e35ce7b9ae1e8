import type { Sha256 } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import type { RestoreBody } from "../control/control-record.ts";
import { otherPins, type Pin, type PlacedPin, pinPath, pinProblem, readPin } from "../pin.ts";
import { lastSignedPath, readLastSigned } from "./last-signed.ts";

/** What a root key decided to give up: states that were remembered, by size and root. */
export type Restores = readonly Pick<RestoreBody, "lost" | "reason">[];

/** Whether a memory that contradicts the ledger is one that a root key gave up; a pin of the first version names no root. */
export function isGivenUp(memory: { readonly size: number; readonly root?: Sha256 }, restores: Restores): boolean {
  return restores.some(({ lost }) => lost.size === memory.size && lost.root === memory.root);
}

export interface RememberedLedger {
  readonly identity: Sha256;
  readonly origin: string;
  size(): number;
  root(size?: number): Sha256;
  read(from: number, to: number): IterableIterator<{ readonly leaf: Sha256 }>;
}

/** Everything that is remembered of a ledger outside of it, this machine's pin first, what was signed last at the end. */
export function memories(
  files: FileTree,
  { stateHome, cacheHome }: { readonly stateHome: string; readonly cacheHome: string | undefined },
  ledger: Pick<RememberedLedger, "identity" | "origin">,
): readonly PlacedPin[] {
  const own = { path: pinPath(stateHome), read: readPin(files, stateHome), imported: false };
  const signed = readLastSigned(files, stateHome);
  const head = (): PlacedPin[] =>
    signed.state === "present"
      ? [
          {
            path: lastSignedPath(stateHome),
            read: { state: "present", pin: { log: ledger.origin, ...signed.head } },
            imported: false,
          },
        ]
      : [];
  return [own, ...otherPins(files, stateHome, cacheHome, ledger.identity), ...head()];
}

/** Those among `placed` that the ledger contradicts, of whatever history they are; not those of another ledger. */
export function contradictions(
  placed: readonly PlacedPin[],
  ledger: RememberedLedger,
): readonly { readonly path: string; readonly imported: boolean; readonly pin: Pin }[] {
  const found = { identity: ledger.identity, size: ledger.size() };
  const at = {
    leaf: (seq: number) => [...ledger.read(seq, seq + 1)][0]?.leaf,
    root: (size: number) => ledger.root(size),
  };
  return placed.flatMap(({ path, imported, read }) => {
    if (read.state !== "present" || read.pin.ledger !== ledger.identity) return [];
    return pinProblem(read.pin, found, at) === undefined ? [] : [{ path, imported, pin: read.pin }];
  });
}
