import { type FileContents, type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { decodePlan, type LoadedPlan } from "./plan-file.ts";
import type { CheckoutState } from "./state.ts";
import { decodeState, encodeDelta, encodeState } from "./state-file.ts";

/** Names inside a checkout's own directory, which git ignores. */
export const CHECKOUT = {
  directory: ".begat",
  plan: ".begat/plan.bin",
  state: ".begat/state.bin",
  /** What of the state is not as `state` has it. */
  delta: ".begat/state-delta.bin",
  lock: ".begat/lock",
  clock: ".begat/clock",
  temporary: ".begat/tmp",
} as const;

/** What is written after a state file may have this share of its size, and begins to be worth it from so many bytes on. */
const DELTA_SHARE = 1 / 8;
const LEAST_DELTA_BYTES = 2_000;

const bytesOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

interface CheckoutSettings {
  readonly mayWrite?: boolean;
  readonly ledger?: string | undefined;
  readonly deltaShare?: number;
}

/** A checkout as the engine meets it. `root` is absolute, or "" where the process stands in it (shorter paths, quicker stats). */
export class Checkout {
  readonly fs: FileTree;
  readonly root: string;
  readonly #mayWrite: boolean;
  readonly #ledger: string | undefined;
  readonly #deltaShare: number;
  #clockMs: number | undefined;

  /**
   * @param mayWrite Without it nothing is written, not even to learn the file system's time.
   * @param ledger The ledger's file, absolute: what is remembered rests on its records, so with another ledger, or
   *   without the one there was, nothing is remembered.
   * @param deltaShare How large what is written after a state file may get, of its size.
   */
  constructor(fs: FileTree, root: string, options: CheckoutSettings = {}) {
    this.fs = fs;
    this.root = root;
    this.#mayWrite = options.mayWrite ?? true;
    this.#ledger = options.ledger;
    this.#deltaShare = options.deltaShare ?? DELTA_SHARE;
  }

  /** For another build of the same process: it has a moment of its own. */
  again(): Checkout {
    const settings = { mayWrite: this.#mayWrite, ledger: this.#ledger, deltaShare: this.#deltaShare };
    return new Checkout(this.fs, this.root, settings);
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
    const signature = this.#stateSignature();
    const bytes = this.#read(CHECKOUT.state);
    const state = bytes && decodeState(bytes, this.#read(CHECKOUT.delta));
    if (state === undefined || !this.restsOn(state)) return undefined;
    if (state.base !== undefined) state.base = { ...state.base, signature };
    return state;
  }

  /** Whether a state rests on the ledger there is. */
  restsOn(state: CheckoutState): boolean {
    return state.ledger === this.#ledgerMark();
  }

  /**
   * Writes what is not as the state file has it, where that is little; else a state file. Each is replaced at once, and
   * a delta names its file: whatever is lost on the way, what is read afterwards was true at some moment.
   */
  saveState(state: CheckoutState): void {
    state.ledger = this.#ledgerMark();
    const delta = this.#deltaOf(state);
    if (delta === undefined) this.#saveWhole(state);
    else this.save(CHECKOUT.delta, delta);
  }

  #saveWhole(state: CheckoutState): void {
    const { parts, digest } = encodeState(state);
    this.save(CHECKOUT.state, parts);
    this.fs.remove(this.absolute(CHECKOUT.delta));
    const { reads, ledger } = state;
    state.base = { digest, sizeBytes: bytesOf(parts), reads, ledger, signature: this.#stateSignature() };
    state.changed.paths.restart();
    state.changed.chores.restart();
  }

  #deltaOf(state: CheckoutState): readonly Uint8Array[] | undefined {
    const { base } = state;
    if (base?.signature === undefined || base.sizeBytes * this.#deltaShare < LEAST_DELTA_BYTES) return undefined;
    const now = this.#stateSignature();
    if (!base.signature.every((n, i) => n === now?.[i])) return undefined;
    const parts = encodeDelta(state);
    return parts !== undefined && bytesOf(parts) <= base.sizeBytes * this.#deltaShare ? parts : undefined;
  }

  #stateSignature(): Float64Array | undefined {
    const numbers = new Float64Array(STAT_NUMBERS);
    return this.fs.statInto(this.absolute(CHECKOUT.state), numbers, 0) ? numbers : undefined;
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
