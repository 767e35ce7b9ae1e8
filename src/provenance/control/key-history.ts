import type { KeyObject } from "node:crypto";
import { type Sha256, sha256 } from "../../base/index.ts";
import { publicKeyFrom } from "../dsse.ts";
import { spkiOf } from "../keys.ts";
import type { GenesisBody, PublicKeyEntry, RecordFrame } from "../record.ts";
import { type ControlBody, isControlKind, type QuarantineBody, type RestoreBody } from "./control-record.ts";
import { verifyControl, verifyPossession } from "./control-signing.ts";

export type ControlRecord = ControlBody & RecordFrame;

export interface EndorsedKey {
  readonly entry: PublicKeyEntry;
  readonly publicKey: KeyObject;
}

/** The life of a key, in places of the ledger: its order is the only clock that nobody can turn back. */
export interface KeyLife extends EndorsedKey {
  /** Record that lists or endorses it; it counts in records after that one. */
  readonly since: number;
  /** Retired by a rotation: it counts in records before this one. */
  readonly until: number | undefined;
  /** It does not count from this record on. */
  readonly revokedFrom: number | undefined;
  readonly revokedFor: string | undefined;
}

export type KeyProblem = "not-endorsed" | "endorsed-later" | "revoked" | "retired" | "wrong-role";

export type KeyValidity =
  | { readonly ok: true; readonly key: EndorsedKey }
  | { readonly ok: false; readonly reason: KeyProblem; readonly because: string };

/** A record of authority that is not taken for one. `tampered` where something is missing, else it merely proves nothing. */
export interface ControlProblem {
  readonly seq: number;
  readonly verdict: "not proven" | "tampered";
  readonly because: string;
  /** Whether it has its effect all the same: what forbids does, what allows does not. */
  readonly counts: boolean;
}

/** Decisions that take something away: in doubt they hold. */
const FORBIDS: ReadonlySet<ControlBody["kind"]> = new Set(["key.revoke", "quarantine"]);

const short = (id: string): string => id.slice(0, 12);

type Role = PublicKeyEntry["role"];

interface Mutable {
  entry: PublicKeyEntry;
  publicKey: KeyObject;
  since: number;
  until: number | undefined;
  revokedFrom: number | undefined;
  revokedFor: string | undefined;
}

/**
 * What the control records of a ledger come to, from genesis on: which key may act where, what is quarantined, what was
 * restored. A pure function of those records. The rules are in docs/formats.md, "Control records".
 */
export class KeyHistory {
  readonly log: string;
  /** What is wrong with control records, in order. */
  readonly problems: readonly ControlProblem[];
  /** Quarantines in force. */
  readonly quarantines: readonly (QuarantineBody & RecordFrame)[];
  readonly restores: readonly (RestoreBody & RecordFrame)[];
  /** Seq of the newest control record that stands in the chain of decisions. */
  readonly lastControl: number;
  readonly #keys: ReadonlyMap<Sha256, Mutable>;

  /** @param records Every control record, by seq. */
  constructor(genesis: GenesisBody & RecordFrame, records: readonly ControlRecord[]) {
    this.log = genesis.log;
    // Twice: an admin whose key the root revoked from an earlier record on has decided nothing since, and that is known
    // only at the end. Nobody but a root can take a root or an admin away, and a root never loses what is past.
    const first = new Replay(genesis, records, new Map());
    const admins = [...first.keys].filter(([, key]) => key.entry.role === "admin" && key.revokedFrom !== undefined);
    const revoked = new Map(admins.map(([id, key]) => [id, key.revokedFrom as number]));
    const replay = revoked.size === 0 ? first : new Replay(genesis, records, revoked, first.chained);
    this.problems = replay.problems;
    this.quarantines = [...replay.quarantines.values()];
    this.restores = replay.restores;
    this.lastControl = first.last;
    this.#keys = replay.keys;
  }

  /** A key whatever became of it. */
  get(id: Sha256): KeyLife | undefined {
    return this.#keys.get(id);
  }

  /** Every key ever endorsed, in that order. */
  keys(): readonly KeyLife[] {
    return [...this.#keys.values()];
  }

  /** Whether what `id` signed in record `seq` counts, in the role it is needed in. */
  validAt(id: Sha256, seq: number, role: Role): KeyValidity {
    return validity(this.#keys.get(id), id, seq, role);
  }
}

function validity(key: Mutable | undefined, id: Sha256, seq: number, role: Role): KeyValidity {
  const no = (reason: KeyProblem, because: string): KeyValidity => ({ ok: false, reason, because });
  if (key === undefined) return no("not-endorsed", `key ${short(id)} is no endorsed ${role} key`);
  if (key.entry.role !== role) {
    return no("wrong-role", `key ${short(id)} is no endorsed ${role} key but a ${key.entry.role} key`);
  }
  if (seq <= key.since && key.since > 0) {
    return no("endorsed-later", `${role} key ${short(id)} was endorsed by record ${key.since}, after record ${seq}`);
  }
  if (key.revokedFrom !== undefined && seq >= key.revokedFrom) {
    return no("revoked", `${role} key ${short(id)} is revoked from record ${key.revokedFrom} on: ${key.revokedFor}`);
  }
  if (key.until !== undefined && seq >= key.until) {
    return no("retired", `${role} key ${short(id)} gave way to another one; it counts before record ${key.until}`);
  }
  return { ok: true, key };
}

/** Of a ledger that vouches for nobody. */
export const NO_KEYS: Pick<KeyHistory, "get" | "validAt"> = {
  get: () => undefined,
  validAt: (id, seq, role) => validity(undefined, id, seq, role),
};

/**
 * Keys that sign a checkpoint of `size` records: one, and while a rotation is under way the old and the new one. Oldest
 * first.
 */
export function currentLogKeys(history: KeyHistory, size: number): readonly PublicKeyEntry[] {
  const seq = Math.max(0, size - 1);
  const counts = (key: KeyLife) =>
    key.since <= seq &&
    (key.until === undefined || seq < key.until) &&
    (key.revokedFrom === undefined || seq < key.revokedFrom);
  return history
    .keys()
    .filter((key) => key.entry.role === "log" && counts(key))
    .map(({ entry }) => entry);
}

/** One walk over the decisions. */
class Replay {
  readonly keys = new Map<Sha256, Mutable>();
  readonly problems: ControlProblem[] = [];
  readonly quarantines = new Map<number, QuarantineBody & RecordFrame>();
  readonly restores: (RestoreBody & RecordFrame)[] = [];
  /** Seqs of records that make up the chain `before`. */
  readonly chained: Set<number>;
  last = 0;
  readonly #log: string;
  readonly #seen = new Set<string>();
  readonly #retracted: ReadonlyMap<Sha256, number>;
  readonly #known: ReadonlySet<number>;

  constructor(
    genesis: GenesisBody & RecordFrame,
    records: readonly ControlRecord[],
    retracted: ReadonlyMap<Sha256, number>,
    chained?: ReadonlySet<number>,
  ) {
    this.#log = genesis.log;
    this.#retracted = retracted;
    this.#known = new Set([0, ...records.map(({ seq }) => seq)]);
    this.chained = new Set(chained);
    for (const entry of genesis.keys) if (isOwnName(entry) && !this.keys.has(entry.id)) this.#admit(entry, 0);
    for (const record of records) this.#enter(record, chained);
  }

  #admit(entry: PublicKeyEntry, since: number): void {
    const publicKey = publicKeyFrom(entry.pub);
    this.keys.set(entry.id, {
      entry,
      publicKey,
      since,
      until: undefined,
      revokedFrom: undefined,
      revokedFor: undefined,
    });
  }

  #enter(record: ControlRecord, chained: ReadonlySet<number> | undefined): void {
    const { seq } = record;
    const problem = (because: string, verdict: ControlProblem["verdict"] = "not proven", counts = false) =>
      this.problems.push({ seq, verdict, because: `${record.kind}: ${because}`, counts });
    const usurped = this.#authority(record);
    if (usurped !== undefined) {
      problem(usurped);
      return;
    }
    if (this.#seen.has(record.bysig)) {
      problem("was recorded before; it counts once");
      return;
    }
    this.#seen.add(record.bysig);
    const refused = this.#meaning(record);
    if (refused !== undefined) {
      problem(refused);
      return;
    }
    // The chain is judged as it was made, whatever became known later.
    const place = chained === undefined ? this.#place(record) : chained.has(seq) ? undefined : this.#place(record);
    if (place !== undefined) {
      const counts = FORBIDS.has(record.kind);
      problem(place.because, place.verdict, counts);
      if (!counts) return;
    }
    this.last = Math.max(this.last, seq);
    this.chained.add(seq);
    this.#apply(record);
  }

  /** Who decided it, and whether that is for him to decide. */
  #authority(record: ControlRecord): string | undefined {
    const key = this.keys.get(record.by);
    const retracted = this.#retracted.get(record.by);
    if (retracted !== undefined && record.seq >= retracted) {
      return `key ${short(record.by)} is revoked from record ${retracted} on`;
    }
    const role = key?.entry.role;
    if (key === undefined || (role !== "root" && role !== "admin")) {
      return `signed by ${role === undefined ? "" : `${role} `}key ${short(record.by)}, which has no authority`;
    }
    const valid = validity(key, record.by, record.seq, role);
    if (!valid.ok) return valid.because;
    if (!verifyControl(record, this.#log, key.entry)) return `the signature is not by key ${short(record.by)}`;
    return role === "root" ? undefined : this.#beyondAdmin(record);
  }

  #beyondAdmin(record: ControlRecord): string | undefined {
    const high = (role: Role | undefined) => role === "root" || role === "admin";
    const subject =
      record.kind === "key.endorse"
        ? record.subject.role
        : record.kind === "key.rotate"
          ? record.role
          : record.kind === "key.revoke"
            ? this.keys.get(record.id)?.entry.role
            : undefined;
    if (record.kind === "restore") return "only a root key restores a backup";
    return high(subject) ? `only a root key decides about ${subject} keys` : undefined;
  }

  /** Where it says it stands, against where it does. */
  #place({ seq, at, before }: ControlRecord): { verdict: ControlProblem["verdict"]; because: string } | undefined {
    if (at > seq || at <= before) {
      return { verdict: "not proven", because: `says it was signed at ${at} records, after record ${before}` };
    }
    if (before === this.last) return undefined;
    if (before < this.last) {
      return { verdict: "not proven", because: `was signed without knowing of record ${this.last}` };
    }
    if (this.#known.has(before)) {
      return { verdict: "not proven", because: `builds on record ${before}, which does not count` };
    }
    return { verdict: "tampered", because: `the control record ${before} before it is missing` };
  }

  /** Whether what it says can be. */
  #meaning(record: ControlRecord): string | undefined {
    switch (record.kind) {
      case "key.endorse":
        return this.#newKey(record.subject, record.pop);
      case "key.rotate": {
        const old = this.keys.get(record.old);
        const valid = validity(old, record.old, record.seq, record.role);
        if (!valid.ok) return valid.because;
        if (old?.until !== undefined) return `key ${short(record.old)} has given way to another one already`;
        if (record.new.role !== record.role)
          return `a ${record.new.role} key does not take over from a ${record.role} key`;
        if (record.new.rnode !== old?.entry.rnode) return "the new key is of another rnode";
        if (record.until < record.at)
          return `the old key would not count from record ${record.until} on, which is past`;
        return this.#newKey(record.new, record.pop);
      }
      case "key.revoke":
        return this.keys.has(record.id) ? undefined : `key ${short(record.id)} was never endorsed`;
      case "quarantine": {
        if ((record.target.t === "records") !== (record.target.is === undefined)) return "names no target";
        const { fromSeq, toSeq = Number.MAX_SAFE_INTEGER } = record;
        return fromSeq > toSeq ? `ends with record ${toSeq}, before record ${fromSeq}` : undefined;
      }
      case "release":
        return this.quarantines.has(record.of) ? undefined : `record ${record.of} is no quarantine in force`;
      case "restore":
        return record.size > record.at ? `names ${record.size} records of ${record.at}` : undefined;
      default:
        return undefined;
    }
  }

  #newKey(entry: PublicKeyEntry, pop: string): string | undefined {
    if (!isOwnName(entry)) return `${short(entry.id)} is not the id of the key beside it`;
    const known = this.keys.get(entry.id);
    if (known?.revokedFrom !== undefined) return `key ${short(entry.id)} was revoked and cannot come back`;
    if (known !== undefined) return `key ${short(entry.id)} is endorsed already, as ${known.entry.role} key`;
    if (!verifyPossession(entry, pop, this.#log)) return `key ${short(entry.id)} did not prove that its holder agrees`;
    return undefined;
  }

  #apply(record: ControlRecord): void {
    switch (record.kind) {
      case "key.endorse":
        this.#admit(record.subject, record.seq);
        break;
      case "key.rotate":
        this.#admit(record.new, record.seq);
        (this.keys.get(record.old) as Mutable).until = Math.max(record.until, record.seq);
        break;
      case "key.revoke": {
        const key = this.keys.get(record.id) as Mutable;
        // A root that fell could else take away what it decided itself, this decision included.
        const from = key.entry.role === "root" ? Math.max(record.fromSeq, record.seq) : record.fromSeq;
        if (key.revokedFrom === undefined || from < key.revokedFrom) {
          key.revokedFrom = from;
          key.revokedFor = record.reason;
        }
        break;
      }
      case "quarantine":
        this.quarantines.set(record.seq, record);
        break;
      case "release":
        this.quarantines.delete(record.of);
        break;
      case "restore":
        this.restores.push(record);
        break;
      case "property":
        break;
    }
  }
}

const isOwnName = (entry: PublicKeyEntry): boolean => sha256(spkiOf(Buffer.from(entry.pub, "base64"))) === entry.id;

/** Whether a parsed record is one of authority. */
export function isControlRecord(record: { readonly kind: string }): record is ControlRecord {
  return isControlKind(record.kind);
}
