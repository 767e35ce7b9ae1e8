import type { FileContents, FileTree } from "../ports/index.ts";
import { decodePlan, type LoadedPlan } from "./plan-file.ts";
import { CheckoutState } from "./state.ts";

/** Names inside a checkout's own directory, which git ignores. */
export const CHECKOUT = {
  directory: ".begat",
  plan: ".begat/plan.bin",
  state: ".begat/state.bin",
  lock: ".begat/lock",
  clock: ".begat/clock",
  temporary: ".begat/tmp",
} as const;

/** A checkout as the engine meets it. `root` is absolute, or "" where the process stands in it (shorter paths, quicker stats). */
export class Checkout {
  readonly fs: FileTree;
  readonly root: string;
  readonly #mayWrite: boolean;
  readonly #ledger: string | undefined;
  #clockMs: number | undefined;

  /**
   * @param mayWrite Without it nothing is written, not even to learn the file system's time.
   * @param ledger The ledger's file, absolute: what is remembered rests on its records, so with another ledger, or
   *   without the one there was, nothing is remembered.
   */
  constructor(fs: FileTree, root: string, options: { readonly mayWrite?: boolean; readonly ledger?: string } = {}) {
    this.fs = fs;
    this.root = root;
    this.#mayWrite = options.mayWrite ?? true;
    this.#ledger = options.ledger;
  }

  /** For another build of the same process: it has a moment of its own. */
  again(): Checkout {
    const ledger = this.#ledger;
    return new Checkout(this.fs, this.root, { mayWrite: this.#mayWrite, ...(ledger === undefined ? {} : { ledger }) });
  }

  absolute(path: string): string {
    if (path.startsWith("/")) return path;
    if (this.root === "") return path === "" ? "." : path;
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  /**
   * A moment on the file system's own clock, taken once: files changed before it can be told from files changed
   * after it even where that clock differs from ours. Where nothing may be written it is before everything: then every
   * file counts as just changed, and no signature is kept.
   */
  fileClockMs(): number {
    if (!this.#mayWrite) return Number.NEGATIVE_INFINITY;
    if (this.#clockMs === undefined) {
      this.fs.makeDirectory(this.absolute(CHECKOUT.directory));
      this.fs.writeFile(this.absolute(CHECKOUT.clock), "");
      this.#clockMs = this.fs.stat(this.absolute(CHECKOUT.clock))?.mtimeMs ?? 0;
    }
    return this.#clockMs;
  }

  /** The plan of the last evaluation; `undefined` where there is none, or not a whole one. */
  loadPlan(): LoadedPlan | undefined {
    const bytes = this.#read(CHECKOUT.plan);
    return bytes && decodePlan(bytes);
  }

  loadState(): CheckoutState | undefined {
    const bytes = this.#read(CHECKOUT.state);
    const state = bytes && CheckoutState.decode(bytes);
    return state?.ledger === this.#ledgerMark() ? state : undefined;
  }

  saveState(state: CheckoutState): void {
    state.ledger = this.#ledgerMark();
    this.save(CHECKOUT.state, state.encode());
  }

  /** Which ledger there is, by one stat. */
  #ledgerMark(): string {
    const found = this.#ledger === undefined ? undefined : this.fs.stat(this.#ledger);
    return found === undefined ? "" : `${found.inode} ${this.#ledger}`;
  }

  save(path: string, bytes: FileContents): void {
    this.fs.makeDirectory(this.absolute(CHECKOUT.directory));
    this.fs.replaceFile(this.absolute(path), bytes);
  }

  #read(path: string): Buffer | undefined {
    const full = this.absolute(path);
    return this.fs.stat(full)?.kind === "file" ? this.fs.readFile(full) : undefined;
  }
}
