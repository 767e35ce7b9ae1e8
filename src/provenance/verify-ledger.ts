import { codeOf, explain, hintOf, type Sha256 } from "../base/index.ts";
import { BuildAccounts } from "./build-accounts.ts";
import { verifyChallenge } from "./challenge.ts";
import { isControlKind, type RestoreBody } from "./control/control-record.ts";
import type { KeyHistory } from "./control/key-history.ts";
import { NO_KEYS } from "./control/key-history.ts";
import { readKeyHistory } from "./control/read-history.ts";
import { type ExecutionFacts, ExecutionGlance, executionFacts } from "./execution-glance.ts";
import { type KeyRing, proveSignature } from "./execution-signing.ts";
import type { SignedCheckpoint } from "./ledger/signed-checkpoint.ts";
import { type KeptSubtree, TreeCheck, type TreeFinding, type TreeMemory } from "./ledger/tree-check.ts";
import { isSealing, type Ledger, LedgerError } from "./ledger.ts";
import { parseHits, takeListBack } from "./long-lists.ts";
import { ManifestCheck } from "./manifest-check.ts";
import type { PinRead } from "./pin.ts";
import { type ActionPruner, prunedHitProblem } from "./pruned-hit.ts";
import type { ChallengeBody, ExecutionRecord, HitsBody, LedgerRecord, RecordFrame } from "./record.ts";
import { leafHash, NO_RECORD, parseRecord, RecordError } from "./record-codec.ts";
import type { InputLister } from "./statement.ts";
import { TravailTable } from "./travail-table.ts";

export type LedgerVerdictWord = "holds" | "not proven" | "tampered" | "rolled back" | "could not check";

/** Exit codes of every verifying verb. 2 is left to usage. */
export const VERDICT_EXIT_CODES: { readonly [word in LedgerVerdictWord]: number } = {
  holds: 0,
  "not proven": 1,
  tampered: 3,
  "rolled back": 4,
  "could not check": 5,
};

/** Gravest first: what the verdict is when there are findings of several kinds. */
export const GRAVITY: readonly LedgerVerdictWord[] = ["tampered", "rolled back", "could not check", "not proven"];

export interface LedgerFinding {
  readonly verdict: Exclude<LedgerVerdictWord, "holds">;
  /** Record it is about. */
  readonly seq: number | undefined;
  readonly message: string;
}

export interface LedgerVerdict {
  readonly verdict: LedgerVerdictWord;
  readonly exitCode: number;
  readonly identity: Sha256 | undefined;
  /** Records looked at. */
  readonly size: number;
  /** Leaf hash of the last of them. */
  readonly head: Sha256 | undefined;
  readonly executions: number;
  readonly signatures: number;
  readonly builds: { readonly finished: number; readonly unfinished: number };
  /** Merkle root of the records looked at; `undefined` of none. */
  readonly root: Sha256 | undefined;
  /** Signed sizes that were compared. */
  readonly checkpoints: number;
  /** Whether a record is not signed for that should be: of a ledger in use, it may be a moment later. */
  readonly unsigned: boolean;
  /** Whether anybody but this machine has cosigned a size, or left a pin. Else a rewriting by whoever has its keys may not show. */
  readonly witnessed: boolean;
  /** Gravest first; at most 100, then one that counts the rest. */
  readonly findings: readonly LedgerFinding[];
  /** No fault, but worth knowing. */
  readonly notes: readonly string[];
}

export interface VerifyLedgerOptions {
  /** Check every execution's signature; needs `lister`. */
  readonly signatures: boolean;
  readonly lister: InputLister;
  /** For hits on actions that differ in unused inputs; without it those cannot be checked. */
  readonly pruner?: ActionPruner;
  /** What was remembered outside the ledger; read it before the ledger is opened. */
  readonly pin?: PinRead;
  /** More of the same: pins kept elsewhere, and what was signed last. Then whatever nobody signed for is told, too. */
  readonly memory?: Omit<TreeMemory, "checkpoints">;
  /** Hashes of subtrees the ledger keeps beside its records. */
  readonly subtrees?: () => Iterable<KeptSubtree>;
  /** What is wrong with the key files of this machine, e.g. `keyFileProblems`. */
  readonly keyFiles?: (history: KeyHistory) => readonly string[];
  /** What the storage finds wrong with itself, e.g. `SqliteLedger.checkStorage`. */
  readonly storage?: () => readonly string[];
  readonly onProgress?: (done: number, size: number) => void;
}

/** Signatures being checked at once: enough to keep every thread of the pool busy. */
const IN_FLIGHT = 32;
const FINDING_LIMIT = 100;

/**
 * Checks a whole ledger: every record's bytes, hash, link and members; the manifests they name; that hits point at travails;
 * the books of every build; the pin; and each signature over its regenerated statement. Collects what it finds and never
 * throws for what the ledger holds.
 */
export async function verifyLedger(ledger: Ledger, options: VerifyLedgerOptions): Promise<LedgerVerdict> {
  const first = await verifyOnce(ledger, options, "account");
  const found = first.accountHolds ? first : await verifyOnce(ledger, options, "records");
  return found.verdict();
}

/**
 * Where the decisions about keys are looked for before the records are gone through: in the ledger's own account of them,
 * or in every record. An account that turns out to be wrong is not the one to judge by, so that everything is done again;
 * one that is right saves reading the ledger twice.
 */
type DecisionsFrom = "account" | "records";

async function verifyOnce(ledger: Ledger, options: VerifyLedgerOptions, from: DecisionsFrom): Promise<Verification> {
  const verification = new Verification(ledger, options, from);
  try {
    await verification.run();
  } catch (error) {
    verification.add(verdictOf(error), undefined, explain(error));
  }
  return verification;
}

/** The verdict on a ledger that could not even be opened. */
export function verdictOfFailure(error: unknown): LedgerVerdict {
  const word = verdictOf(error);
  const hint = hintOf(error);
  return {
    verdict: word,
    exitCode: VERDICT_EXIT_CODES[word],
    identity: undefined,
    size: 0,
    head: undefined,
    executions: 0,
    signatures: 0,
    builds: { finished: 0, unfinished: 0 },
    root: undefined,
    checkpoints: 0,
    unsigned: false,
    witnessed: false,
    findings: [{ verdict: word, seq: undefined, message: explain(error) }],
    notes: hint === undefined ? [] : [hint],
  };
}

function verdictOf(error: unknown): Exclude<LedgerVerdictWord, "holds"> {
  switch (codeOf(error)) {
    case "LEDGER_TAMPERED":
    case "LEDGER_UNREADABLE":
    case "RECORD_MALFORMED":
    case "CANONICAL_JSON_MALFORMED":
      return "tampered";
    case "LEDGER_ROLLED_BACK":
      return "rolled back";
    default:
      return "could not check";
  }
}

class Verification {
  readonly #ledger: Ledger;
  readonly #options: VerifyLedgerOptions;
  readonly #findings: LedgerFinding[] = [];
  readonly #notes: string[] = [];
  readonly #accounts = new BuildAccounts();
  readonly #travails = new TravailTable();
  readonly #glance = new ExecutionGlance();
  readonly #manifests: ManifestCheck;
  readonly #walk: Ledger["manifest"];
  /** Oldest first. */
  readonly #checking: Promise<void>[] = [];
  #keys: KeyRing = NO_KEYS;
  #leaves = 0;
  #head: Sha256 = NO_RECORD;
  #history: KeyHistory | undefined;
  #tree: TreeCheck;
  #checkpoints: readonly SignedCheckpoint[] = [];
  readonly #controls: number[] = [];
  /** Seqs of records that are signed for as soon as they are there. */
  readonly #sealing: number[] = [];
  #unsigned = false;
  #executions = 0;
  #signatures = 0;
  readonly #decisionsFrom: DecisionsFrom;
  /** Whether the ledger's account of its control records is exactly what the records come to. */
  accountHolds = false;

  constructor(ledger: Ledger, options: VerifyLedgerOptions, decisionsFrom: DecisionsFrom) {
    this.#ledger = ledger;
    this.#options = options;
    this.#decisionsFrom = decisionsFrom;
    this.#tree = new TreeCheck(this.#memory());
    this.#walk = ledger.manifestWalk();
    this.#manifests = new ManifestCheck(ledger, (seq, hash, what) => void this.#manifest(seq, hash, what));
  }

  #memory(): TreeMemory {
    const { pin = { state: "absent" }, memory } = this.#options;
    const pins = [{ path: "pin", read: pin, imported: false }, ...(memory?.pins ?? [])];
    return { checkpoints: this.#checkpoints, pins, lastSigned: memory?.lastSigned ?? { state: "absent" } };
  }

  add(verdict: LedgerFinding["verdict"], seq: number | undefined, message: string): void {
    this.#findings.push({ verdict, seq, message });
  }

  async run(): Promise<void> {
    const { storage, onProgress, pin } = this.#options;
    for (const line of storage?.() ?? []) this.add("tampered", undefined, `the database is damaged: ${line}`);
    const signedFor = this.#ledger.size();
    // Before the size: the ledger may grow in between, and what is said about it must not be ahead of it.
    const controls = new Set(this.#ledger.controlSeqs());
    this.#checkpoints = this.#ledger.checkpoints();
    this.#tree = new TreeCheck(this.#memory());
    const size = this.#ledger.size();
    try {
      for (const row of this.#ledger.read(0, size)) {
        const checking = this.#row(row);
        if (checking !== undefined) await checking;
        if (this.#leaves % 1_000 === 0) onProgress?.(this.#leaves, size);
      }
    } finally {
      await Promise.all(this.#checking);
    }
    this.#manifests.finish();
    if (this.#leaves < size) this.add("tampered", this.#leaves, `records ${this.#leaves} to ${size - 1} are missing`);
    if (this.#leaves === 0) this.add("tampered", 0, "there is not even a genesis record");
    for (const { build, beganAt } of this.#accounts.unfinished()) {
      this.#notes.push(`build ${build} (record ${beganAt}) has no end: it is under way, or it was interrupted`);
    }
    this.#compareTree(pin, controls, signedFor);
    onProgress?.(this.#leaves, size);
  }

  verdict(): LedgerVerdict {
    const gravity = (finding: LedgerFinding) => GRAVITY.indexOf(finding.verdict);
    const findings = [...this.#findings].sort((a, b) => gravity(a) - gravity(b) || (a.seq ?? -1) - (b.seq ?? -1));
    const word = findings[0]?.verdict ?? "holds";
    const shown = findings.slice(0, FINDING_LIMIT);
    const rest = findings.length - shown.length;
    if (rest > 0) shown.push({ verdict: shown[0]!.verdict, seq: undefined, message: `and ${rest} more` });
    return {
      verdict: word,
      exitCode: VERDICT_EXIT_CODES[word],
      identity: this.#ledger.identity,
      size: this.#leaves,
      head: this.#leaves === 0 ? undefined : this.#head,
      executions: this.#executions,
      signatures: this.#signatures,
      builds: { finished: this.#accounts.finished, unfinished: this.#accounts.unfinished().length },
      root: this.#tree.root(),
      checkpoints: this.#checkpoints.length,
      unsigned: this.#unsigned,
      witnessed: this.#tree.witnessed(),
      findings: shown,
      notes: this.#notes,
    };
  }

  /** Answers what to wait for, if that is anything. */
  #row(row: { readonly seq: number; readonly bytes: Buffer; readonly leaf: Sha256 }): Promise<void> | undefined {
    const expected = this.#leaves;
    if (row.seq !== expected) {
      this.add("tampered", expected, `records ${expected} to ${row.seq - 1} are missing`);
      this.#leaves = row.seq;
    }
    const leaf = leafHash(row.bytes);
    if (leaf !== row.leaf) {
      this.add("tampered", row.seq, `leaf hash is ${leaf.slice(0, 12)}, kept beside it is ${row.leaf.slice(0, 12)}`);
    }
    const prev = this.#head;
    this.#head = leaf;
    this.#leaves = row.seq + 1;
    this.#tree.enter(leaf);
    if (!this.#options.signatures && this.#glance.looksAt(row.bytes)) {
      this.#follows(row.seq, prev, this.#glance, false);
      this.#execution(row.seq, this.#glance);
      return undefined;
    }
    const record = this.#parse(row, prev);
    if (record === undefined) return undefined;
    this.#follows(row.seq, prev, record, record.kind === "genesis");
    return this.#meaning(row.seq, record, leaf);
  }

  /** What a record says of its place, against where it stands. */
  #follows(at: number, after: Sha256, { seq, log, prev }: Omit<RecordFrame, "v" | "time">, isGenesis: boolean): void {
    if (seq !== at) this.add("tampered", at, `the record says it is number ${seq}`);
    if (log !== this.#ledger.origin) this.add("tampered", at, `the record is of ledger ${log}`);
    if (prev !== after)
      this.add("tampered", at, `follows ${prev.slice(0, 12)}; before it stands ${after.slice(0, 12)}`);
    if (isGenesis !== (at === 0)) {
      this.add("tampered", at, at === 0 ? "is not a genesis record" : "is a second genesis record");
    }
  }

  #parse(row: { readonly seq: number; readonly bytes: Buffer }, prev: Sha256): LedgerRecord | undefined {
    try {
      const record = parseRecord(row.bytes, { seq: row.seq, log: this.#ledger.origin, prev });
      return takeListBack(record, (hash) => this.#ledger.manifest(hash));
    } catch (error) {
      const later = error instanceof RecordError && error.code.startsWith("RECORD_UNKNOWN");
      const known = error instanceof RecordError || error instanceof LedgerError;
      this.add(later ? "could not check" : known ? "tampered" : verdictOf(error), row.seq, explain(error));
      return undefined;
    }
  }

  #meaning(at: number, record: LedgerRecord, leaf: Sha256): Promise<void> | undefined {
    if (record.kind === "exec" || record.kind === "fail") {
      this.#execution(at, executionFacts(record));
      return this.#options.signatures ? this.#signature(record) : undefined;
    }
    const problem = this.#accounts.enter(record);
    if (problem !== undefined) this.add("not proven", record.seq, problem);
    if (record.kind === "genesis") {
      const { identity } = this.#ledger;
      if (leaf !== identity) {
        this.add(
          "tampered",
          record.seq,
          `genesis is ${leaf.slice(0, 12)}; the ledger was opened as ${identity.slice(0, 12)}`,
        );
      }
      const history = readKeyHistory(this.#ledger, this.#decisionsFrom === "records");
      this.#keys = history;
      this.#history = history;
      for (const { verdict, seq, because } of history.problems) this.add(verdict, seq, because);
      for (const because of this.#options.keyFiles?.(history) ?? []) this.add("tampered", undefined, because);
    }
    if (isControlKind(record.kind)) this.#controls.push(record.seq);
    if (isSealing(record.kind)) this.#sealing.push(record.seq);
    if (record.kind === "restore") this.#restore(record);
    if (record.kind === "hits") this.#hits(record);
    if (record.kind === "challenge") this.#challenge(record);
    return undefined;
  }

  /** What is asked of every execution, parsed or seen at a glance; its key and action only where no signature rests on them. */
  #execution(at: number, facts: ExecutionFacts): void {
    const { kind, build, chore, action, key, usedRoot, cacheable, cachedElsewhere } = facts;
    const problem = this.#accounts.execution(kind, build, chore, cachedElsewhere);
    if (problem !== undefined) this.add("not proven", at, problem);
    this.#executions++;
    if (cacheable) this.#travails.set(at, action);
    if (usedRoot !== undefined) this.#manifests.expect(at, usedRoot, "list of used inputs");
    if (this.#options.signatures) return;
    const valid = this.#keys.validAt(key, at, "rnode");
    if (!valid.ok) this.add("not proven", at, valid.because);
    this.#manifests.expect(at, action, "action");
  }

  /** Answers the oldest of those under way where there are enough. */
  #signature(record: ExecutionRecord): Promise<void> | undefined {
    const oldest = this.#checking.length < IN_FLIGHT ? undefined : this.#checking.shift();
    const check = proveSignature(record, this.#keys, this.#walk, this.#options.lister).then((verdict) => {
      this.#signatures++;
      if (verdict.ok) return;
      this.add(verdict.reason === "unendorsed-key" ? "not proven" : "tampered", record.seq, verdict.because);
    });
    this.#checking.push(check.catch((error: unknown) => this.add(verdictOf(error), record.seq, explain(error))));
    return oldest;
  }

  /** What a root key says was there when it put a backup back must have been there. */
  #restore({ seq, size, root, lost, reason }: RestoreBody & RecordFrame): void {
    if (size > seq || this.#ledger.root(size) !== root) {
      this.add("tampered", seq, `the first ${size} records do not have the root ${root.slice(0, 12)} it was made at`);
    }
    this.#notes.push(`record ${seq} gave up an earlier history of ${lost.size} records: ${reason}`);
  }

  #hits(record: HitsBody & { readonly seq: number }): void {
    const bytes = this.#manifest(record.seq, record.root, "list of hits");
    if (bytes === undefined) return;
    const hits = parseHits(bytes);
    if (hits === undefined || hits.length !== record.n) {
      this.add("tampered", record.seq, `manifest ${record.root.slice(0, 12)} is not a list of ${record.n} hits`);
      return;
    }
    for (const { action, for: asked, seq } of hits) {
      if (!this.#travails.has(seq, action)) {
        this.add(
          "tampered",
          record.seq,
          `record ${seq} is not a travail of action ${action.slice(0, 12)} to use again`,
        );
      } else if (asked !== undefined) this.#prunedHit(record.seq, seq, asked);
    }
  }

  #prunedHit(at: number, seq: number, asked: Sha256): void {
    const { pruner } = this.#options;
    if (pruner === undefined) this.add("could not check", at, "a hit on another action, and nothing to compare with");
    const problem = pruner && prunedHitProblem(this.#ledger.record(seq), asked, this.#ledger, pruner);
    if (problem !== undefined) this.add("tampered", at, problem);
  }

  #challenge(record: ChallengeBody & RecordFrame): void {
    if (this.#actionOf(record.of, record.seq) !== record.action) {
      this.add("tampered", record.seq, `record ${record.of} is no execution of action ${record.action.slice(0, 12)}`);
    }
    if ((record.verdict === "differ") !== (record.diff !== undefined)) {
      this.add(
        "tampered",
        record.seq,
        `verdict ${record.verdict}, but ${record.diff ? "a" : "no"} difference is named`,
      );
    }
    if (!this.#options.signatures) return;
    this.#signatures++;
    const verdict = verifyChallenge(record, this.#keys);
    if (!verdict.ok) {
      this.add(verdict.reason === "unendorsed-key" ? "not proven" : "tampered", record.seq, verdict.because);
    }
  }

  /** Action of the execution recorded at `seq`, before `end`. */
  #actionOf(seq: number, end: number): Sha256 | undefined {
    try {
      const record = seq < end ? this.#ledger.record(seq) : undefined;
      return record?.kind === "exec" ? record.action : undefined;
    } catch {
      // It has been found out already, on the way here.
      return undefined;
    }
  }

  #manifest(seq: number, hash: Sha256, what: string): Buffer | undefined {
    try {
      const bytes = this.#ledger.manifest(hash);
      if (bytes === undefined) this.add("tampered", seq, `the manifest ${hash.slice(0, 12)} of its ${what} is missing`);
      return bytes;
    } catch (error) {
      this.add(verdictOf(error), seq, explain(error));
      return undefined;
    }
  }

  /**
   * Records that nobody has signed for. Some kinds carry no signature of their own, so whoever can write the file could have
   * put them there. Those of a build under way are no news; what is signed for at once is, when it was not.
   *
   * @param size Read before what was signed: what came later need not be.
   */
  #unsignedRecords(size: number): void {
    const vouched = this.#tree.vouched();
    const sealing = this.#sealing.find((seq) => seq >= vouched && seq < size);
    if (sealing !== undefined) {
      this.#unsigned = true;
      this.add("not proven", sealing, "is not signed for: begat was killed before it could, or the record was added");
    } else if (size > vouched) {
      this.#notes.push(`${size - vouched} records from ${vouched} on are not signed for yet`);
    }
  }

  #compareTree(pin: PinRead | undefined, controls: Set<number>, signedFor: number): void {
    if (pin === undefined || pin.state === "absent") {
      this.#notes.push("there is no pin: records removed from the end would not show");
    }
    const report: TreeFinding = (verdict, message) => this.add(verdict, undefined, message);
    const { identity, origin } = this.#ledger;
    this.#tree.checkpoints(origin, this.#history, report);
    this.#tree.memory({ identity, origin, size: this.#leaves }, this.#history, report);
    if (this.#options.memory !== undefined) this.#unsignedRecords(signedFor);
    const kept = this.#options.subtrees?.();
    if (kept !== undefined) this.#tree.subtrees(kept, report);
    this.accountHolds = this.#controls.length === controls.size && this.#controls.every((seq) => controls.has(seq));
    const newest = Math.max(-1, ...controls);
    for (const seq of this.#controls) {
      // What came after the account was read need not be in it.
      if (controls.delete(seq) || seq > newest) continue;
      this.add("tampered", seq, "is missing from the account of control records");
    }
    for (const seq of controls) this.add("tampered", seq, "is no control record, and accounted for as one");
  }
}
