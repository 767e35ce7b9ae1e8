import { BegatError } from "../../base/index.ts";
import { FileTreeError } from "../../ports/index.ts";
import {
  type Comparison,
  checkpointOfNote,
  compareCheckpoint,
  exportTiles,
  type ForkProof,
  ForkProofError,
  formatForkProof,
  importPin,
  judgeForkProof,
  LedgerError,
  logVerifiers,
  NoteError,
  type NoteVerifier,
  openNote,
  otherPins,
  type Pin,
  parseForkProof,
  parsePin,
  pinPath,
  pinProblem,
  readKeyHistory,
  readPin,
  type SignedCheckpoint,
  type SqliteLedger,
} from "../../provenance/index.ts";
import type { CheckpointView, CompareView, ExportView, ForkView, PinsView } from "../ledger-services.ts";
import type { Machine } from "./machine.ts";
import { openUserLedger } from "./records.ts";

class LedgerFileError extends BegatError<"LEDGER_FILE_UNREADABLE"> {}

const unreadable = (file: string, what: string, cause?: unknown) =>
  new LedgerFileError("LEDGER_FILE_UNREADABLE", `${file} ${what}`, { cause });

function textOf(machine: Machine, file: string): string {
  try {
    return machine.fs.readFile(file).toString();
  } catch (cause) {
    if (cause instanceof FileTreeError && cause.code === "FILE_NOT_FOUND") throw unreadable(file, "does not exist");
    if (cause instanceof FileTreeError) throw unreadable(file, "cannot be read", cause);
    throw cause;
  }
}

/** Every key that ever signed this ledger. */
const verifiersOf = (ledger: SqliteLedger): readonly NoteVerifier[] =>
  logVerifiers(
    ledger.origin,
    readKeyHistory(ledger)
      .keys()
      .map(({ entry }) => entry),
  );

export async function ledgerCheckpoint(machine: Machine): Promise<CheckpointView> {
  const ledger = await openUserLedger(machine, false);
  return { log: ledger.origin, ledger: ledger.identity, ...(await ledger.checkpoint()) };
}

export async function ledgerPin(machine: Machine, request: { readonly add: string | undefined }): Promise<PinsView> {
  const ledger = await openUserLedger(machine, false);
  const { stateHome, cacheHome } = machine.directories;
  const added = request.add === undefined ? undefined : addPin(machine, ledger, request.add);
  const own = { path: pinPath(stateHome), read: readPin(machine.fs, stateHome), imported: false };
  const pins = [own, ...otherPins(machine.fs, stateHome, cacheHome, ledger.identity)].flatMap(
    ({ path, read, imported }) => {
      if (read.state === "absent") return [];
      const pin = read.state === "present" ? read.pin : undefined;
      return [{ path, size: pin?.size, signed: pin?.note !== undefined, imported }];
    },
  );
  return { ledger: ledger.identity, size: ledger.size(), pins, added };
}

function addPin(machine: Machine, ledger: SqliteLedger, file: string): string {
  const pin = pinOf(textOf(machine, file), ledger, file);
  const leaf = (seq: number) => [...ledger.read(seq, seq + 1)][0]?.leaf;
  const found = { identity: ledger.identity, size: ledger.size() };
  const problem = pinProblem(pin, found, { leaf, root: (size) => ledger.root(size) });
  // Kept, it would close the ledger for good: the checkpoint stays where it is, and `ledger compare` says what it proves.
  if (problem !== undefined) {
    throw new LedgerError("LEDGER_ROLLED_BACK", `${file} does not agree with the ledger: ${problem}`);
  }
  return importPin(machine.fs, machine.directories.stateHome, pin);
}

function pinOf(text: string, ledger: SqliteLedger, file: string): Pin {
  try {
    const pin = text.startsWith("{") ? parsePin(Buffer.from(text.trimEnd())) : undefined;
    if (pin !== undefined) return pin;
    openNote(text, verifiersOf(ledger));
    const { origin, size, root } = checkpointOfNote(text);
    if (origin !== ledger.origin) throw unreadable(file, `is of ledger ${origin}, not of ${ledger.origin}`);
    return { ledger: ledger.identity, log: origin, size, root, note: text };
  } catch (cause) {
    if (!(cause instanceof BegatError) || cause instanceof LedgerFileError) throw cause;
    throw unreadable(file, "is neither a pin nor a checkpoint of this ledger", cause);
  }
}

export async function ledgerCompare(
  machine: Machine,
  request: { readonly file: string; readonly proof: string | undefined },
): Promise<CompareView> {
  const note = textOf(machine, request.file);
  const ledger = await openUserLedger(machine, false);
  const own = await ledger.checkpoint();
  const found = comparison(ledger, request.file, note, own);
  const forked = found.relation === "forked" ? found : undefined;
  let proof: string | undefined;
  if (forked?.proof !== undefined && request.proof !== undefined) {
    machine.fs.replaceFile(request.proof, formatForkProof(forked.proof), { mode: 0o644, durable: true });
    proof = request.proof;
  }
  const { relation, size, root } = found;
  return { relation, here: ledger.size(), size, root, own: forked?.own, proof };
}

function comparison(ledger: SqliteLedger, file: string, note: string, own: SignedCheckpoint): Comparison {
  try {
    return compareCheckpoint(ledger, note, verifiersOf(ledger), own);
  } catch (cause) {
    if (!(cause instanceof NoteError)) throw cause;
    throw unreadable(file, "is no checkpoint of this ledger", cause);
  }
}

export async function ledgerForkProof(
  machine: Machine,
  request: { readonly file: string; readonly keys: readonly string[] },
): Promise<ForkView> {
  const text = textOf(machine, request.file);
  const verdict = judgeForkProof(forkProofIn(request.file, text), request.keys);
  return "because" in verdict ? { forked: false, because: verdict.because } : { forked: true, ...verdict };
}

function forkProofIn(file: string, text: string): ForkProof {
  try {
    return parseForkProof(text);
  } catch (cause) {
    if (!(cause instanceof ForkProofError)) throw cause;
    throw unreadable(file, "is not a fork proof");
  }
}

export async function ledgerExport(machine: Machine, request: { readonly directory: string }): Promise<ExportView> {
  const ledger = await openUserLedger(machine, false);
  const checkpoint = await ledger.checkpoint();
  const verifiers = verifiersOf(ledger);
  return {
    directory: request.directory,
    ...exportTiles(ledger, checkpoint, machine.fs, request.directory, verifiers),
  };
}
