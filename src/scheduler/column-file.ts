import { createHash } from "node:crypto";
import { invariant, type Sha256, sha256, type TextPool } from "../base/index.ts";

/** Numbers in a row, by name. */
export type Column = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** A file of columns: what plan and state are kept in. `meta` is JSON. */
export interface ColumnFile {
  readonly kind: string;
  readonly version: number;
  readonly meta: unknown;
  readonly columns: Readonly<Record<string, Column>>;
}

const MAGIC = "BGC1";
const DIGEST_BYTES = 32;
const CONSTRUCTORS = { Uint8Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array } as const;
type ColumnType = keyof typeof CONSTRUCTORS;

interface Header {
  readonly kind: string;
  readonly version: number;
  readonly meta: unknown;
  readonly columns: readonly {
    readonly name: string;
    readonly type: ColumnType;
    readonly at: number;
    readonly length: number;
  }[];
}

/** The same memory as plain bytes. */
const viewOf = ({ buffer, byteOffset, byteLength }: Column): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const align8 = (n: number): number => (n + 7) & ~7;

/**
 * The bytes of `file`, one part after another: magic, header length, header, columns on 8-byte borders, SHA-256 of all
 * before. The columns are views: of a million chores they need not stand in memory twice.
 */
export function columnFileParts(file: ColumnFile): { readonly parts: readonly Uint8Array[]; readonly digest: Sha256 } {
  const columns: { name: string; type: ColumnType; at: number; length: number }[] = [];
  let at = 0;
  for (const [name, column] of Object.entries(file.columns)) {
    columns.push({ name, type: column.constructor.name as ColumnType, at, length: column.length });
    at = align8(at + column.byteLength);
  }
  const header = Buffer.from(
    JSON.stringify({ kind: file.kind, version: file.version, meta: file.meta, columns } satisfies Header),
  );
  const start = align8(8 + header.length);
  const head = Buffer.alloc(start);
  head.write(MAGIC, 0, "latin1");
  head.writeUInt32LE(header.length, 4);
  header.copy(head, 8);
  const parts: Uint8Array[] = [head];
  for (const { name } of columns) {
    const column = file.columns[name];
    invariant(column !== undefined, `column ${name} vanished`);
    const bytes = viewOf(column);
    parts.push(bytes);
    if (bytes.length % 8 !== 0) parts.push(Buffer.alloc(8 - (bytes.length % 8)));
  }
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  const digest = hash.digest("hex") as Sha256;
  parts.push(Buffer.from(digest, "hex"));
  return { parts, digest };
}

/**
 * The columns of `bytes` as views into it, or `undefined` when it is not whole, not of this kind and version, or
 * altered: such a file is disposable, and the caller does without.
 */
export function decodeColumnFile(bytes: Buffer, kind: string, version: number): ColumnFile | undefined {
  if (bytes.length < 8 + DIGEST_BYTES || bytes.toString("latin1", 0, 4) !== MAGIC) return undefined;
  const end = bytes.length - DIGEST_BYTES;
  if (sha256(bytes.subarray(0, end)) !== bytes.toString("hex", end)) return undefined;
  const headerLength = bytes.readUInt32LE(4);
  const start = align8(8 + headerLength);
  if (start > end) return undefined;
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Header;
  if (header.kind !== kind || header.version !== version) return undefined;
  // Views need 8-byte alignment of the memory itself; a file read whole has it, a slice of a pool may not.
  const base = bytes.byteOffset % 8 === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
  const columns: Record<string, Column> = {};
  for (const { name, type, at, length } of header.columns) {
    columns[name] = new CONSTRUCTORS[type](base.buffer as ArrayBuffer, base.byteOffset + start + at, length);
  }
  return { kind, version, meta: header.meta, columns };
}

/** A column by name and type; its absence is a mistake of ours, since version and digest were right. */
export function columnOf<T extends ColumnType>(
  file: ColumnFile,
  name: string,
  type: T,
): InstanceType<(typeof CONSTRUCTORS)[T]> {
  const column = file.columns[name];
  invariant(column?.constructor.name === type, () => `${file.kind} file has no column ${name} of ${type}`);
  return column as InstanceType<(typeof CONSTRUCTORS)[T]>;
}

/** Strings as one run of UTF-8 with offsets; decoded one at a time, on demand. */
export class StringColumn {
  readonly bytes: Buffer;
  readonly offsets: Uint32Array;
  /** ASCII only: then decoding is a copy. */
  readonly #ascii: boolean;

  constructor(bytes: Uint8Array, offsets: Uint32Array, ascii: boolean) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offsets = offsets;
    this.#ascii = ascii;
  }

  static of(strings: readonly string[]): StringColumn {
    const offsets = new Uint32Array(strings.length + 1);
    const bytes = Buffer.from(strings.join(""));
    let at = 0;
    let ascii = true;
    for (let i = 0; i < strings.length; i++) {
      const text = strings[i] as string;
      const length = Buffer.byteLength(text);
      if (length !== text.length) ascii = false;
      at += length;
      offsets[i + 1] = at;
    }
    return new StringColumn(bytes, offsets, ascii);
  }

  /** Views of the pool: it must not grow any more. */
  static ofPool(pool: TextPool): StringColumn {
    const { bytes, offsets } = pool.contents();
    return new StringColumn(bytes, offsets, pool.ascii);
  }

  get count(): number {
    return this.offsets.length - 1;
  }

  get ascii(): boolean {
    return this.#ascii;
  }

  at(index: number): string {
    const from = this.offsets[index] as number;
    const to = this.offsets[index + 1] as number;
    return this.#ascii ? this.bytes.toString("latin1", from, to) : this.bytes.toString("utf8", from, to);
  }

  /** As columns `name.bytes` and `name.offsets`; `ascii` goes into the meta. */
  columns(name: string): Record<string, Column> {
    return { [`${name}.bytes`]: viewOf(this.bytes), [`${name}.offsets`]: this.offsets };
  }

  static from(file: ColumnFile, name: string, ascii: boolean): StringColumn {
    return new StringColumn(
      columnOf(file, `${name}.bytes`, "Uint8Array"),
      columnOf(file, `${name}.offsets`, "Uint32Array"),
      ascii,
    );
  }
}
