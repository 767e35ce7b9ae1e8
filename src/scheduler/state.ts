import { type Digest, type IsolationLevel, invariant, type Sha256 } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";
import { type ColumnFile, columnFileParts, columnOf, decodeColumnFile, StringColumn } from "./column-file.ts";
import type { ReadSignature } from "./freshness.ts";
import type { MeasuredLevels } from "./levels.ts";
import { FLAG, type Plan } from "./plan.ts";

/** `scaffold`: a directory that is only there for what chores make in it; watched, but no part of the tree it is in. */
export const PATH = { known: 1, executable: 2, tree: 4, symlink: 8, directory: 16, scaffold: 32 } as const;

/** A size no file has: such a signature never matches, so the file is looked at again. */
const NO_SIGNATURE = -1;

const LEVELS: readonly IsolationLevel[] = ["none", "contained", "hermetic"];

/** A level as `CheckoutState` keeps it: a stronger one is a higher number. */
export const levelNumber = (level: IsolationLevel): number => LEVELS.indexOf(level);

const KIND = "begat-state";
const VERSION = 3;

interface StateMeta {
  readonly planId: string;
  readonly ascii: boolean;
  readonly reads: readonly ReadSignature[];
  readonly hosts: Readonly<Record<string, string>>;
  /** Path number of each tree whose members are listed -> range among the members. */
  readonly trees: readonly (readonly [path: number, from: number, to: number])[];
  readonly texts: Readonly<Record<string, string>>;
  readonly ledger: string;
  readonly defaultLevels?: MeasuredLevels | undefined;
}

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

/**
 * What begat remembers of a checkout: for each path of the plan the digest of its content (of an output: the
 * recorded result) and the stat signature under which the checkout last had it; for each chore its last action.
 * Disposable: without it the next build looks everything up again.
 */
export class CheckoutState {
  readonly planId: string;
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
  readonly members = new Map<number, readonly Member[]>();
  /** Targets of symlink outputs and values of properties, by path number. */
  readonly texts = new Map<number, string>();
  reads: readonly ReadSignature[] = [];
  /** Identity of the host's tools, by the key of each tool set. */
  hosts: Record<string, string> = {};
  /** Which ledger it rests on, as `Checkout` tells ledgers apart. */
  ledger = "";
  /** What recipes get when the user asks for nothing in particular; `undefined` before that was measured. */
  defaultLevels: MeasuredLevels | undefined;

  constructor(planId: string, pathCount: number, choreCount: number) {
    this.planId = planId;
    this.signatures = new Float64Array(pathCount * STAT_NUMBERS);
    for (let i = 0; i < pathCount; i++) this.signatures[i * STAT_NUMBERS] = NO_SIGNATURE;
    this.sizes = new Float64Array(pathCount);
    this.hashes = new Uint8Array(pathCount * 32);
    this.pathFlags = new Uint8Array(pathCount);
    this.actions = new Uint8Array(choreCount * 32);
    this.seqs = new Uint32Array(choreCount);
    this.settled = new Uint8Array(choreCount);
    this.durationsMs = new Float32Array(choreCount);
    this.levels = new Uint8Array(choreCount);
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
    writeHash(this.hashes, path, digest.hash);
    this.sizes[path] = digest.sizeBytes;
    this.pathFlags[path] = flags | PATH.known;
    this.clearSignature(path);
    // The members on record are those of another tree now; that begat put one there is still worth knowing.
    if (this.members.has(path)) this.members.set(path, [UNKNOWN_MEMBER]);
    return true;
  }

  forget(path: number): void {
    this.pathFlags[path] = 0;
    this.clearSignature(path);
    this.members.delete(path);
  }

  clearSignature(path: number): void {
    this.signatures[path * STAT_NUMBERS] = NO_SIGNATURE;
  }

  /** Whether what the checkout has there has been looked at long enough after it changed to be sure of it. */
  isCertain(path: number): boolean {
    if (!this.is(path, "tree")) return this.signatures[path * STAT_NUMBERS] !== NO_SIGNATURE;
    return this.members.get(path)?.every(({ signature }) => signature[0] !== NO_SIGNATURE) ?? false;
  }

  /** Whether the checkout's file still is the one that had this path's digest. */
  hasSignature(path: number, numbers: Float64Array, at: number): boolean {
    const own = path * STAT_NUMBERS;
    for (let i = 0; i < STAT_NUMBERS; i++) if (this.signatures[own + i] !== numbers[at + i]) return false;
    return true;
  }

  signature(path: number): Float64Array {
    return this.signatures.subarray(path * STAT_NUMBERS, (path + 1) * STAT_NUMBERS);
  }

  setSignature(path: number, numbers: Float64Array, at: number): void {
    this.signatures.set(numbers.subarray(at, at + STAT_NUMBERS), path * STAT_NUMBERS);
  }

  action(chore: number): Sha256 {
    return readHash(this.actions, chore);
  }

  setAction(chore: number, action: Sha256): void {
    writeHash(this.actions, chore, action);
  }

  setLevel(chore: number, level: IsolationLevel): void {
    this.levels[chore] = levelNumber(level);
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

  /** As it is written, in parts: views of what this state changes from here on. */
  encode(): readonly Uint8Array[] {
    const members: Member[] = [];
    const trees: [number, number, number][] = [];
    for (const [path, list] of this.members) {
      trees.push([path, members.length, members.length + list.length]);
      members.push(...list);
    }
    const names = StringColumn.of(members.map((member) => member.path));
    const memberSignatures = new Float64Array(members.length * STAT_NUMBERS);
    const memberHashes = new Uint8Array(members.length * 32);
    members.forEach((member, i) => {
      memberSignatures.set(member.signature, i * STAT_NUMBERS);
      if (member.digest) writeHash(memberHashes, i, member.digest.hash);
    });
    const meta: StateMeta = {
      planId: this.planId,
      ascii: names.ascii,
      reads: this.reads,
      hosts: this.hosts,
      trees,
      texts: Object.fromEntries(this.texts),
      ledger: this.ledger,
      defaultLevels: this.defaultLevels,
    };
    const { parts } = columnFileParts({
      kind: KIND,
      version: VERSION,
      meta,
      columns: {
        signatures: this.signatures,
        sizes: this.sizes,
        hashes: this.hashes,
        pathFlags: this.pathFlags,
        actions: this.actions,
        seqs: this.seqs,
        settled: this.settled,
        durationsMs: this.durationsMs,
        levels: this.levels,
        memberSignatures,
        memberHashes,
        memberSizes: Float64Array.from(members, (member) => member.digest?.sizeBytes ?? 0),
        memberFlags: Uint8Array.from(members, (member) => member.flags),
        ...names.columns("members"),
      },
    });
    return parts;
  }

  /** `undefined` when `bytes` are no whole state: then the caller starts from nothing. */
  static decode(bytes: Buffer): CheckoutState | undefined {
    const file = decodeColumnFile(bytes, KIND, VERSION);
    return file && fromFile(file);
  }
}

function fromFile(file: ColumnFile): CheckoutState {
  const meta = file.meta as StateMeta;
  const state = Object.create(CheckoutState.prototype) as { -readonly [K in keyof CheckoutState]: CheckoutState[K] };
  state.planId = meta.planId;
  state.signatures = columnOf(file, "signatures", "Float64Array");
  state.sizes = columnOf(file, "sizes", "Float64Array");
  state.hashes = columnOf(file, "hashes", "Uint8Array");
  state.pathFlags = columnOf(file, "pathFlags", "Uint8Array");
  state.actions = columnOf(file, "actions", "Uint8Array");
  state.seqs = columnOf(file, "seqs", "Uint32Array");
  state.settled = columnOf(file, "settled", "Uint8Array");
  state.durationsMs = columnOf(file, "durationsMs", "Float32Array");
  state.levels = columnOf(file, "levels", "Uint8Array");
  state.ledger = meta.ledger;
  state.defaultLevels = meta.defaultLevels;
  state.reads = meta.reads;
  state.hosts = { ...meta.hosts };
  state.texts = new Map(Object.entries(meta.texts).map(([path, text]) => [Number(path), text]));
  const members = new Map<number, readonly Member[]>();
  if (meta.trees.length > 0) {
    const names = StringColumn.from(file, "members", meta.ascii);
    const signatures = columnOf(file, "memberSignatures", "Float64Array");
    const hashes = columnOf(file, "memberHashes", "Uint8Array");
    const sizes = columnOf(file, "memberSizes", "Float64Array");
    const flags = columnOf(file, "memberFlags", "Uint8Array");
    for (const [path, from, to] of meta.trees) {
      const list: Member[] = [];
      for (let i = from; i < to; i++) {
        const hash = readHash(hashes, i);
        list.push({
          path: names.at(i),
          signature: signatures.subarray(i * STAT_NUMBERS, (i + 1) * STAT_NUMBERS),
          digest: (flags[i] as number) & PATH.directory ? undefined : { hash, sizeBytes: sizes[i] as number },
          flags: flags[i] as number,
        });
      }
      members.set(path, list);
    }
  }
  state.members = members;
  return state as CheckoutState;
}

/**
 * A state for a new plan that keeps what still holds: digests and signatures by path, actions and outcomes of chores
 * declared exactly as before.
 */
export function carryState(before: CheckoutState, was: Plan, plan: Plan, planId: string): CheckoutState {
  const state = new CheckoutState(planId, plan.pathCount, plan.choreCount);
  state.reads = before.reads;
  state.hosts = before.hosts;
  state.defaultLevels = before.defaultLevels;
  const pathBefore = new Map<string, number>();
  for (let path = 0; path < was.pathCount; path++) pathBefore.set(was.path(path), path);
  for (let path = 0; path < plan.pathCount; path++) {
    const old = pathBefore.get(plan.path(path));
    if (old === undefined) continue;
    // A path that turned from source to output, or back, means another thing.
    if ((was.columns.producer[old] as number) >= 0 !== (plan.columns.producer[path] as number) >= 0) continue;
    state.signatures.set(before.signatures.subarray(old * STAT_NUMBERS, (old + 1) * STAT_NUMBERS), path * STAT_NUMBERS);
    state.sizes[path] = before.sizes[old] as number;
    state.hashes.set(before.hashes.subarray(old * 32, (old + 1) * 32), path * 32);
    state.pathFlags[path] = before.pathFlags[old] as number;
    const members = before.members.get(old);
    if (members) state.members.set(path, members);
    const text = before.texts.get(old);
    if (text !== undefined) state.texts.set(path, text);
  }
  const choreBefore = new Map<string, number>();
  for (let chore = 0; chore < was.choreCount; chore++) choreBefore.set(was.label(chore), chore);
  for (let chore = 0; chore < plan.choreCount; chore++) {
    const old = choreBefore.get(plan.label(chore));
    if (old === undefined) continue;
    state.durationsMs[chore] = before.durationsMs[old] as number;
    const alike = [0, 1].every((i) => was.columns.declared[2 * old + i] === plan.columns.declared[2 * chore + i]);
    if (!alike) continue;
    state.actions.set(before.actions.subarray(old * 32, (old + 1) * 32), chore * 32);
    state.seqs[chore] = before.seqs[old] as number;
    state.settled[chore] = before.settled[old] as number;
    state.levels[chore] = before.levels[old] as number;
  }
  return state;
}

function readHash(hashes: Uint8Array, index: number): Sha256 {
  return Buffer.from(hashes.buffer, hashes.byteOffset + index * 32, 32).toString("hex") as Sha256;
}

function writeHash(hashes: Uint8Array, index: number, hash: Sha256): void {
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
