import { isOwnFile, readAction } from "../../executor/index.ts";
import { type Evidence, type Ledger, type ProvIndex, parseHits } from "../../provenance/index.ts";
import type { WhyView } from "../services.ts";

/**
 * For which other inputs a result was last used, its execution not having read what is different about them: by the
 * newest `hits` that says so.
 */
export function keptResult(
  { ledger, index }: { readonly ledger: Ledger; readonly index: Pick<ProvIndex, "keptBy"> },
  { seq, record }: Evidence,
): WhyView["kept"] {
  if (record.kind !== "exec" || record.used === undefined) return undefined;
  for (const at of index.keptBy(seq)) {
    const hits = ledger.record(at);
    const list = hits?.kind === "hits" ? ledger.manifest(hits.root) : undefined;
    const hit = list && parseHits(list)?.find((candidate) => candidate.seq === seq && candidate.for !== undefined);
    if (hit?.for === undefined || hits?.kind !== "hits") continue;
    const now = readAction(hit.for, (hash) => ledger.manifest(hash));
    const before = readAction(record.action, (hash) => ledger.manifest(hash));
    const digests = new Map(before?.inputs.map(({ path, digest }) => [path, digest]));
    const changes = (now?.inputs ?? []).flatMap(({ path, digest }) => {
      const from = digests.get(path);
      if (from === undefined || from === digest || isOwnFile(path)) return [];
      return [{ field: "input" as const, name: path, from, to: digest as string }];
    });
    return { record: at, build: hits.build, at: hits.time, changes };
  }
  return undefined;
}
