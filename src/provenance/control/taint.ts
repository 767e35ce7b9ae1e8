import { type Sha256, sha256 } from "../../base/index.ts";
import type { Ledger } from "../ledger.ts";
import type { ExecBody, RecordFrame } from "../record.ts";
import type { ActionListing, InputLister } from "../statement.ts";
import type { Target } from "./control-record.ts";
import type { KeyHistory } from "./key-history.ts";

/** Why an execution is not used again because of what was decided; `undefined` when it may be. */
export interface TaintSource {
  because(seq: number): string | undefined;
}

export interface TaintParts {
  readonly ledger: Ledger;
  readonly history: KeyHistory;
  readonly lister: InputLister;
  /** Members of a recorded tree; `undefined` where its list is not kept. */
  readonly members: (tree: Sha256) => readonly { readonly digest: Sha256 }[] | undefined;
  /** Executions that made this blob or tree. May come from an index: one it forgets costs work, and nothing else. */
  readonly producers: (hash: Sha256) => readonly { readonly seq: number }[];
}

/** What is decided about executions, in one shape: quarantines, and keys that were revoked. */
interface Ban {
  readonly target: Target;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly because: string;
}

const EXEC_KIND = Buffer.from('"kind":"exec"');
/** Every empty file is made of it: it comes from nowhere in particular. */
const EMPTY = sha256("");

export const UNTAINTED: TaintSource = { because: () => undefined };

function bansOf(history: KeyHistory): readonly Ban[] {
  const bans: Ban[] = history.quarantines.map(({ seq, target, fromSeq, toSeq, reason }) => ({
    target,
    fromSeq,
    toSeq: toSeq ?? Number.MAX_SAFE_INTEGER,
    because: `${targetName(target)} is quarantined (record ${seq}): ${reason}`,
  }));
  for (const { entry, revokedFrom, revokedFor } of history.keys()) {
    if (entry.role !== "rnode" || revokedFrom === undefined) continue;
    bans.push({
      target: { t: "key", is: entry.id },
      fromSeq: revokedFrom,
      toSeq: Number.MAX_SAFE_INTEGER,
      because: `key ${entry.id.slice(0, 12)} is revoked from record ${revokedFrom} on: ${revokedFor}`,
    });
  }
  return bans;
}

function targetName({ t, is }: Target): string {
  if (is === undefined) return "a range of records";
  return `${t} ${/^[0-9a-f]{64}$/.test(is) ? is.slice(0, 12) : is}`;
}

/** Whether an identity of an image, `docker:sha256:...` or the like, is meant by what somebody wrote. */
const isImage = (image: string, is: string): boolean =>
  image === is || image.endsWith(`:${is}`) || image.endsWith(`@${is}`);

type Listing = Pick<ActionListing, "env" | "inputs">;

function isMeant(ban: Ban, record: ExecBody & RecordFrame, listing: () => Listing): boolean {
  if (record.seq < ban.fromSeq || record.seq > ban.toSeq) return false;
  const { t, is = "" } = ban.target;
  switch (t) {
    case "records":
      return true;
    case "action":
      return record.action === is;
    case "image":
      return isImage(record.image, is);
    case "key":
      return record.key === is;
    case "rnode":
      return record.rnode === is;
    case "digest":
      return (
        isImage(record.image, is) ||
        record.out.some(({ d }) => d === is) ||
        listing().inputs.some(({ digest }) => digest === is)
      );
  }
}

/**
 * Executions that a decision reaches: made by, of or with what is quarantined or by a revoked key, or from something that
 * only such executions made: files, the image it ran in, variables. Where another execution before it made the same bytes,
 * they are not held against it. Nothing is read where nothing is decided; else every execution from the first record concerned on.
 */
export function findTaint(parts: TaintParts): TaintSource {
  const { ledger, history, producers, members } = parts;
  const bans = bansOf(history);
  if (bans.length === 0) return UNTAINTED;
  const tainted = new Map<number, string>();
  /** Bytes that a tainted execution made, and which. */
  const made = new Map<Sha256, number>();
  /** Images and variables that a tainted execution handed on, as `image` has the one and `NAME=value` the other. */
  const handed = new Map<string, number>();
  const from = Math.min(...bans.map(({ fromSeq }) => fromSeq));
  for (const { seq, bytes } of ledger.read(from, ledger.size())) {
    if (!bytes.includes(EXEC_KIND)) continue;
    const record = executionAt(ledger, seq);
    if (record === undefined) continue;
    let listed: Listing | undefined;
    const listing = () => {
      listed ??= listingOf(parts, record);
      return listed;
    };
    const because =
      bans.find((ban) => isMeant(ban, record, listing))?.because ??
      (made.size === 0 ? undefined : inherited(listing().inputs, seq)) ??
      (handed.size === 0 ? undefined : surrounded(record, listing().env));
    if (because === undefined) continue;
    tainted.set(seq, because);
    for (const [name, value] of Object.entries(record.props ?? {})) {
      handed.set(name.startsWith("image ") ? value : `${name}=${value}`, seq);
    }
    for (const { d, m } of record.out) {
      if (d === EMPTY || m === "l") continue;
      made.set(d, seq);
      if (m === "t") for (const { digest } of members(d) ?? []) if (digest !== EMPTY) made.set(digest, seq);
    }
  }

  function reasonOf(what: string, by: number): string {
    return `${what} was made by record ${by}: ${tainted.get(by)?.replace(/^.* was made by record \d+: /, "")}`;
  }

  function surrounded({ image }: ExecBody, env: ActionListing["env"]): string | undefined {
    const maker = handed.get(image);
    if (maker !== undefined) return reasonOf(`image ${image.slice(0, 19)}`, maker);
    for (const [name, value] of env) {
      const by = handed.get(`${name}=${value}`);
      if (by !== undefined) return reasonOf(`variable ${name}`, by);
    }
    return undefined;
  }

  function inherited(inputs: ActionListing["inputs"], seq: number): string | undefined {
    for (const { path, digest } of inputs) {
      const by = made.get(digest);
      if (by === undefined) continue;
      if (producers(digest).some((other) => other.seq < seq && !tainted.has(other.seq))) continue;
      return reasonOf(path, by);
    }
    return undefined;
  }

  return { because: (seq) => tainted.get(seq) };
}

function executionAt(ledger: Ledger, seq: number): (ExecBody & RecordFrame) | undefined {
  try {
    const record = ledger.record(seq);
    return record?.kind === "exec" ? record : undefined;
  } catch {
    // What cannot be read is not used again either.
    return undefined;
  }
}

/** Inputs whose list is lost make a travail that cannot be verified, and is not used again for that. */
function listingOf({ ledger, lister }: TaintParts, record: ExecBody): Listing {
  try {
    return lister(record.action, (hash) => ledger.manifest(hash));
  } catch {
    return { env: [], inputs: [] };
  }
}
