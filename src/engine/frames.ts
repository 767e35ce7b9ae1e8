/** docs/formats.md, "Warm engine". */
const ORDER = { ask: 1, status: 2, stop: 3, signal: 4, size: 5, closed: 6 } as const;
const ANSWER = { done: 128, declined: 129, status: 130, builder: 131, output: 132, begun: 133 } as const;
const FIELD = {
  bundle: 1,
  argument: 2,
  directory: 3,
  variable: 4,
  terminal: 5,
  size: 6,
  world: 7,
  user: 8,
  standing: 9,
  handing: 10,
} as const;

const LARGEST_FRAME = 16 * 1024 * 1024;
const HEAD_BYTES = 5;

/** Everything about a command that an answer may depend on. */
export interface AskOrder {
  /** Bytes of begat.cjs, which name the bundle by its hash. */
  readonly bundle: Buffer;
  readonly args: readonly string[];
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly columns: number;
  readonly rows: number;
  /** Two processes that agree in this see the same files under the same names. */
  readonly world: string;
  readonly uid: number;
  readonly gid: number;
  /** Whoever asks speaks with builders too. */
  readonly takesBuilder?: boolean;
  /** Only for a builder: see `readStanding`. */
  readonly standing?: string;
}

/** `signal` is its number; `closed`: nobody reads the output any more. These come while a builder builds. */
export type Order =
  | { readonly kind: "ask"; readonly ask: AskOrder }
  | { readonly kind: "status" }
  | { readonly kind: "stop" }
  | { readonly kind: "signal"; readonly signal: number }
  | { readonly kind: "size"; readonly columns: number; readonly rows: number }
  | { readonly kind: "closed" };

/** `builder`: nothing was done, and the builder that listens there, beside the engine, is the one to ask. */
export type EngineAnswer =
  | { readonly kind: "done"; readonly exitCode: number; readonly stdout: string }
  | { readonly kind: "declined"; readonly because: string }
  | { readonly kind: "status"; readonly status: unknown }
  | { readonly kind: "builder"; readonly socket: string }
  | { readonly kind: "output"; readonly stream: 1 | 2; readonly text: string }
  | { readonly kind: "begun" };

function frame(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  head.writeUInt32LE(length + 1, 0);
  head[4] = kind;
  return Buffer.concat([head, ...parts]);
}

function field(tag: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = tag;
  head.writeUInt32LE(value.length, 1);
  return Buffer.concat([head, value]);
}

function pair(first: number, second: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(first, 0);
  bytes.writeUInt32LE(second, 4);
  return bytes;
}

export function encodeOrder(order: Order): Buffer {
  if (order.kind === "signal") return frame(ORDER.signal, Buffer.of(order.signal));
  if (order.kind === "size") return frame(ORDER.size, pair(order.columns, order.rows));
  if (order.kind !== "ask") return frame(ORDER[order.kind]);
  const { ask } = order;
  const terminal = (ask.stdoutIsTerminal ? 1 : 0) | (ask.stderrIsTerminal ? 2 : 0);
  return frame(
    ORDER.ask,
    field(FIELD.bundle, ask.bundle),
    ...ask.args.map((word) => field(FIELD.argument, Buffer.from(word))),
    field(FIELD.directory, Buffer.from(ask.directory)),
    ...Object.entries(ask.env).map(([name, value]) => field(FIELD.variable, Buffer.from(`${name}=${value}`))),
    field(FIELD.terminal, Buffer.of(terminal)),
    ...(ask.columns > 0 ? [field(FIELD.size, pair(ask.columns, ask.rows))] : []),
    field(FIELD.world, Buffer.from(ask.world)),
    field(FIELD.user, pair(ask.uid, ask.gid)),
    ...(ask.takesBuilder ? [field(FIELD.handing, Buffer.of(1))] : []),
    ...(ask.standing === undefined ? [] : [field(FIELD.standing, Buffer.from(ask.standing))]),
  );
}

export function encodeAnswer(answer: EngineAnswer): Buffer {
  switch (answer.kind) {
    case "done":
      // Four bytes, of which a process can have only the first as its status.
      return frame(ANSWER.done, Buffer.of(answer.exitCode, 0, 0, 0), Buffer.from(answer.stdout));
    case "declined":
      return frame(ANSWER.declined, Buffer.from(answer.because));
    case "status":
      return frame(ANSWER.status, Buffer.from(JSON.stringify(answer.status)));
    case "builder":
      return frame(ANSWER.builder, Buffer.from(answer.socket));
    case "begun":
      return frame(ANSWER.begun);
    case "output":
      return frame(ANSWER.output, Buffer.of(answer.stream), Buffer.from(answer.text));
  }
}

/** @returns `undefined` for what is no order. */
export function decodeOrder(kind: number, content: Buffer): Order | undefined {
  if (kind === ORDER.status) return { kind: "status" };
  if (kind === ORDER.stop) return { kind: "stop" };
  if (kind === ORDER.closed) return { kind: "closed" };
  if (kind === ORDER.signal) return content.length === 1 ? { kind: "signal", signal: content[0] as number } : undefined;
  if (kind === ORDER.size && content.length === 8)
    return { kind: "size", columns: content.readUInt32LE(0), rows: content.readUInt32LE(4) };
  if (kind !== ORDER.ask) return undefined;
  const args: string[] = [];
  const env: Record<string, string> = {};
  const single = new Map<number, Buffer>();
  for (let at = 0; at < content.length; ) {
    if (content.length - at < 5) return undefined;
    const tag = content[at] as number;
    const end = at + 5 + content.readUInt32LE(at + 1);
    if (end > content.length) return undefined;
    const value = content.subarray(at + 5, end);
    at = end;
    // Words that are no UTF-8 mean something else to Node than to whoever typed them.
    if (tag === FIELD.argument && !isUtf8(value)) return undefined;
    if (tag === FIELD.argument) args.push(value.toString());
    else if (tag === FIELD.variable) addVariable(env, value.toString());
    else single.set(tag, value);
  }
  const bundle = single.get(FIELD.bundle);
  const directory = single.get(FIELD.directory);
  const world = single.get(FIELD.world);
  const user = single.get(FIELD.user);
  const size = single.get(FIELD.size);
  const standing = single.get(FIELD.standing);
  if (!bundle || !directory || !isUtf8(directory) || !world || user?.length !== 8) return undefined;
  if (size !== undefined && size.length !== 8) return undefined;
  const terminal = single.get(FIELD.terminal)?.[0] ?? 0;
  return {
    kind: "ask",
    ask: {
      bundle,
      args,
      directory: directory.toString(),
      env,
      stdoutIsTerminal: (terminal & 1) !== 0,
      stderrIsTerminal: (terminal & 2) !== 0,
      columns: size?.readUInt32LE(0) ?? 0,
      rows: size?.readUInt32LE(4) ?? 0,
      world: world.toString(),
      uid: user.readUInt32LE(0),
      gid: user.readUInt32LE(4),
      takesBuilder: single.get(FIELD.handing)?.[0] === 1,
      ...(standing === undefined ? {} : { standing: standing.toString() }),
    },
  };
}

const isUtf8 = (bytes: Buffer): boolean => Buffer.from(bytes.toString()).equals(bytes);

/** The first of two of one name counts, as for getenv(3). */
function addVariable(env: Record<string, string>, text: string): void {
  const equals = text.indexOf("=");
  if (equals <= 0 || Object.hasOwn(env, text.slice(0, equals))) return;
  Object.defineProperty(env, text.slice(0, equals), { value: text.slice(equals + 1), enumerable: true });
}

/** @returns `undefined` for what is no answer. */
export function decodeAnswer(kind: number, content: Buffer): EngineAnswer | undefined {
  if (kind === ANSWER.done && content.length >= 4)
    return { kind: "done", exitCode: content[0] as number, stdout: content.toString("utf8", 4) };
  if (kind === ANSWER.declined) return { kind: "declined", because: content.toString() };
  if (kind === ANSWER.builder) return { kind: "builder", socket: content.toString() };
  if (kind === ANSWER.begun) return { kind: "begun" };
  if (kind === ANSWER.output && (content[0] === 1 || content[0] === 2))
    return { kind: "output", stream: content[0], text: content.toString("utf8", 1) };
  if (kind === ANSWER.status) return { kind: "status", status: JSON.parse(content.toString()) as unknown };
  return undefined;
}

/** Puts frames together from the pieces in which they come. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  /** The next frame once it is whole, which is then done with; `"broken"` where it can be none. */
  feed(bytes: Buffer = NOTHING): { readonly kind: number; readonly content: Buffer } | "broken" | undefined {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (this.#held.length < HEAD_BYTES) return undefined;
    const length = this.#held.readUInt32LE(0);
    if (length === 0 || length > LARGEST_FRAME) return "broken";
    if (this.#held.length < length + 4) return undefined;
    const frame = { kind: this.#held[4] as number, content: this.#held.subarray(HEAD_BYTES, length + 4) };
    this.#held = this.#held.subarray(length + 4);
    return frame;
  }
}

const NOTHING = Buffer.alloc(0);
