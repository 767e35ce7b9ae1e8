import type { SandboxMount } from "../sandbox/sandbox-description.ts";

/** The format is in docs/formats.md, "Spawn server"; the other side is native/order.c. */
export const PROTOCOL_VERSION = 1;

export const FRAME = { run: 1, kill: 2, slot: 3, ready: 128, ended: 129, made: 130 } as const;

const FIELD = {
  id: 1,
  namespaces: 2,
  options: 3,
  user: 4,
  hostName: 5,
  directory: 6,
  argument: 7,
  variable: 8,
  out: 9,
  err: 10,
  limit: 11,
  processor: 12,
  filter: 13,
  mount: 14,
  patience: 15,
} as const;

const NAMESPACES = { mnt: 1, pid: 2, net: 4, ipc: 8, uts: 16, cgroup: 32, user: 64 } as const;
const OPTIONS = { noAslr: 1, noUserNamespaces: 2, newSession: 4 } as const;
const MOUNTS: Readonly<Record<SandboxMount["kind"], number>> = {
  image: 1,
  "empty-root": 2,
  "read-only": 3,
  writable: 4,
  link: 5,
  proc: 6,
  dev: 7,
};
/** From asm-generic/resource.h; the same on x86_64 and aarch64. */
const LIMITS = { fileBytes: 1, data: 2, core: 4, processes: 6, openFiles: 7 } as const;

export type NamespaceName = keyof typeof NAMESPACES;

/** One field after the other; what it holds at the end is a frame without its head, or a part of one. */
export class OrderWriter {
  #bytes = Buffer.allocUnsafe(2048);
  #length = 0;

  id(value: number): this {
    return this.#number(FIELD.id, value);
  }

  namespaces(names: readonly NamespaceName[]): this {
    return this.#number(
      FIELD.namespaces,
      names.reduce((sum, name) => sum | NAMESPACES[name], 0),
    );
  }

  options(names: readonly (keyof typeof OPTIONS)[]): this {
    return this.#number(
      FIELD.options,
      names.reduce((sum, name) => sum | OPTIONS[name], 0),
    );
  }

  user(uid: number): this {
    const at = this.#head(FIELD.user, 8);
    this.#bytes.writeUInt32LE(uid, at);
    this.#bytes.writeUInt32LE(uid, at + 4);
    return this;
  }

  hostName(name: string): this {
    return this.#text(FIELD.hostName, name);
  }

  directory(path: string): this {
    return this.#text(FIELD.directory, path);
  }

  argument(word: string): this {
    return this.#text(FIELD.argument, word);
  }

  variable(name: string, value: string): this {
    return this.#text(FIELD.variable, `${name}=${value}`);
  }

  /** FIFOs. */
  streams(out: string, err: string): this {
    return this.#text(FIELD.out, out).#text(FIELD.err, err);
  }

  /** A later one of the same name counts. */
  limit(name: keyof typeof LIMITS, soft: number, hard = soft): this {
    const at = this.#head(FIELD.limit, 20);
    this.#bytes.writeUInt32LE(LIMITS[name], at);
    this.#bytes.writeBigUInt64LE(BigInt(soft), at + 4);
    this.#bytes.writeBigUInt64LE(BigInt(hard), at + 12);
    return this;
  }

  processor(number: number): this {
    return this.#number(FIELD.processor, number);
  }

  filter(program: Buffer): this {
    const at = this.#head(FIELD.filter, program.length);
    program.copy(this.#bytes, at);
    return this;
  }

  mount({ kind, from, to }: SandboxMount): this {
    const size = 3 + Buffer.byteLength(from) + Buffer.byteLength(to);
    let at = this.#head(FIELD.mount, size);
    at = this.#bytes.writeUInt8(MOUNTS[kind], at);
    at += this.#bytes.write(from, at);
    at = this.#bytes.writeUInt8(0, at);
    at += this.#bytes.write(to, at);
    this.#bytes.writeUInt8(0, at);
    return this;
  }

  /** Milliseconds. */
  patience(value: number): this {
    return this.#number(FIELD.patience, value);
  }

  /** Fields written elsewhere. */
  fields(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  frame(type: number): Buffer {
    const frame = Buffer.allocUnsafe(this.#length + 5);
    frame.writeUInt32LE(this.#length + 1, 0);
    frame.writeUInt8(type, 4);
    this.#bytes.copy(frame, 5, 0, this.#length);
    return frame;
  }

  #number(tag: number, value: number): this {
    const at = this.#head(tag, 4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  #text(tag: number, text: string): this {
    const size = Buffer.byteLength(text);
    const at = this.#head(tag, size + 1);
    this.#bytes.write(text, at);
    this.#bytes.writeUInt8(0, at + size);
    return this;
  }

  #head(tag: number, size: number): number {
    const at = this.#room(size + 5);
    this.#bytes.writeUInt8(tag, at);
    this.#bytes.writeUInt32LE(size, at + 1);
    return at + 5;
  }

  #room(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#length * 2);
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }
}
