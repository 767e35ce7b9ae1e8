import { type Digest, type IsolationLevel, invariant, type Sha256 } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import { ChangedRows } from "./changed-rows.ts";
import type { Checkout } from "./checkout.ts";
import type { ReadSignature } from "./freshness.ts";
import type { MeasuredLevels } from "./levels.ts";
import { FLAG, type Plan } from "./plan.ts";

/** `scaffold`: a directory that is only there for what chores make in it; watched, but no part of the tree it is in. */
export const PATH = { known: 1, executable: 2, tree: 4, symlink: 8, directory: 16, scaffold: 32 } as const;

/** A size no file has: such a signature never matches, so the file is looked at again. */
const NO_SIGNATURE = -1;

/** Questions whose answers are remembered. */
const MOST_ROOTS = 8;

const LEVELS: readonly IsolationLevel[] = ["none", "contained", "hermetic"];

/** A level as `CheckoutState` keeps it: a stronger one is a higher number. */
export const levelNumber = (level: IsolationLevel): number => LEVELS.indexOf(level);

/** Something below a tree: its own path, signature, digest and flags. */
export interface Member {
  readonly path: string;
  readonly signature: Float64Array;
  readonly digest: Digest | undefined;
  readonly flags: number;
}

const UNKNOWN_MEMBER: Member = {
  path: "",
  signature: new Float64Array(STAT_NUMBERS).fill(NO_SIGNATURE),
  digest: undefined,
  flags: PATH.directory,
};

export interface StateColumns {
  readonly signatures: Float64Array;
  readonly sizes: Float64Array;
  readonly hashes: Uint8Array;
  readonly pathFlags: Uint8Array;
  readonly actions: Uint8Array;
  /** Ledger seq + 1 of the travail each chore rests on; 0 for none. */
  readonly seqs: Uint32Array;
  readonly settled: Uint8Array;
  readonly durationsMs: Float32Array;
  /** Isolation each chore's result had: index into `LEVELS`. */
  readonly levels: Uint8Array;
}

export function emptyColumns(pathCount: number, choreCount: number): StateColumns {
  const signatures = new Float64Array(pathCount * STAT_NUMBERS);
  for (let i = 0; i < pathCount; i++) signatures[i * STAT_NUMBERS] = NO_SIGNATURE;
  return {
    signatures,
    sizes: new Float64Array(pathCount),
    hashes: new Uint8Array(pathCount * 32),
    pathFlags: new Uint8Array(pathCount),
    actions: new Uint8Array(choreCount * 32),
    seqs: new Uint32Array(choreCount),
    settled: new Uint8Array(choreCount),
    durationsMs: new Float32Array(choreCount),
    levels: new Uint8Array(choreCount),
  };
}

/** A state file as this process read or wrote it. */
export interface StateBase {
  /** Names exactly this file. */
  readonly digest: Sha256;
  readonly sizeBytes: number;
  readonly reads: readonly ReadSignature[];
  readonly ledger: string;
  /** Its own signature; absent where it was not read from a checkout. */
  readonly signature?: Float64Array | undefined;
}

/**
 * What begat remembers of a checkout: for each path of the plan the digest of its content (of an output: the
 * recorded result) and the stat signature under which the checkout last had it; for each chore its last action.
 * Disposable: without it the next build looks everything up again.
 */
export class CheckoutState {
  readonly planId: string;
  /** Rows that are not as the file in `base` has them. */
  readonly changed: { readonly paths: ChangedRows; readonly chores: ChangedRows };
  /** The state file of which this is a newer one; `undefined` where there is none. */
  base: StateBase | undefined;
  readonly #columns: StateColumns;
  readonly #members = new Map<number, readonly Member[]>();
  readonly #texts = new Map<number, string>();
  reads: readonly ReadSignature[] = [];
  /** Identity of the host's tools, by the key of each tool set. */
  hosts: Record<string, string> = {};
  /** What `build.begin` commits to, by what was asked for of this plan. */
  planRoots: Readonly<Record<string, Sha256>> = {};
  /** Which ledger it rests on, as `Checkout` tells ledgers apart. */
  ledger = "";
  /** What recipes get when the user asks for nothing in particular; `undefined` before that was measured. */
  defaultLevels: MeasuredLevels | undefined;

  constructor(planId: string, pathCount: number, choreCount: number, columns = emptyColumns(pathCount, choreCount)) {
    this.planId = planId;
    this.#columns = columns;
    this.changed = { paths: new ChangedRows(pathCount), chores: new ChangedRows(choreCount) };
  }

  /** Only to be looked at: what is written goes through the methods, so that it is known what changed. */
  get columns(): { readonly [name in keyof StateColumns]: Readonly<StateColumns[name]> } {
    return this.#columns;
  }

  get sizes(): Readonly<Float64Array> {
    return this.#columns.sizes;
  }

  get hashes(): Readonly<Uint8Array> {
    return this.#columns.hashes;
  }

  get pathFlags(): Readonly<Uint8Array> {
    return this.#columns.pathFlags;
  }

  get seqs(): Readonly<Uint32Array> {
    return this.#columns.seqs;
  }

  get settled(): Readonly<Uint8Array> {
    return this.#columns.settled;
  }

  get durationsMs(): Readonly<Float32Array> {
    return this.#columns.durationsMs;
  }

  get levels(): Readonly<Uint8Array> {
    return this.#columns.levels;
  }

  get members(): ReadonlyMap<number, readonly Member[]> {
    return this.#members;
  }

  /** Targets of symlink outputs and values of properties, by path number. */
  get texts(): ReadonlyMap<number, string> {
    return this.#texts;
  }

  /** Remembers what `find` answers, for a few questions. */
  planRoot(question: string, find: () => Sha256): Sha256 {
    const known = this.planRoots[question];
    if (known !== undefined) return known;
    const root = find();
    this.planRoots = Object.fromEntries([...Object.entries(this.planRoots).slice(1 - MOST_ROOTS), [question, root]]);
    return root;
  }

  knows(path: number): boolean {
    return ((this.pathFlags[path] as number) & PATH.known) !== 0;
  }

  is(path: number, flag: keyof typeof PATH): boolean {
    return ((this.pathFlags[path] as number) & PATH[flag]) !== 0;
  }

  digest(path: number): Digest | undefined {
    if (!this.knows(path)) return undefined;
    return { hash: readHash(this.hashes, path), sizeBytes: this.sizes[path] as number };
  }

  /** Answers whether content, kind or executability differ from before. */
  setDigest(path: number, digest: Digest, flags: number): boolean {
    const before = this.pathFlags[path] as number;
    const same = before === (flags | PATH.known) && readHash(this.hashes, path) === digest.hash;
    if (same) return false;
    this.changed.paths.add(path);
    writeHash(this.#columns.hashes, path, digest.hash);
    this.#columns.sizes[path] = digest.sizeBytes;
    this.#columns.pathFlags[path] = flags | PATH.known;
    this.clearSignature(path);
    // The members on record are those of another tree now; that begat put one there is still worth knowing.
    if (this.#members.has(path)) this.#members.set(path, [UNKNOWN_MEMBER]);
    return true;
  }

  forget(path: number): void {
    this.#columns.pathFlags[path] = 0;
    this.clearSignature(path);
    this.#members.delete(path);
  }

  setMembers(path: number, members: readonly Member[]): void {
    this.changed.paths.add(path);
    this.#members.set(path, members);
  }

  /** Answers whether there were any. */
  removeMembers(path: number): boolean {
    this.changed.paths.add(path);
    return this.#members.delete(path);
  }

  removeText(path: number): void {
    if (this.#texts.delete(path)) this.changed.paths.add(path);
  }

  setText(path: number, text: string): void {
    if (this.#texts.get(path) === text) return;
    this.changed.paths.add(path);
    this.#texts.set(path, text);
  }

  clearSignature(path: number): void {
    this.changed.paths.add(path);
    this.#columns.signatures[path * STAT_NUMBERS] = NO_SIGNATURE;
  }

  /** Whether what the checkout has there has been looked at long enough after it changed to be sure of it. */
  isCertain(path: number): boolean {
    if (!this.is(path, "tree")) return this.#columns.signatures[path * STAT_NUMBERS] !== NO_SIGNATURE;
    return this.members.get(path)?.every(({ signature }) => signature[0] !== NO_SIGNATURE) ?? false;
  }

  /** Whether the checkout's file still is the one that had this path's digest. */
  hasSignature(path: number, numbers: Float64Array, at: number): boolean {
    const own = path * STAT_NUMBERS;
    const { signatures } = this.#columns;
    for (let i = 0; i < STAT_NUMBERS; i++) if (signatures[own + i] !== numbers[at + i]) return false;
    return true;
  }

  signature(path: number): Float64Array {
    return this.#columns.signatures.subarray(path * STAT_NUMBERS, (path + 1) * STAT_NUMBERS);
  }

  setSignature(path: number, numbers: Float64Array, at: number): void {
    this.changed.paths.add(path);
    this.#columns.signatures.set(numbers.subarray(at, at + STAT_NUMBERS), path * STAT_NUMBERS);
  }

  action(chore: number): Sha256 {
    return readHash(this.#columns.actions, chore);
  }

  setAction(chore: number, action: Sha256): void {
    this.changed.chores.add(chore);
    writeHash(this.#columns.actions, chore, action);
  }

  /** Its result holds for its inputs as they are. */
  settle(chore: number): void {
    this.#setSettled(chore, 1);
  }

  unsettle(chore: number): void {
    this.#setSettled(chore, 0);
  }

  #setSettled(chore: number, settled: number): void {
    if (this.#columns.settled[chore] === settled) return;
    this.changed.chores.add(chore);
    this.#columns.settled[chore] = settled;
  }

  /** @param seq Ledger seq + 1 of the travail that the chore rests on; 0 for none. */
  setSeq(chore: number, seq: number): void {
    if (this.#columns.seqs[chore] === seq) return;
    this.changed.chores.add(chore);
    this.#columns.seqs[chore] = seq;
  }

  setDuration(chore: number, durationMs: number): void {
    this.changed.chores.add(chore);
    this.#columns.durationsMs[chore] = durationMs;
  }

  setLevel(chore: number, level: IsolationLevel): void {
    this.changed.chores.add(chore);
    this.#columns.levels[chore] = levelNumber(level);
  }

  hasLevel(chore: number, minimum: IsolationLevel): boolean {
    return (this.levels[chore] as number) >= levelNumber(minimum);
  }

  /** The weakest level among the settled chores that `among` marks; `undefined` where there is none. */
  weakestLevel(among: Uint8Array, plan: Plan): IsolationLevel | undefined {
    let weakest = LEVELS.length;
    const { settled, levels } = this;
    const { flags } = plan.columns;
    for (let chore = 0; chore < among.length && weakest > 0; chore++) {
      if (!among[chore] || !settled[chore] || (levels[chore] as number) >= weakest) continue;
      if (((flags[chore] as number) & FLAG.image) === 0) weakest = levels[chore] as number;
    }
    return LEVELS[weakest];
  }
}

export function readHash(hashes: Readonly<Uint8Array>, index: number): Sha256 {
  return Buffer.from(hashes.buffer, hashes.byteOffset + index * 32, 32).toString("hex") as Sha256;
}

export function writeHash(hashes: Uint8Array, index: number, hash: Sha256): void {
  invariant(hash.length === 64, `a hash of ${hash.length} digits`);
  Buffer.from(hashes.buffer, hashes.byteOffset + index * 32, 32).write(hash, "hex");
}

/** Signature of something below a tree into `numbers`; of a symlink, its own. `false` where nothing is. */
export function memberSignature(checkout: Checkout, path: string, flags: number, numbers: Float64Array): boolean {
  const full = checkout.absolute(path);
  if ((flags & PATH.symlink) === 0) return checkout.fs.statInto(full, numbers, 0);
  const found = checkout.fs.lstat(full);
  if (found?.kind !== "symlink") return false;
  numbers.set([found.sizeBytes, found.mtimeMs, found.ctimeMs, found.inode, SYMLINK_NUMBER]);
  return true;
}

const SYMLINK_NUMBER = 2 * 4096 + 0o777;
