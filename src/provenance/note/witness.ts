import { base64Of, bytesOfBase64, sameBytes } from "../tree/byte-text.ts";
import { emptyRoot, verifyConsistency } from "../tree/merkle.ts";
import { parseCheckpoint, parseDecimal } from "./checkpoint.ts";
import { NoteError, type NoteVerifier, openNote, parseNote } from "./note.ts";

/** `add-checkpoint` of C2SP tlog-witness, as decisions: who receives and keeps is up to the caller. */

export interface AddCheckpoint {
  /** Size the witness is thought to have seen last. */
  readonly old: number;
  /** From that size to the checkpoint's. */
  readonly path: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
}

export function formatAddCheckpoint({ old, path, checkpoint }: AddCheckpoint): string {
  return `${[`old ${old}`, ...path.map(base64Of), ""].join("\n")}\n${checkpoint}`;
}

/** @throws {NoteError} `NOTE_MALFORMED`. */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const malformed = (what: string) => new NoteError("NOTE_MALFORMED", `not an add-checkpoint request: ${what}`);
  const split = body.indexOf("\n\n");
  if (split < 0) throw malformed("no empty line stands before its checkpoint");
  const [head = "", ...lines] = body.slice(0, split).split("\n");
  const old = head.startsWith("old ") ? parseDecimal(head.slice(4)) : undefined;
  if (old === undefined) throw malformed("it names no old size");
  if (lines.length > 63) throw malformed(`${lines.length} hashes`);
  const path = lines.map((line) => {
    const hash = bytesOfBase64(line);
    if (hash?.length !== 32) throw malformed("a line is not a hash");
    return hash;
  });
  const checkpoint = body.slice(split + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { old, path, checkpoint };
}

/** What a witness remembers of a log. */
export interface Seen {
  readonly size: number;
  readonly root: Uint8Array;
}

export type WitnessAnswer =
  /** Cosign `text`, but only after `seen` has durably replaced what was remembered, unless another request did first. */
  | { readonly status: 200; readonly text: string; readonly seen: Seen }
  | { readonly status: 400 | 403 | 404 | 422; readonly reason: string }
  /** The witness is at `size`; the log may ask again from there. */
  | { readonly status: 409; readonly reason: string; readonly size: number };

/**
 * The answer of a witness to a request.
 *
 * @param seen What it remembers of the log; `undefined` before the first time.
 * @param verifiersOf Keys of a log by its origin; `undefined` for a log it does not watch.
 */
export function answerAddCheckpoint(
  request: AddCheckpoint,
  seen: Seen | undefined,
  verifiersOf: (origin: string) => readonly NoteVerifier[] | undefined,
): WitnessAnswer {
  const { origin, size, root } = parseCheckpoint(parseNote(request.checkpoint).text);
  const verifiers = verifiersOf(origin);
  if (verifiers === undefined) return { status: 404, reason: `log ${origin} is not known` };
  let text: string;
  try {
    ({ text } = openNote(
      request.checkpoint,
      verifiers.filter(({ name }) => name === origin),
    ));
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return { status: 403, reason: error.message };
  }
  if (request.old > size) return { status: 400, reason: `old size ${request.old} is beyond ${size}` };
  const known = seen ?? { size: 0, root: emptyRoot };
  if (request.old !== known.size) {
    return { status: 409, reason: `the last size seen is ${known.size}, not ${request.old}`, size: known.size };
  }
  if (size === known.size && !sameBytes(root, known.root)) {
    return { status: 422, reason: `two roots of size ${size}: one log has been forked` };
  }
  const claim = { first: known.size, firstRoot: known.root, second: size, secondRoot: root, path: request.path };
  if (!verifyConsistency(claim)) {
    return { status: 422, reason: `nothing shows that size ${known.size} is the beginning of size ${size}` };
  }
  return { status: 200, text, seen: { size, root } };
}
