import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Sha256 } from "../base/index.ts";
import { type Signer, spkiOf } from "./keys.ts";

/** Payload type of in-toto statements. */
export const IN_TOTO_PAYLOAD = "application/vnd.in-toto+json";

/** DSSE 1.0.2 pre-authentication encoding: what is really signed. Lengths are of bytes, decimal. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array | string): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload) : payload;
  const head = Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${body.length} `);
  return Buffer.concat([head, body]);
}

/** Signature over the encoding, base64. */
export function signDsse(signer: Signer, payloadType: string, payload: Uint8Array | string): string {
  return signer.sign(preAuthenticationEncoding(payloadType, payload)).toString("base64");
}

/** Keys read so far: making one ready costs several times what verifying with it does, and builds meet few. */
const ready = new Map<string, KeyObject>();
const MOST_READY = 1_000;

/** A public key ready to verify with. */
export function publicKeyFrom(base64: string): KeyObject {
  const known = ready.get(base64);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: spkiOf(Buffer.from(base64, "base64")), format: "der", type: "spki" });
  if (ready.size >= MOST_READY) ready.clear();
  ready.set(base64, key);
  return key;
}

export function verifyDsse(key: KeyObject, payloadType: string, payload: Uint8Array | string, sig: string): boolean {
  return verify(null, preAuthenticationEncoding(payloadType, payload), key, Buffer.from(sig, "base64"));
}

/** `verifyDsse` in Node's thread pool. */
export function verifyDsseSoon(
  key: KeyObject,
  payloadType: string,
  payload: Uint8Array | string,
  sig: string,
): Promise<boolean> {
  const signed = preAuthenticationEncoding(payloadType, payload);
  return new Promise((resolve, reject) => {
    verify(undefined, signed, key, Buffer.from(sig, "base64"), (error, holds) =>
      error === null ? resolve(holds) : reject(error),
    );
  });
}

/** The envelope other tools read. */
export interface DsseEnvelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export function dsseEnvelope(
  payloadType: string,
  payload: Uint8Array | string,
  key: Sha256,
  sig: string,
): DsseEnvelope {
  return { payload: Buffer.from(payload).toString("base64"), payloadType, signatures: [{ keyid: key, sig }] };
}
