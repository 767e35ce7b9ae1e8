import { resolve } from "node:path/posix";
import { BegatError, type Sha256 } from "../../base/index.ts";
import {
  authoritySigner,
  type ControlBody,
  contradictions,
  type Decided,
  heldSigner,
  type KeyHistory,
  type KeyRole,
  type Ledger,
  laterKeyPath,
  makeLaterSigner,
  memories,
  provePossession,
  readKeyHistory,
  replacePin,
  type SignedCheckpoint,
  type Signer,
  type SqliteLedger,
  signControl,
  type Target,
} from "../../provenance/index.ts";
import type { DecisionRequest, DecisionView, KeysView } from "../control-services.ts";
import { controlLine, targetText } from "./control-line.ts";
import type { Machine } from "./machine.ts";
import { openUserLedger } from "./records.ts";

export class DecisionError extends BegatError<"KEY_UNKNOWN" | "TARGET_UNKNOWN" | "DECISION_LOST"> {}

/** How often a decision is signed again because another one came in between. */
const TRIES = 5;

export async function ledgerKeys(machine: Machine): Promise<KeysView> {
  const ledger = await openUserLedger(machine, false);
  const history = readKeyHistory(ledger);
  const size = ledger.size();
  const { stateHome } = machine.directories;
  const held = new Set(
    (["root", "admin", "log", "rnode"] as const).map((role) => {
      try {
        return heldSigner(machine.fs, stateHome, history, role, size)?.key;
      } catch {
        return undefined;
      }
    }),
  );
  return {
    ledger: ledger.identity,
    size,
    keys: history.keys().map(({ entry, since, until, revokedFrom, revokedFor }) => ({
      id: entry.id,
      role: entry.role,
      rnode: entry.rnode,
      since,
      until,
      revokedFrom,
      revokedFor,
      counts: history.validAt(entry.id, size, entry.role).ok,
      held: held.has(entry.id),
    })),
    quarantines: history.quarantines.map(({ seq, target, fromSeq, toSeq, reason }) => ({
      seq,
      target: targetText(target),
      fromSeq,
      toSeq,
      reason,
    })),
    problems: history.problems.map(({ seq, because }) => ({ seq, because })),
  };
}

export async function decide(machine: Machine, request: DecisionRequest): Promise<readonly DecisionView[]> {
  const restores = request.what === "restore";
  const ledger = await openUserLedger(machine, false, { rolledBack: restores });
  const { stateHome } = machine.directories;
  const path = request.rootKey === undefined ? undefined : resolve(machine.host.cwd, request.rootKey);
  const history = readKeyHistory(ledger);
  // Before anything is made: a new key that nobody endorses is only litter.
  const authority = authoritySigner(machine.fs, stateHome, history, ledger.size(), path);
  const views: DecisionView[] = [];
  for (const { decided, keyFile } of decisions(machine, ledger, history, request)) {
    const { seq, leaf } = await recordDecision(machine, ledger, authority, decided);
    const written = ledger.record(seq);
    if (written === undefined) throw new DecisionError("DECISION_LOST", `record ${seq} cannot be read again`);
    views.push({ seq, leaf, kind: written.kind, ...controlLine(written), by: authority.key, keyFile });
  }
  const checkpoint = await ledger.checkpoint();
  // A pin never gives way to one that says less, but these were given up.
  if (restores) for (const path of lostPins(machine, ledger)) replacePin(machine.fs, path, pinOf(ledger, checkpoint));
  return views;
}

/** Signs and appends; where another decision came in between and this one does not count for it, once more. */
export async function recordDecision(
  machine: Machine,
  ledger: Ledger,
  authority: Signer,
  decided: Decided,
): Promise<{ seq: number; leaf: Sha256 }> {
  for (let tries = 0; tries < TRIES; tries++) {
    const place = { at: ledger.size(), before: readKeyHistory(ledger).lastControl, nonce: machine.random.bytes(16) };
    const body: ControlBody = signControl(decided, place, ledger.origin, authority);
    const appending = ledger.append([{ body, manifests: [] }]);
    await ledger.flush();
    const [appended] = await appending;
    if (appended === undefined) break;
    const problem = readKeyHistory(ledger).problems.find(({ seq }) => seq === appended.seq);
    if (problem === undefined || problem.counts) return appended;
    if (!problem.because.includes("was signed without knowing of")) {
      throw new DecisionError("DECISION_LOST", `record ${appended.seq} does not count: ${problem.because}`);
    }
  }
  throw new DecisionError("DECISION_LOST", `others decided ${TRIES} times meanwhile; nothing was changed`, {
    hint: "run it again",
  });
}

interface Planned {
  readonly decided: Decided;
  readonly keyFile?: string | undefined;
}

function decisions(
  machine: Machine,
  ledger: SqliteLedger,
  history: KeyHistory,
  request: DecisionRequest,
): readonly Planned[] {
  const { stateHome } = machine.directories;
  const size = ledger.size();
  const fresh = (role: KeyRole, rnode?: string): Signer =>
    makeLaterSigner(machine.fs, machine.random, stateHome, role, rnode);
  switch (request.what) {
    case "rotate": {
      const { role } = request;
      const old = ledger.signer(role);
      const next = fresh(role, old.entry.rnode);
      const pop = provePossession(next, ledger.origin);
      const decided = { role, old: old.key, new: next.entry, pop, until: size + request.overlap };
      return [{ decided: { kind: "key.rotate", ...decided }, keyFile: laterKeyPath(stateHome, role, next.key) }];
    }
    case "endorse": {
      const { role } = request;
      const next = fresh(role, role === "rnode" ? machine.rnode : undefined);
      const decided = { subject: next.entry, pop: provePossession(next, ledger.origin) };
      return [{ decided: { kind: "key.endorse", ...decided }, keyFile: laterKeyPath(stateHome, role, next.key) }];
    }
    case "revoke": {
      const { reason, fromSeq = size } = request;
      return [{ decided: { kind: "key.revoke", id: keyNamed(history, request.key), fromSeq, reason } }];
    }
    case "quarantine": {
      const { fromSeq, toSeq, reason } = request;
      const target = parseTarget(request.target, history);
      const range = toSeq === undefined ? { fromSeq } : { fromSeq, toSeq };
      return [{ decided: { kind: "quarantine", target, ...range, reason } }];
    }
    case "restore":
      return restoring(machine, ledger, request.reason, fresh);
    case "release":
      return quarantinesNamed(history, request.target).map((of) => ({
        decided: { kind: "release", of, reason: request.reason },
      }));
    case "property": {
      const { subject, name, value } = request;
      return [{ decided: { kind: "property", subject, name, value } }];
    }
  }
}

const pinOf = (ledger: SqliteLedger, { size, root, note }: SignedCheckpoint) => {
  return { ledger: ledger.identity, log: ledger.origin, size, root, note };
};

function lostStates(machine: Machine, ledger: SqliteLedger) {
  const { stateHome, cacheHome } = machine.directories;
  return contradictions(memories(machine.fs, { stateHome, cacheHome }, ledger), ledger);
}

/** This machine's own; what came from elsewhere stays as it came. */
const lostPins = (machine: Machine, ledger: SqliteLedger): readonly string[] =>
  lostStates(machine, ledger)
    .filter(({ imported }) => !imported)
    .map(({ path }) => path);

/** Gives up each state that is remembered and not there, and the log key that signed it. */
function restoring(
  machine: Machine,
  ledger: SqliteLedger,
  reason: string,
  fresh: (role: KeyRole) => Signer,
): readonly Planned[] {
  const lost = new Map<string, { size: number; root: Sha256 }>();
  for (const { path, pin } of lostStates(machine, ledger)) {
    if (pin.root === undefined) throw new DecisionError("TARGET_UNKNOWN", `${path} names no root; remove it first`);
    lost.set(`${pin.size} ${pin.root}`, { size: pin.size, root: pin.root });
  }
  if (lost.size === 0) {
    throw new DecisionError("TARGET_UNKNOWN", "there is nothing to give up: the ledger is what is remembered of it");
  }
  const [size, root] = [ledger.size(), ledger.root()];
  const given = [...lost.values()].map(
    (state): Planned => ({
      decided: { kind: "restore", lost: state, size, root, reason },
    }),
  );
  const old = ledger.signer("log");
  const next = fresh("log");
  const pop = provePossession(next, ledger.origin);
  // At once: the old key counts in no record after this decision.
  const rotation = { role: "log" as const, old: old.key, new: next.entry, pop, until: size + given.length };
  const keyFile = laterKeyPath(machine.directories.stateHome, "log", next.key);
  return [...given, { decided: { kind: "key.rotate", ...rotation }, keyFile }];
}

function keyNamed(history: KeyHistory, text: string): Sha256 {
  const found = /^[0-9a-f]{8,64}$/.test(text) ? history.keys().filter(({ entry }) => entry.id.startsWith(text)) : [];
  if (found.length === 1 && found[0] !== undefined) return found[0].entry.id;
  const problem = found.length === 0 ? "no key of the ledger begins with it" : `${found.length} keys begin with it`;
  throw new DecisionError("KEY_UNKNOWN", `which key is "${text}"? ${problem}`, {
    hint: "begat ledger keys lists them; 8 digits or more name one",
  });
}

/** `rnode:frodo`, `digest:SHA256`, `records`. */
function parseTarget(text: string, history: KeyHistory): Target {
  if (text === "records") return { t: "records" };
  const match = /^(action|digest|image|key|rnode):(.+)$/.exec(text);
  const [, t, is = ""] = match ?? [];
  const plain = is.replace(/^sha256:/, "");
  if (t === "key") return { t, is: keyNamed(history, plain) };
  if (t === "rnode") return { t, is };
  if (t === "image") return { t, is: /^[0-9a-f]{64}$/.test(plain) ? plain : is };
  if ((t === "action" || t === "digest") && /^[0-9a-f]{64}$/.test(plain)) return { t, is: plain };
  throw new DecisionError("TARGET_UNKNOWN", `"${text}" is nothing to quarantine`, {
    hint: "digest:SHA256, image:IDENTITY, rnode:NAME, key:ID, action:SHA256 (all 64 digits), or records",
  });
}

function quarantinesNamed(history: KeyHistory, text: string): readonly number[] {
  const inForce = history.quarantines;
  if (/^\d+$/.test(text) && inForce.some(({ seq }) => seq === Number(text))) return [Number(text)];
  const target = /^\d+$/.test(text) ? undefined : parseTarget(text, history);
  const found = inForce.filter(({ target: { t, is } }) => t === target?.t && is === target?.is);
  if (found.length > 0) return found.map(({ seq }) => seq);
  throw new DecisionError("TARGET_UNKNOWN", `"${text}" is not quarantined`, {
    hint: "begat ledger keys lists what is",
  });
}
