import type { BuildEndBody, LedgerRecord } from "./record.ts";

interface Account {
  readonly beganAt: number;
  readonly planned: number;
  /** Last disposition of each chore that has a record of its own. */
  readonly chores: Map<string, "exec" | "fail">;
  hits: number;
}

/**
 * Keeps the books of every build: what was planned in `build.begin` must end in exactly one of executed, hit, failed,
 * skipped, settled. A record that was never appended breaks no chain; here it shows.
 */
export class BuildAccounts {
  readonly #open = new Map<string, Account>();
  readonly #closed = new Set<string>();
  finished = 0;

  /** What is wrong with the books at this record; `undefined` when nothing. Records come in order. */
  enter(record: LedgerRecord): string | undefined {
    switch (record.kind) {
      case "build.begin":
        if (this.#open.has(record.build) || this.#closed.has(record.build)) {
          return `build ${record.build} begins a second time`;
        }
        this.#open.set(record.build, { beganAt: record.seq, planned: record.plan.n, chores: new Map(), hits: 0 });
        return undefined;
      case "exec":
      case "fail":
        return this.execution(record.kind, record.build, record.chore, record.from?.cached === true);
      case "hits": {
        const account = this.#open.get(record.build);
        if (account === undefined) return `hits of build ${record.build}, which is not under way`;
        account.hits += record.n;
        return undefined;
      }
      case "challenge":
        if (this.#open.has(record.build)) return undefined;
        return `${record.chore} was checked in build ${record.build}, which is not under way`;
      case "build.end":
        return this.#close(record);
      default:
        return undefined;
    }
  }

  /** `enter` for an execution. @param cached Taken over from elsewhere: its build counts it among the hits. */
  execution(kind: "exec" | "fail", build: string, chore: string, cached: boolean): string | undefined {
    const account = this.#open.get(build);
    if (account === undefined) return `${chore} was executed in build ${build}, which is not under way`;
    if (!cached) account.chores.set(chore, kind);
    return undefined;
  }

  #close(record: BuildEndBody): string | undefined {
    const account = this.#open.get(record.build);
    if (account === undefined) return `build ${record.build} ends without having begun`;
    this.#open.delete(record.build);
    this.#closed.add(record.build);
    this.finished++;
    if (record.begin !== account.beganAt) {
      return `build ${record.build} began at record ${account.beganAt}, its end says ${record.begin}`;
    }
    const { exec, hit, fail, skip, settled } = record.n;
    const total = exec + hit + fail + skip + settled;
    if (total !== account.planned) {
      return `build ${record.build} planned ${account.planned} chores and accounts for ${total}`;
    }
    let executed = 0;
    for (const kind of account.chores.values()) if (kind === "exec") executed++;
    const failed = account.chores.size - executed;
    if (executed !== exec) return `build ${record.build} says ${exec} chores were executed; ${executed} have records`;
    if (failed !== fail) return `build ${record.build} says ${fail} chores failed; ${failed} have records`;
    if (account.hits !== hit) return `build ${record.build} says ${hit} chores were hits; ${account.hits} are listed`;
    return undefined;
  }

  /** Builds that began and have no end: under way now, or interrupted. */
  unfinished(): readonly { readonly build: string; readonly beganAt: number }[] {
    return [...this.#open].map(([build, { beganAt }]) => ({ build, beganAt }));
  }
}
