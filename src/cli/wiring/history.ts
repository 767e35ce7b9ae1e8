import type { Sha256 } from "../../base/index.ts";
import { listTree } from "../../executor/index.ts";
import { manifestReferences } from "../../protocol/index.ts";
import {
  endorsedKeys,
  type History,
  ledgerFileSource,
  type OpenedProvIndex,
  openProvIndex,
  type SqliteLedger,
} from "../../provenance/index.ts";
import type { Machine } from "./machine.ts";
import { lister, openUserLedger } from "./records.ts";

/** What questions about the past are asked of; the ledger must exist. */
export async function openHistory(machine: Machine): Promise<History & { readonly ledger: SqliteLedger }> {
  const ledger = await openUserLedger(machine, false);
  const { index } = await openQuestionIndex(machine, ledger);
  return historyOf(ledger, index);
}

export function historyOf<L extends History["ledger"]>(ledger: L, index: History["index"]): History & { ledger: L } {
  return {
    ledger,
    index,
    keys: endorsedKeys(ledger),
    lister,
    seen: new Map(),
    treeLister: (tree: Sha256, manifest) => {
      const bytes = manifest(tree);
      return bytes && listTree(bytes).files.map(({ path, digest }) => ({ path, digest: digest.hash }));
    },
  };
}

/** The index of questions beside the other one, brought up to the ledger's end. */
export async function openQuestionIndex(
  machine: Machine,
  ledger: SqliteLedger,
  options: { readonly anew?: boolean; readonly inMemory?: boolean } = {},
): Promise<OpenedProvIndex> {
  const source = await ledgerFileSource(ledger.path, ledger.identity, ledger.size());
  try {
    const opened = await openProvIndex({
      path: options.inMemory === true ? ":memory:" : `${machine.directories.cacheHome}/prov.db`,
      source,
      references: manifestReferences,
      files: machine.fs,
      random: machine.random,
      onNotice: (text) => machine.host.stderr.write(`note: ${text}\n`),
      anew: options.anew === true,
    });
    machine.onClose(() => opened.index.close());
    return opened;
  } finally {
    source.close();
  }
}
