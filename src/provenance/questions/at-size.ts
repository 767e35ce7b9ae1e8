import type { Ledger } from "../ledger.ts";
import type { History } from "./evidence.ts";

/** The history as it was when the ledger had `size` records: nothing after that is read. */
export function historyAt<H extends History>(history: H, size: number): H {
  const end = Math.min(size, history.ledger.size());
  return { ...history, ledger: ledgerAt(history.ledger, end), index: history.index.at(end), seen: new Map() };
}

function ledgerAt(ledger: Ledger, end: number): Ledger {
  const shortened: Pick<Ledger, "size" | "read" | "record"> = {
    size: () => end,
    read: (from, to) => ledger.read(from, Math.min(to, end)),
    record: (seq) => (seq < end ? ledger.record(seq) : undefined),
  };
  return new Proxy(ledger, {
    get(target, name) {
      const own = (shortened as { readonly [member: string | symbol]: unknown })[name];
      if (own !== undefined) return own;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/**
 * How many records there were at a time, by what the records say of it: the time is whoever's clock it was, the order is
 * the ledger's.
 *
 * @param atMs Milliseconds since 1970.
 */
export function sizeAtTime(ledger: Ledger, atMs: number): number {
  let [low, high] = [0, ledger.size()];
  while (low < high) {
    const middle = (low + high) >> 1;
    const time = timeOf(ledger, middle);
    if (time <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Of the record, or of the next before it that has a time. */
function timeOf(ledger: Ledger, seq: number): number {
  for (let at = seq; at >= 0; at--) {
    for (const { bytes } of ledger.read(at, at + 1)) {
      const found = /"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/.exec(bytes.toString());
      if (found?.[1] !== undefined) return Date.parse(found[1]);
    }
  }
  return Number.NEGATIVE_INFINITY;
}
