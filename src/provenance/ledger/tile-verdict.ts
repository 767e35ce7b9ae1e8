import { BegatError, codeOf, explain, type Sha256 } from "../../base/index.ts";
import { type FileTree, FileTreeError } from "../../ports/index.ts";
import { type ControlRecord, isControlRecord, KeyHistory } from "../control/key-history.ts";
import type { PlacedPin } from "../pin.ts";
import type { GenesisBody, LedgerRecord, RecordFrame } from "../record.ts";
import { leafHash, NO_RECORD, parseRecord } from "../record-codec.ts";
import { entriesOfBundle, entriesPath, TILE_WIDTH, tilePath, tilesOf } from "../tree/tiles.ts";
import type { LedgerFinding, LedgerVerdict } from "../verify-ledger.ts";
import { GRAVITY, VERDICT_EXIT_CODES } from "../verify-ledger.ts";
import { checkpointOfNote, type SignedCheckpoint } from "./signed-checkpoint.ts";
import { type KeptSubtree, TreeCheck, type TreeFinding } from "./tree-check.ts";

/** A file of the export is not there, and nothing can be said about what it held; or it is cut. */
class TileError extends BegatError<"TILE_MISSING" | "TILE_TAMPERED"> {}

/**
 * The verdict on a ledger that was exported as tiles, from its files alone: every record, its place in chain and tree, every
 * tile, the life of its keys from genesis on, and the signature of its checkpoint. Manifests are not exported, so signatures
 * of executions are not looked at.
 *
 * @param remembered Pins of the ledger with that identity, where this machine has any.
 */
export function verifyTiles(
  files: FileTree,
  directory: string,
  remembered: (identity: Sha256) => readonly PlacedPin[],
): LedgerVerdict {
  const check = new TileVerification(files, directory);
  try {
    check.run(remembered);
  } catch (error) {
    const absent = error instanceof FileTreeError || codeOf(error) === "TILE_MISSING";
    check.add(absent ? "could not check" : "tampered", undefined, explain(error));
  }
  return check.verdict();
}

class TileVerification {
  readonly #files: FileTree;
  readonly #directory: string;
  readonly #findings: LedgerFinding[] = [];
  readonly #leaves: Buffer[] = [];
  readonly #controls: ControlRecord[] = [];
  #genesis: (GenesisBody & RecordFrame) | undefined;
  #tree: TreeCheck | undefined;
  #executions = 0;
  #checkpoints = 0;

  constructor(files: FileTree, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  add(verdict: LedgerFinding["verdict"], seq: number | undefined, message: string): void {
    this.#findings.push({ verdict, seq, message });
  }

  run(remembered: (identity: Sha256) => readonly PlacedPin[]): void {
    const note = this.#read("checkpoint").toString();
    const checkpoint: SignedCheckpoint & { origin: string } = { ...checkpointOfNote(note), note };
    const { size, origin } = checkpoint;
    const first = this.#bundle(0, size)[0];
    const identity = first === undefined ? NO_RECORD : leafHash(first);
    const tree = new TreeCheck({
      checkpoints: [checkpoint],
      pins: remembered(identity).filter(({ read }) => read.state !== "present" || read.pin.size <= size),
      lastSigned: { state: "absent" },
    });
    this.#tree = tree;
    this.#checkpoints = 1;
    let prev = NO_RECORD;
    for (let at = 0; at < size; at += TILE_WIDTH) {
      for (const bytes of this.#bundle(at, size)) {
        const leaf = leafHash(bytes);
        this.#record(bytes, { seq: this.#leaves.length, log: origin, prev });
        tree.enter(leaf);
        this.#leaves.push(Buffer.from(leaf, "hex"));
        prev = leaf;
      }
    }
    const history = this.#genesis && new KeyHistory(this.#genesis, this.#controls);
    for (const { verdict, seq, because } of history?.problems ?? []) this.add(verdict, seq, because);
    const report: TreeFinding = (verdict, message) => this.add(verdict, undefined, message);
    tree.checkpoints(origin, history, report);
    tree.memory({ identity, origin, size }, history, report);
    tree.subtrees(this.#tiles(size), report);
  }

  verdict(): LedgerVerdict {
    const findings = [...this.#findings].sort((a, b) => GRAVITY.indexOf(a.verdict) - GRAVITY.indexOf(b.verdict));
    const verdict = findings[0]?.verdict ?? "holds";
    const head = this.#leaves.at(-1);
    const identity = this.#leaves[0]?.toString("hex") as Sha256 | undefined;
    const trust =
      "whether it is the ledger you mean, its identity says; ask for that elsewhere than where the tiles are from";
    return {
      verdict,
      exitCode: VERDICT_EXIT_CODES[verdict],
      identity,
      size: this.#leaves.length,
      head: head?.toString("hex") as Sha256 | undefined,
      executions: this.#executions,
      signatures: 0,
      builds: { finished: 0, unfinished: 0 },
      root: this.#tree?.root(),
      checkpoints: this.#checkpoints,
      unsigned: false,
      witnessed: this.#tree?.witnessed() ?? false,
      findings,
      notes: verdict === "holds" ? [trust] : [],
    };
  }

  #read(path: string): Buffer {
    const full = `${this.#directory}/${path}`;
    if (this.#files.stat(full)?.kind === "file") return this.#files.readFile(full);
    throw new TileError("TILE_MISSING", `${full} is missing`);
  }

  #bundle(at: number, size: number): Uint8Array[] {
    if (size === 0) return [];
    const width = Math.min(TILE_WIDTH, size - at);
    const path = entriesPath(at / TILE_WIDTH, width);
    const entries = entriesOfBundle(this.#read(path));
    if (entries?.length === width) return entries;
    throw new TileError("TILE_TAMPERED", `${path} does not hold ${width} entries`);
  }

  #record(bytes: Uint8Array, place: { readonly seq: number; readonly log: string; readonly prev: Sha256 }): void {
    const { seq, log, prev } = place;
    let record: LedgerRecord;
    try {
      record = parseRecord(bytes, place);
    } catch (error) {
      this.add("tampered", seq, explain(error));
      return;
    }
    if (record.seq !== seq || record.log !== log) {
      this.add("tampered", seq, `the record says it is number ${record.seq} of ledger ${record.log}`);
    }
    if (record.prev !== prev) {
      this.add("tampered", seq, `follows ${record.prev.slice(0, 12)}; before it stands ${prev.slice(0, 12)}`);
    }
    if ((record.kind === "genesis") !== (seq === 0)) this.add("tampered", seq, `is of kind ${record.kind}`);
    if (record.kind === "genesis" && seq === 0) this.#genesis = record;
    if (isControlRecord(record)) this.#controls.push(record);
    if (record.kind === "exec" || record.kind === "fail") this.#executions++;
  }

  /** The hashes of every tile; those of level 0 are compared here. */
  *#tiles(size: number): IterableIterator<KeptSubtree> {
    for (const tile of tilesOf(size)) {
      const { level, index, width } = tile;
      const bytes = this.#read(tilePath(tile));
      if (bytes.length !== 32 * width)
        this.add("tampered", undefined, `${tilePath(tile)} does not hold ${width} hashes`);
      for (let i = 0; i < width; i++) {
        const n = index * TILE_WIDTH + i;
        const hash = bytes.subarray(32 * i, 32 * i + 32);
        if (level > 0) yield { level, n, hash };
        else if (this.#leaves[n]?.equals(hash) !== true) {
          this.add("tampered", n, `${tilePath(tile)} has another leaf hash`);
        }
      }
    }
  }
}
