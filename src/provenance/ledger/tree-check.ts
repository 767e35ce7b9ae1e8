import { explain, type Sha256 } from "../../base/index.ts";
import type { KeyHistory } from "../control/key-history.ts";
import { openNote } from "../note/note.ts";
import { type Pin, type PlacedPin, pinProblem } from "../pin.ts";
import { Frontier } from "../tree/frontier.ts";
import { logVerifiers } from "./fork-proof.ts";
import type { SignedHeadRead } from "./last-signed.ts";
import { isGivenUp } from "./restored.ts";
import { checkpointOfNote, type SignedCheckpoint } from "./signed-checkpoint.ts";
import { witnessNames } from "./witness-lines.ts";

/** A subtree as the ledger keeps it beside its records. */
export interface KeptSubtree {
  readonly level: number;
  readonly n: number;
  readonly hash: unknown;
}

/** The ledger as it was found, by name and length. */
export interface CheckedLedger {
  readonly identity: Sha256;
  readonly origin: string;
  readonly size: number;
}

/** What a ledger's tree is compared with; read it before the ledger's size. */
export interface TreeMemory {
  readonly checkpoints: readonly SignedCheckpoint[];
  readonly pins: readonly PlacedPin[];
  readonly lastSigned: SignedHeadRead;
}

export type TreeFinding = (verdict: "tampered" | "rolled back" | "could not check", message: string) => void;

/** Makes the Merkle tree anew from the records and compares it with everything that was ever said about it. */
export class TreeCheck {
  readonly #memory: TreeMemory;
  readonly #frontier = Frontier.empty();
  /** Sizes somebody has said a root of, and what it is. */
  readonly #roots = new Map<number, Sha256 | undefined>();
  /** Leaf hashes that pins of the first version remember, by size. */
  readonly #leaves = new Map<number, Sha256 | undefined>();
  #vouched = 1;
  #cosigned = false;
  /** Hashes of full 256, 65,536... as made anew. */
  readonly #subtrees = new Map<string, Uint8Array>();

  constructor(memory: TreeMemory) {
    this.#memory = memory;
    for (const { size } of memory.checkpoints) this.#roots.set(size, undefined);
    if (memory.lastSigned.state === "present") this.#roots.set(memory.lastSigned.head.size, undefined);
    for (const { read } of memory.pins) {
      if (read.state !== "present") continue;
      (read.pin.root === undefined ? this.#leaves : this.#roots).set(read.pin.size, undefined);
    }
  }

  root(): Sha256 | undefined {
    return this.#frontier.size === 0 ? undefined : (Buffer.from(this.#frontier.root()).toString("hex") as Sha256);
  }

  /** The next record's leaf hash. */
  enter(leaf: Sha256): void {
    const frontier = this.#frontier;
    frontier.append(Buffer.from(leaf, "hex"), (level, n, hash) => {
      if (level % 8 === 0) this.#subtrees.set(`${level / 8}/${n}`, hash);
    });
    const { size } = frontier;
    if (this.#roots.has(size)) this.#roots.set(size, Buffer.from(frontier.root()).toString("hex") as Sha256);
    if (this.#leaves.has(size)) this.#leaves.set(size, leaf);
  }

  /** Signed sizes, each against the tree and the keys that could sign it. */
  checkpoints(origin: string, history: KeyHistory | undefined, report: TreeFinding): void {
    const keys = history?.keys().filter(({ entry }) => entry.role === "log") ?? [];
    for (const { size, root, note } of this.#memory.checkpoints) {
      const made = this.#roots.get(size);
      let holds = true;
      const wrong = (what: string) => {
        holds = false;
        report("tampered", `checkpoint of ${size} records: ${what}`);
      };
      if (made === undefined) wrong("there are fewer records than it was signed for");
      else if (made !== root) wrong(`its root is ${root.slice(0, 12)}, that of the records is ${made.slice(0, 12)}`);
      try {
        const said = checkpointOfNote(note);
        if (said.origin !== origin || said.size !== size || said.root !== root) wrong("its note says something else");
        if (witnessNames(note, history?.keys().map(({ entry }) => entry) ?? []).length > 0) this.#cosigned = true;
        const counting = keys.filter(({ since, until, revokedFrom }) => {
          return since < size && (until ?? size) >= size && (revokedFrom ?? size) >= size;
        });
        openNote(
          note,
          logVerifiers(
            origin,
            counting.map(({ entry }) => entry),
          ),
        );
      } catch (error) {
        wrong(explain(error));
      }
      if (holds) this.#vouched = Math.max(this.#vouched, size);
    }
  }

  /** What is remembered outside the ledger. */
  memory(ledger: CheckedLedger, history: KeyHistory | undefined, report: TreeFinding): void {
    const at = { leaf: (seq: number) => this.#leaves.get(seq + 1), root: (size: number) => this.#roots.get(size) };
    const compare = (pin: Pin, where: string) => {
      const problem = pinProblem(pin, ledger, at);
      if (problem === undefined) this.#vouched = Math.max(this.#vouched, pin.size);
      else if (pin.ledger !== ledger.identity || !isGivenUp(pin, history?.restores ?? []))
        report("rolled back", `rolled back or replaced: ${problem}${where}`);
    };
    for (const [i, { path, read }] of this.#memory.pins.entries()) {
      if (read.state === "malformed") report("could not check", read.problem);
      if (read.state !== "present") continue;
      compare(read.pin, i === 0 ? "" : ` (${path})`);
      const note = noteProblem(read.pin, ledger, history);
      if (note !== undefined) report("could not check", `${path}: ${note}`);
    }
    const { lastSigned } = this.#memory;
    if (lastSigned.state === "malformed") report("could not check", lastSigned.problem);
    if (lastSigned.state === "present") compare({ log: ledger.origin, ...lastSigned.head }, " (last signed)");
  }

  /** The largest size that was signed, or is remembered outside of the ledger, and is what it was; genesis vouches for itself. */
  vouched(): number {
    return this.#vouched;
  }

  /** The hashes that proofs are made of, as the ledger keeps them. */
  subtrees(kept: Iterable<KeptSubtree>, report: TreeFinding): void {
    const missing = new Set(this.#subtrees.keys());
    for (const { level, n, hash } of kept) {
      const name = `${level}/${n}`;
      const made = this.#subtrees.get(name);
      missing.delete(name);
      if (made !== undefined && Buffer.isBuffer(hash) && hash.equals(made)) continue;
      report("tampered", `subtree ${n} of level ${level} is not what the records come to`);
    }
    for (const name of missing) report("tampered", `the kept hash of subtree ${name} is missing`);
  }

  /** Whether anybody but this machine has vouched for, or remembers, a size of this ledger. */
  witnessed(): boolean {
    return this.#cosigned || this.#memory.pins.some(({ imported, read }) => imported && read.state === "present");
  }
}

/** What is wrong with a pin's own words; whether it agrees with the ledger is another matter. */
function noteProblem(
  { log, note }: Pin,
  { origin }: CheckedLedger,
  history: KeyHistory | undefined,
): string | undefined {
  if (log !== origin) return `it is a pin of log ${log}, this ledger is ${origin}`;
  if (note === undefined || history === undefined) return undefined;
  try {
    const keys = history.keys().map(({ entry }) => entry);
    openNote(note, logVerifiers(origin, keys));
    return undefined;
  } catch (error) {
    return explain(error);
  }
}
