import { createECDH, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { sha256 } from "../../base/index.ts";
import type { Random } from "../../ports/index.ts";
import { FarmError } from "./farm-error.ts";

type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** ECDSA on P-256: what Node, grpc-js and the Java of Bazel's TLS all accept. */
const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;

export const ECDSA_SHA256 = { name: "ECDSA", hash: "SHA-256" } as const;

/** A new private key for TLS. */
export function makeNodeKey(random: Random): KeyObject {
  const pair = createECDH("prime256v1");
  for (;;) {
    try {
      pair.setPrivateKey(random.bytes(32));
      break;
    } catch {
      // Outside 1 to n-1: once in 2^32.
    }
  }
  const point = pair.getPublicKey();
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: Buffer.from(pair.getPrivateKey().toString("hex").padStart(64, "0"), "hex").toString("base64url"),
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33, 65).toString("base64url"),
  };
  return createPrivateKey({ key: jwk, format: "jwk" });
}

export function nodeKeyPem(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }) as string;
}

/** @throws {FarmError} `FARM_STATE_MALFORMED` for anything but a P-256 private key. */
export function parseNodeKey(pem: Buffer, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new FarmError("FARM_STATE_MALFORMED", `${path} holds no private key`, { cause });
  }
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new FarmError("FARM_STATE_MALFORMED", `${path} holds a ${key.asymmetricKeyType} key, not one on P-256`);
  }
  return key;
}

/** SPKI DER of the public half. */
export function spkiOfKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" });
}

/** The cluster id that an authority's key gives: 32 hex digits. */
export function clusterIdOf(authorityKey: KeyObject): string {
  return sha256(spkiOfKey(authorityKey)).slice(0, 32);
}

/** The pair as WebCrypto wants it. */
export async function cryptoKeys(key: KeyObject): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const der = key.export({ format: "der", type: "pkcs8" });
  return {
    privateKey: await crypto.subtle.importKey("pkcs8", der, P256, false, ["sign"]),
    publicKey: await publicCryptoKey(spkiOfKey(key)),
  };
}

/** @throws whatever WebCrypto throws for an SPKI that holds no point on P-256. */
export function publicCryptoKey(spki: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("spki", spki, P256, true, ["verify"]);
}
