import { base64Of, bytesOfBase64 } from "../tree/byte-text.ts";
import { verifyInclusion } from "../tree/merkle.ts";
import { type Checkpoint, parseCheckpoint, parseDecimal } from "./checkpoint.ts";
import { NoteError, type NoteSignature, type NoteVerifier, openNote, parseNote } from "./note.ts";

/** Proofs of C2SP tlog-proof: that a record stands in a log, in one small file. */

const HEADER = "c2sp.org/tlog-proof@v1";

export interface TlogProof {
  readonly index: number;
  /** From the leaf's side to the root's. */
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint the path leads to. */
  readonly checkpoint: string;
  /** Whatever the log wants to give along; not covered by anything. */
  readonly extra?: Uint8Array;
}

export function formatTlogProof({ index, path, checkpoint, extra }: TlogProof): string {
  const lines = [HEADER];
  if (extra !== undefined) lines.push(`extra ${base64Of(extra)}`);
  lines.push(`index ${index}`, ...path.map(base64Of), "");
  return `${lines.join("\n")}\n${checkpoint}`;
}

/** @throws {NoteError} `NOTE_MALFORMED`; the checkpoint is looked at too. */
export function parseTlogProof(text: string): TlogProof {
  const malformed = (what: string) => new NoteError("NOTE_MALFORMED", `not a tlog-proof: ${what}`);
  const split = text.indexOf("\n\n");
  if (split < 0) throw malformed("no empty line stands before its checkpoint");
  const [header, ...lines] = text.slice(0, split).split("\n");
  if (header !== HEADER) throw malformed(`it does not begin with ${HEADER}`);
  const extra = lines[0]?.startsWith("extra ") ? bytesOfBase64((lines.shift() as string).slice(6)) : null;
  if (extra === undefined) throw malformed("its extra line is not base64");
  const [, number = ""] = /^index (.*)$/.exec(lines.shift() ?? "") ?? [];
  const index = parseDecimal(number);
  if (index === undefined) throw malformed("it names no index");
  if (lines.length > 63) throw malformed(`${lines.length} hashes`);
  const path = lines.map((line) => {
    const hash = bytesOfBase64(line);
    if (hash?.length !== 32) throw malformed("a line is not a hash");
    return hash;
  });
  const checkpoint = text.slice(split + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { index, path, checkpoint, ...(extra === null ? {} : { extra }) };
}

/**
 * What a proof shows of `leaf`: the checkpoint it stands under and the lines on it that `verifiers` vouch for, or
 * `undefined` when the path does not lead from it to the root. Whether those lines are enough is for the caller to say.
 *
 * @throws {NoteError} when the checkpoint is no good.
 */
export function openTlogProof(
  { index, path, checkpoint }: TlogProof,
  leaf: Uint8Array,
  verifiers: readonly NoteVerifier[],
): { readonly checkpoint: Checkpoint; readonly verified: readonly NoteSignature[] } | undefined {
  const { text, verified } = openNote(checkpoint, verifiers);
  const opened = parseCheckpoint(text);
  const { size, root } = opened;
  return verifyInclusion({ leaf, index, size, path, root }) ? { checkpoint: opened, verified } : undefined;
}
