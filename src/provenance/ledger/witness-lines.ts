import { NOTE_KEY, openNote, parseNote } from "../note/note.ts";
import { noteVerifier, vkeyOf } from "../note/vkey.ts";
import type { PublicKeyEntry } from "../record.ts";

/**
 * Names of the witnesses that vouch for a checkpoint, by keys the ledger endorsed as witnesses. A line of any other key
 * shows nothing: whoever can write the file can write a name and some bytes into it.
 *
 * @param keys Of the ledger, in whatever role.
 * @throws {NoteError} when a line of an endorsed witness does not fit the checkpoint.
 */
export function witnessNames(note: string, keys: readonly PublicKeyEntry[]): readonly string[] {
  const witnesses = keys.filter(({ role }) => role === "witness").map(({ pub }) => Buffer.from(pub, "base64"));
  const parsed = parseNote(note);
  const verifiers = parsed.signatures.flatMap(({ name, keyId }) =>
    witnesses
      .map((publicKey) => vkeyOf(name, NOTE_KEY.cosignature, publicKey))
      .filter((key) => key.keyId === keyId)
      .map(noteVerifier),
  );
  return verifiers.length === 0 ? [] : openNote(parsed, verifiers).verified.map(({ name }) => name);
}
