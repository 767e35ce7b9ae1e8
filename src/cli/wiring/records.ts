import { BegatError } from "../../base/index.ts";
import type { ActionIndex } from "../../cache/index.ts";
import { listTree, readAction } from "../../executor/index.ts";
import {
  agreementOn,
  catchUpIndex,
  endorsedKeys,
  findTaint,
  type InputLister,
  indexedExecution,
  type Ledger,
  openLedger,
  ProvenSignatures,
  type SqliteLedger,
  trustedExecution,
} from "../../provenance/index.ts";
import type { Records, Trust } from "../../scheduler/index.ts";
import type { Machine } from "./machine.ts";

class ManifestError extends BegatError<"MANIFEST_MISSING"> {}

/** Reads actions back from the manifests a ledger keeps. */
export const lister: InputLister = (action, manifest) => {
  const listing = readAction(action, manifest);
  if (listing === undefined) throw new ManifestError("MANIFEST_MISSING", "a manifest it needs is not in the ledger");
  return listing;
};

/** The ledger of this user, opened; made with its keys at the first build. */
export async function openUserLedger(
  machine: Machine,
  create: boolean,
  options: { readonly rolledBack?: boolean } = {},
): Promise<SqliteLedger> {
  const ledger = await openLedger({
    stateHome: machine.directories.stateHome,
    cacheHome: machine.directories.cacheHome,
    files: machine.fs,
    clock: machine.clock,
    random: machine.random,
    rnode: machine.rnode,
    create,
    ...options,
    // A sync costs the main thread 3 ms and more; nothing but the outputs' way into the checkout waits for one.
    window: { ms: 200, records: 2_000 },
  });
  machine.onClose(() => ledger.close());
  // Who else appends may have decided something: trust is as of the opening.
  const commits = ledger.foreignCommits();
  machine.onRest({
    rest: () => ledger.rest(),
    isAsLeft: () => ledger.foreignCommits() === commits,
    resume: () => {},
    tidy: () => ledger.tidy(),
  });
  return ledger;
}

/**
 * What a hit needs in this ledger as it stands now: what is decided later counts from the next opening on.
 *
 * @param agreeing How many executions must have come to the same result.
 */
export function trustIn(ledger: Ledger, index: Pick<ActionIndex, "find" | "producers">, agreeing = 1): Trust {
  const keys = endorsedKeys(ledger);
  const taint = findTaint({
    ledger,
    history: keys,
    lister,
    members: (tree) => {
      const bytes = ledger.manifest(tree);
      return bytes && listTree(bytes).files.map(({ digest }) => ({ digest: digest.hash }));
    },
    producers: (hash) => index.producers(hash),
  });
  const count = agreementOn({ ledger, keys, lister, executions: (action) => index.find(action) });
  const agreement = { k: agreeing, count };
  const proven = new ProvenSignatures();
  return (candidate, action, minimum) => {
    const policy = { minimumLevel: minimum, keys, lister, taint, agreement, proven };
    const verdict = trustedExecution(candidate, action, ledger, policy);
    if (verdict.trusted)
      return { trusted: true, execution: indexedExecution(verdict.record), listing: verdict.listing };
    return { trusted: false, quarantined: verdict.reason === "quarantined", because: verdict.because };
  };
}

/**
 * Ledger, index and key for a build.
 *
 * @param create `false`: nothing is made; where there is no ledger it throws `LEDGER_ABSENT`.
 */
export async function openRecords(
  machine: Machine,
  onNotice: (text: string) => void,
  create: boolean,
  agreeing?: number,
): Promise<Records> {
  const ledger = await openUserLedger(machine, create);
  const index: ActionIndex = (await machine.index(onNotice)).actions;
  catchUpIndex(ledger, index);
  return {
    ledger,
    index,
    // Refused where the ledger does not vouch for it: nothing signed with it would ever count.
    signer: ledger.signer("rnode"),
    rnode: machine.rnode,
    trust: trustIn(ledger, index, agreeing),
    catchUp: () => void catchUpIndex(ledger, index),
  };
}
