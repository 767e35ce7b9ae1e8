import type { Sha256 } from "../base/index.ts";
import type { Ledger } from "./ledger.ts";
import { parseUsed } from "./long-lists.ts";
import type { LedgerRecord } from "./record.ts";

/** The pruned key of an action for a set of used inputs. Offered by whoever wires the rooms: this one knows no protocol. */
export type ActionPruner = (
  action: Sha256,
  used: ReadonlySet<string>,
  manifest: (hash: Sha256) => Uint8Array | undefined,
) => Sha256 | undefined;

/** The inputs that an execution used, where its record says so and the list is there. */
export function usedBy(record: LedgerRecord, ledger: Pick<Ledger, "manifest">): ReadonlySet<string> | undefined {
  if (record.kind !== "exec" || record.used === undefined) return undefined;
  const bytes = ledger.manifest(record.used.root);
  const list = bytes && parseUsed(bytes);
  return list?.length === record.used.n ? new Set(list) : undefined;
}

/** Why the result of an execution may not stand for `asked`; `undefined` where both differ only in what was not used. */
export function prunedHitProblem(
  record: LedgerRecord | undefined,
  asked: Sha256,
  ledger: Pick<Ledger, "manifest">,
  prune: ActionPruner,
): string | undefined {
  const used = record && usedBy(record, ledger);
  if (record?.kind !== "exec" || used === undefined) return `record ${record?.seq} does not say which inputs it used`;
  const load = (hash: Sha256): Buffer | undefined => ledger.manifest(hash);
  const key = prune(record.action, used, load);
  if (key === undefined || key !== record.used?.key)
    return `the key of record ${record.seq} is not that of its used inputs`;
  const other = prune(asked, used, load);
  if (other === undefined) return `action ${asked.slice(0, 12)} cannot be read again`;
  return other === key ? undefined : `action ${asked.slice(0, 12)} differs from record ${record.seq} in what that used`;
}
