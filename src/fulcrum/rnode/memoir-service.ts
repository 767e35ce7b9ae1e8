import { RpcError } from "../../fulcrum-client/index.ts";
import { farm } from "../../protocol/index.ts";
import type { Ledger } from "../../provenance/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";

/** `radix.farm.v1.Memoir`: a fulcrum's own ledger for those who may read it. */
export function memoirService(ledger: Ledger): BoundService {
  /** What is asked for beyond the end of the ledger is the caller's mistake. */
  const inRange = <T>(ask: () => T): T => {
    try {
      return ask();
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new RpcError("OUT_OF_RANGE", `the ledger has ${ledger.size()} records: ${cause.message}`, { cause });
    }
  };
  return bindService(farm.MemoirDefinition, {
    async checkpoint() {
      const { note, size } = await ledger.checkpoint();
      return { note: Buffer.from(note), size };
    },
    async *read({ from, to }, { signal }) {
      const end = to === 0 ? ledger.size() : Math.min(to, ledger.size());
      if (from < 0 || from > end) throw new RpcError("OUT_OF_RANGE", `records ${from} to ${end} are asked for`);
      for (const { seq, bytes } of ledger.read(from, end)) {
        if (signal.aborted) return;
        yield { seq, record: bytes };
      }
    },
    async proof({ seq, size, oldSize }) {
      return { path: inRange(() => (oldSize === 0 ? ledger.inclusion(seq, size) : ledger.consistency(oldSize, size))) };
    },
  });
}
