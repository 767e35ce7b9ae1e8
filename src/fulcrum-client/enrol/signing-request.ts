import type { KeyObject } from "node:crypto";
import { FarmError } from "./farm-error.ts";
import { type ServerAddresses, serverAddresses } from "./member.ts";
import { cryptoKeys, ECDSA_SHA256, publicCryptoKey } from "./node-key.ts";
import { loadX509 } from "./x509.ts";

/** A certificate signing request, understood: its signature holds, so who sent it has the key. */
export interface SigningRequest {
  /** SPKI DER, on P-256. */
  readonly publicKey: Buffer;
  readonly addresses: ServerAddresses;
}

/** Bytes of a request before anything is parsed: names and a P-256 key need less than 1 KiB. */
const MAX_REQUEST_BYTES = 16_384;
/** Host names and IP addresses that one certificate may name. */
const MAX_ADDRESSES = 16;

/** PKCS#10 DER for `key`. Only its key and addresses count; who it is for, the authority decides. */
export async function makeSigningRequest(key: KeyObject, addresses: ServerAddresses): Promise<Buffer> {
  const x509 = await loadX509();
  const names = alternativeNames(addresses);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=radix",
    keys: await cryptoKeys(key),
    signingAlgorithm: ECDSA_SHA256,
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  });
  return Buffer.from(request.rawData);
}

/** As the library wants them. */
export function alternativeNames({ dns, ip }: ServerAddresses): { type: "dns" | "ip"; value: string }[] {
  return [
    ...dns.map((value) => ({ type: "dns" as const, value })),
    ...ip.map((value) => ({ type: "ip" as const, value })),
  ];
}

/** @throws {FarmError} `FARM_REQUEST_MALFORMED`, `FARM_ADDRESS_MALFORMED`, whatever a peer sends. */
export async function readSigningRequest(der: Uint8Array): Promise<SigningRequest> {
  const malformed = (because: string, cause?: unknown) =>
    new FarmError("FARM_REQUEST_MALFORMED", `the certificate signing request ${because}`, { cause });
  if (der.length === 0 || der.length > MAX_REQUEST_BYTES) {
    throw malformed(`has ${der.length} bytes; 1 to ${MAX_REQUEST_BYTES} are taken`);
  }
  const x509 = await loadX509();
  let holds: boolean;
  let publicKey: Buffer;
  let hosts: string[];
  try {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(der));
    publicKey = Buffer.from(request.publicKey.rawData);
    await publicCryptoKey(publicKey);
    holds = await request.verify();
    const names = request.extensions.find((extension) => extension instanceof x509.SubjectAlternativeNameExtension);
    hosts = (names?.names.items ?? []).map(({ type, value }) =>
      type === "dns" || type === "ip" ? value : `${type}:${value}`,
    );
  } catch (cause) {
    throw malformed("cannot be read, or its key is not on P-256", cause);
  }
  if (!holds) throw malformed("is not signed by the key it names");
  if (hosts.length > MAX_ADDRESSES)
    throw malformed(`names ${hosts.length} addresses; at most ${MAX_ADDRESSES} are taken`);
  return { publicKey, addresses: serverAddresses(hosts) };
}
