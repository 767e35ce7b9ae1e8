import { base64Of, bytesOfBase64 } from "../tree/byte-text.ts";
import { verifyEd25519 } from "../tree/ed25519.ts";
import { cosignedBytes, parseCosignature } from "./cosignature.ts";
import { isNoteName, NOTE_KEY, NoteError, type NoteVerifier, noteKeyId } from "./note.ts";

/** A verifier key of C2SP signed-note: `name+key id+base64(type || public key)`. */
export interface Vkey {
  readonly name: string;
  readonly keyId: string;
  readonly type: number;
  readonly publicKey: Uint8Array;
}

/** @throws {NoteError} `NOTE_MALFORMED` for a name no note can carry. */
export function vkeyOf(name: string, type: number, publicKey: Uint8Array): Vkey {
  if (!isNoteName(name)) throw new NoteError("NOTE_MALFORMED", `${JSON.stringify(name)} cannot be a key's name`);
  return { name, keyId: noteKeyId(name, type, publicKey), type, publicKey };
}

export function formatVkey({ name, keyId, type, publicKey }: Vkey): string {
  return `${name}+${keyId}+${base64Of(Uint8Array.of(type, ...publicKey))}`;
}

/** @throws {NoteError} `NOTE_MALFORMED`, also when the key id is not that of the key. */
export function parseVkey(text: string): Vkey {
  const [, name, keyId, base64] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text) ?? [];
  const bytes = base64 === undefined ? undefined : bytesOfBase64(base64);
  const type = bytes?.[0];
  if (name === undefined || bytes === undefined || type === undefined || !isNoteName(name)) {
    throw new NoteError("NOTE_MALFORMED", `${JSON.stringify(text.slice(0, 200))} is not a verifier key`);
  }
  const key = vkeyOf(name, type, bytes.subarray(1));
  if (key.keyId !== keyId) {
    throw new NoteError("NOTE_MALFORMED", `verifier key of ${name} says its id is ${keyId}; it is ${key.keyId}`);
  }
  return key;
}

/** @throws {NoteError} `NOTE_MALFORMED` for a key of another type or length than those whose lines are checked here. */
export function assertCheckable({ name, keyId, type, publicKey }: Vkey): void {
  if (publicKey.length !== 32 || (type !== NOTE_KEY.ed25519 && type !== NOTE_KEY.cosignature)) {
    throw new NoteError("NOTE_MALFORMED", `key ${keyId} of ${name} is of type ${type}, which cannot be checked here`);
  }
}

/**
 * What checks lines of `key`: Ed25519 over the text (type 1), or a timestamped cosignature of a checkpoint (type 4).
 *
 * @throws {NoteError} `NOTE_MALFORMED` as `assertCheckable` does.
 */
export function noteVerifier(key: Vkey): NoteVerifier {
  assertCheckable(key);
  const { name, keyId, type, publicKey } = key;
  if (type === NOTE_KEY.ed25519) {
    return { name, keyId, verify: (text, bytes) => verifyEd25519(publicKey, text, bytes) };
  }
  const verify = (text: Uint8Array, bytes: Uint8Array): boolean => {
    const cosignature = parseCosignature(bytes);
    if (cosignature === undefined) return false;
    return verifyEd25519(publicKey, cosignedBytes(cosignature.time, text), cosignature.signature);
  };
  return { name, keyId, verify };
}
