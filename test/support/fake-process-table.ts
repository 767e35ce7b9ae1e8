import type { ProcessIdentity, ProcessTable } from "../../src/cache/index.ts";

/** Processes that live until they are told to die. */
export class FakeProcessTable implements ProcessTable {
  readonly self: ProcessIdentity;
  readonly #dead: Set<number>;

  constructor(pid = 1000, dead = new Set<number>()) {
    this.self = { pid, startedAt: 77 };
    this.#dead = dead;
  }

  isAlive(other: ProcessIdentity): boolean {
    return other.startedAt === 77 && !this.#dead.has(other.pid);
  }

  die(pid: number = this.self.pid): void {
    this.#dead.add(pid);
  }

  /** The same processes, as seen from another of them. */
  asSeenBy(pid: number): FakeProcessTable {
    return new FakeProcessTable(pid, this.#dead);
  }
}
