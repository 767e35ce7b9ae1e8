import type { Sha256 } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import {
  type Column,
  type ColumnFile,
  columnFileParts,
  columnOf,
  decodeColumnFile,
  StringColumn,
} from "./column-file.ts";
import type { ReadSignature } from "./freshness.ts";
import type { MeasuredLevels } from "./levels.ts";
import { CheckoutState, type Member, PATH, readHash, type StateColumns, writeHash } from "./state.ts";

const KIND = "begat-state";
const DELTA_KIND = "begat-state-delta";
const VERSION = 4;

interface Meta {
  readonly ascii: boolean;
  readonly hosts: Readonly<Record<string, string>>;
  /** Path number of each tree whose members are listed -> range among the members. */
  readonly trees: readonly (readonly [path: number, from: number, to: number])[];
  readonly texts: Readonly<Record<string, string>>;
  readonly defaultLevels?: MeasuredLevels | undefined;
  readonly planRoots: Readonly<Record<string, Sha256>>;
}

interface StateMeta extends Meta {
  readonly planId: string;
  readonly reads: readonly ReadSignature[];
  readonly ledger: string;
}

interface DeltaMeta extends Meta {
  /** The state file that it changes. */
  readonly base: Sha256;
  /** Absent: as in the state file. */
  readonly reads?: readonly ReadSignature[] | undefined;
}

type ColumnType = "Float64Array" | "Uint8Array" | "Uint32Array" | "Float32Array";

/** Elements a row, and of which type. */
const PATH_COLUMNS = {
  signatures: [STAT_NUMBERS, "Float64Array"],
  sizes: [1, "Float64Array"],
  hashes: [32, "Uint8Array"],
  pathFlags: [1, "Uint8Array"],
} as const satisfies Partial<Record<keyof StateColumns, readonly [number, ColumnType]>>;
const CHORE_COLUMNS = {
  actions: [32, "Uint8Array"],
  seqs: [1, "Uint32Array"],
  settled: [1, "Uint8Array"],
  durationsMs: [1, "Float32Array"],
  levels: [1, "Uint8Array"],
} as const satisfies Partial<Record<keyof StateColumns, readonly [number, ColumnType]>>;
type Table = Readonly<Record<string, readonly [width: number, type: ColumnType]>>;

/** A whole state as it is written: parts, some of them views of what the state changes from here on. */
export function encodeState(state: CheckoutState): ReturnType<typeof columnFileParts> {
  const { trees, ascii, columns } = memberColumns(state.members);
  const meta: StateMeta = {
    planId: state.planId,
    ascii,
    reads: state.reads,
    hosts: state.hosts,
    trees,
    texts: Object.fromEntries(state.texts),
    ledger: state.ledger,
    defaultLevels: state.defaultLevels,
    planRoots: state.planRoots,
  };
  return columnFileParts({ kind: KIND, version: VERSION, meta, columns: { ...state.columns, ...columns } });
}

/**
 * The rows that are not as the state file has them, which must have been written already; `undefined` where they are so
 * many that a new state file is due, or where it is not the same ledger's any more.
 */
export function encodeDelta(state: CheckoutState): readonly Uint8Array[] | undefined {
  const { base, changed } = state;
  const { rows: paths } = changed.paths;
  const { rows: chores } = changed.chores;
  if (base === undefined || paths === undefined || chores === undefined || base.ledger !== state.ledger)
    return undefined;
  const members = new Map<number, readonly Member[]>();
  const texts: Record<string, string> = {};
  for (const path of paths) {
    const list = state.members.get(path);
    if (list !== undefined) members.set(path, list);
    const text = state.texts.get(path);
    if (text !== undefined) texts[path] = text;
  }
  const { trees, ascii, columns } = memberColumns(members);
  const { hosts, defaultLevels, planRoots } = state;
  const reads = state.reads === base.reads ? undefined : state.reads;
  const meta: DeltaMeta = { base: base.digest, ascii, reads, hosts, trees, texts, defaultLevels, planRoots };
  const pathRows = Uint32Array.from(paths);
  const choreRows = Uint32Array.from(chores);
  const gathered = { ...gather(state, PATH_COLUMNS, pathRows), ...gather(state, CHORE_COLUMNS, choreRows) };
  return columnFileParts({
    kind: DELTA_KIND,
    version: VERSION,
    meta,
    columns: { paths: pathRows, chores: choreRows, ...gathered, ...columns },
  }).parts;
}

function gather({ columns }: CheckoutState, table: Table, rows: Uint32Array): Record<string, Column> {
  const gathered: Record<string, Column> = {};
  for (const [name, [width]] of Object.entries(table)) {
    const from = columns[name as keyof StateColumns] as Column;
    const to = new (from.constructor as new (length: number) => Column)(rows.length * width);
    rows.forEach((row, i) => {
      to.set(from.subarray(row * width, (row + 1) * width), i * width);
    });
    gathered[name] = to;
  }
  return gathered;
}

/**
 * A state as it was last written; `undefined` when `bytes` are no whole state file: then the caller starts from nothing.
 *
 * @param delta What was written after it. One that is not whole, or belongs to another state file, is passed over: what
 *   the file alone says was true as well, of a moment before.
 */
export function decodeState(bytes: Buffer, delta?: Buffer): CheckoutState | undefined {
  const file = decodeColumnFile(bytes, KIND, VERSION);
  if (file === undefined) return undefined;
  const meta = file.meta as StateMeta;
  const columns = Object.fromEntries(
    Object.entries({ ...PATH_COLUMNS, ...CHORE_COLUMNS }).map(([name, [, type]]) => [name, columnOf(file, name, type)]),
  ) as unknown as StateColumns;
  const state = new CheckoutState(meta.planId, columns.pathFlags.length, columns.settled.length, columns);
  state.ledger = meta.ledger;
  state.reads = meta.reads;
  takeMeta(state, file, meta);
  state.changed.paths.restart();
  state.changed.chores.restart();
  const digest = bytes.toString("hex", bytes.length - 32) as Sha256;
  state.base = { digest, sizeBytes: bytes.length, reads: meta.reads, ledger: meta.ledger };
  if (delta !== undefined) applyDelta(state, columns, delta);
  return state;
}

function applyDelta(state: CheckoutState, columns: StateColumns, bytes: Buffer): void {
  const file = decodeColumnFile(bytes, DELTA_KIND, VERSION);
  const meta = file?.meta as DeltaMeta | undefined;
  if (file === undefined || meta === undefined || meta.base !== state.base?.digest) return;
  const paths = columnOf(file, "paths", "Uint32Array");
  const chores = columnOf(file, "chores", "Uint32Array");
  scatter(file, PATH_COLUMNS, paths, columns);
  scatter(file, CHORE_COLUMNS, chores, columns);
  for (const path of paths) {
    state.removeMembers(path);
    state.removeText(path);
  }
  if (meta.reads !== undefined) state.reads = meta.reads;
  takeMeta(state, file, meta);
  state.changed.paths.restart(paths);
  state.changed.chores.restart(chores);
}

function scatter(file: ColumnFile, table: Table, rows: Uint32Array, columns: StateColumns): void {
  for (const [name, [width, type]] of Object.entries(table)) {
    const from = columnOf(file, name, type);
    const to = columns[name as keyof StateColumns];
    rows.forEach((row, i) => {
      to.set(from.subarray(i * width, (i + 1) * width), row * width);
    });
  }
}

function takeMeta(state: CheckoutState, file: ColumnFile, meta: Meta): void {
  state.hosts = { ...meta.hosts };
  state.defaultLevels = meta.defaultLevels;
  state.planRoots = meta.planRoots;
  for (const [path, text] of Object.entries(meta.texts)) state.setText(Number(path), text);
  if (meta.trees.length === 0) return;
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
    state.setMembers(path, list);
  }
}

function memberColumns(trees: ReadonlyMap<number, readonly Member[]>) {
  const members: Member[] = [];
  const ranges: [number, number, number][] = [];
  for (const [path, list] of trees) {
    ranges.push([path, members.length, members.length + list.length]);
    for (const member of list) members.push(member);
  }
  const names = StringColumn.of(members.map((member) => member.path));
  const memberSignatures = new Float64Array(members.length * STAT_NUMBERS);
  const memberHashes = new Uint8Array(members.length * 32);
  members.forEach((member, i) => {
    memberSignatures.set(member.signature, i * STAT_NUMBERS);
    if (member.digest) writeHash(memberHashes, i, member.digest.hash);
  });
  const columns: Record<string, Column> = {
    memberSignatures,
    memberHashes,
    memberSizes: Float64Array.from(members, (member) => member.digest?.sizeBytes ?? 0),
    memberFlags: Uint8Array.from(members, (member) => member.flags),
    ...names.columns("members"),
  };
  return { trees: ranges, ascii: names.ascii, columns };
}
