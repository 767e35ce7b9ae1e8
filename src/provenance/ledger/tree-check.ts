import { explain, type Sha256 } from "../../base/index.ts";
import type { KeyHistory } from "../control/key-history.ts";
import { openNote, parseNote } from "../note/note.ts";
import { type Pin, type PlacedPin, pinProblem } from "../pin.ts";
import { Frontier } from "../tree/frontier.ts";
import { logVerifiers } from "./fork-proof.ts";
import type { SignedHeadRead } from "./last-signed.ts";
import { checkpointOfNote, type SignedCheckpoint } from "./signed-checkpoint.ts";

/** A subtree as the ledger keeps it beside its records. */
export interface KeptSubtree {
  readonly level: number;
  readonly n: number;
  readonly hash: unknown;
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
      const wrong = (what: string) => report("tampered", `checkpoint of ${size} records: ${what}`);
      if (made === undefined) wrong("there are fewer records than it was signed for");
      else if (made !== root) wrong(`its root is ${root.slice(0, 12)}, that of the records is ${made.slice(0, 12)}`);
      try {
        const said = checkpointOfNote(note);
        if (said.origin !== origin || said.size !== size || said.root !== root) wrong("its note says something else");
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
    }
  }

  /** What is remembered outside the ledger. */
  memory(ledger: { readonly identity: Sha256; readonly size: number }, report: TreeFinding): void {
    const at = { leaf: (seq: number) => this.#leaves.get(seq + 1), root: (size: number) => this.#roots.get(size) };
    const compare = (pin: Pin, where: string) => {
      const problem = pinProblem(pin, ledger, at);
      if (problem !== undefined) report("rolled back", `rolled back or replaced: ${problem}${where}`);
    };
    for (const [i, { path, read }] of this.#memory.pins.entries()) {
      if (read.state === "malformed") report("could not check", read.problem);
      if (read.state === "present") compare(read.pin, i === 0 ? "" : ` (${path})`);
    }
    const { lastSigned } = this.#memory;
    if (lastSigned.state === "malformed") report("could not check", lastSigned.problem);
    if (lastSigned.state === "present") compare({ log: "", ...lastSigned.head }, " (last signed)");
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
    const { pins, checkpoints } = this.#memory;
    if (pins.some(({ imported, read }) => imported && read.state === "present")) return true;
    return checkpoints.some(({ note }) => {
      try {
        const { origin } = checkpointOfNote(note);
        return parseNote(note).signatures.some(({ name }) => name !== origin);
      } catch {
        return false;
      }
    });
  }
}
