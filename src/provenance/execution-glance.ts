import { isUtf8 } from "node:buffer";
import type { Sha256 } from "../base/index.ts";
import type { ExecutionRecord } from "./record.ts";
import { shapeOfKind, signedContext, usedInputs } from "./record-shape.ts";
import type { ObjectShape } from "./shape.ts";

/** A shape and where the members of the object last looked at begin. */
class Marked {
  readonly #shape: ObjectShape;
  readonly #marks: Int32Array;

  constructor(shape: ObjectShape) {
    this.#shape = shape;
    this.#marks = new Int32Array(shape.memberCount);
  }

  end(bytes: Uint8Array, at: number): number {
    return this.#shape.endMarking(bytes, at, this.#marks);
  }

  /** Gives the place of one member's value, 0 where there is none. */
  placeOf(name: string): () => number {
    const i = this.#shape.indexOf(name);
    return () => this.#marks[i] as number;
  }
}

type Place = () => number;

/** Members of one kind of record that are asked for. */
interface Places {
  readonly kind: "exec" | "fail";
  readonly record: Marked;
  readonly seq: Place;
  readonly log: Place;
  readonly prev: Place;
  readonly build: Place;
  readonly chore: Place;
  readonly action: Place;
  readonly key: Place;
  readonly from: Place;
  readonly used: Place;
  readonly more: Place;
  readonly cacheable: Place;
}

function placesOf(kind: "exec" | "fail"): Places {
  const record = new Marked(shapeOfKind(kind));
  const place = (name: string) => record.placeOf(name);
  return {
    kind,
    record,
    seq: place("seq"),
    log: place("log"),
    prev: place("prev"),
    build: place("build"),
    chore: place("chore"),
    action: place("action"),
    key: place("key"),
    from: place("from"),
    used: place("used"),
    more: place("more"),
    cacheable: place("cacheable"),
  };
}

const QUOTE = 0x22;
const TRUE = 0x74;

/** What going through a ledger asks of an execution. */
export interface ExecutionFacts {
  readonly kind: "exec" | "fail";
  readonly build: string;
  readonly chore: string;
  readonly action: Sha256;
  readonly key: Sha256;
  /** Whether it is a travail that may be used again. */
  readonly cacheable: boolean;
  /** Whether it was taken over from an execution that was there already. */
  readonly cachedElsewhere: boolean;
  /** Hash of the list of used inputs. */
  readonly usedRoot: Sha256 | undefined;
}

/** Of a record that was parsed. */
export function executionFacts(record: ExecutionRecord): ExecutionFacts {
  const { kind, build, chore, action, key, from, used } = record;
  const cacheable = record.kind === "exec" && record.cacheable;
  return { kind, build, chore, action, key, cacheable, cachedElsewhere: from?.cached === true, usedRoot: used?.root };
}

/**
 * Reads what is needed to go through a ledger out of the bytes of `exec` and `fail` records, having checked all of them:
 * what `parseRecord` accepts, at a sixth of its cost, since nothing is made of the members nobody asks for.
 */
export class ExecutionGlance implements ExecutionFacts {
  readonly #kinds = [placesOf("exec"), placesOf("fail")] as const;
  readonly #context = new Marked(signedContext);
  readonly #isCached = this.#context.placeOf("cached");
  readonly #usedInputs = new Marked(usedInputs);
  readonly #usedRoot = this.#usedInputs.placeOf("root");
  #places: Places = this.#kinds[0];
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * Whether `bytes` are an execution in exactly its canonical form; the members below are then of it.
   * `false` is no verdict: whoever parses them finds out. So it is for one whose list of outputs stands elsewhere.
   */
  looksAt(bytes: Buffer): boolean {
    this.#bytes = bytes;
    for (const places of this.#kinds) {
      if (places.record.end(bytes, 0) !== bytes.length) continue;
      this.#places = places;
      if (places.more() > 0 || !isUtf8(bytes)) return false;
      if (places.from() > 0) this.#context.end(bytes, places.from());
      if (places.used() > 0) this.#usedInputs.end(bytes, places.used());
      return true;
    }
    return false;
  }

  get kind(): "exec" | "fail" {
    return this.#places.kind;
  }

  get seq(): number {
    let seq = 0;
    for (let at = this.#places.seq(); ; at++) {
      const digit = (this.#bytes[at] as number) - 0x30;
      if (!(digit >= 0 && digit <= 9)) return seq;
      seq = seq * 10 + digit;
    }
  }

  get log(): string {
    return this.#text(this.#places.log());
  }

  get prev(): Sha256 {
    return this.#hash(this.#places.prev());
  }

  get build(): string {
    return this.#text(this.#places.build());
  }

  get chore(): string {
    return this.#text(this.#places.chore());
  }

  get action(): Sha256 {
    return this.#hash(this.#places.action());
  }

  get key(): Sha256 {
    return this.#hash(this.#places.key());
  }

  get cacheable(): boolean {
    return this.#places.kind === "exec" && this.#bytes[this.#places.cacheable()] === TRUE;
  }

  get cachedElsewhere(): boolean {
    return this.#places.from() > 0 && this.#isCached() > 0 && this.#bytes[this.#isCached()] === TRUE;
  }

  get usedRoot(): Sha256 | undefined {
    return this.#places.used() > 0 ? this.#hash(this.#usedRoot()) : undefined;
  }

  #hash(at: number): Sha256 {
    return this.#bytes.toString("latin1", at + 1, at + 65) as Sha256;
  }

  #text(at: number): string {
    return this.#bytes.toString("utf8", at + 1, this.#bytes.indexOf(QUOTE, at + 1));
  }
}
