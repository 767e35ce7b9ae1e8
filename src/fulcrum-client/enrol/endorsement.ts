import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { type CanonicalValue, canonicalJson, parseCanonicalJson, type Sha256, sha256 } from "../../base/index.ts";
import type { AuthorityCertificate } from "./certificate.ts";
import { FarmError } from "./farm-error.ts";
import { type Member, memberUri, parseMemberUri } from "./member.ts";

/** The key an rnode signs travails with; its private half stays in the rnode's state home. */
export interface SigningKey {
  /** Raw Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/**
 * The authority's word that a signing key belongs to a member. Whoever trusts the authority may take the key into its
 * own ledger. Format: docs/formats.md, "Endorsement".
 */
export interface Endorsement {
  readonly member: Member;
  readonly enrolment: string;
  /** As a ledger's records name keys. */
  readonly key: {
    readonly alg: "ed25519";
    readonly id: Sha256;
    /** Raw, base64. */
    readonly pub: string;
    readonly role: "rnode";
    readonly rnode: string;
  };
  /** Milliseconds since 1970, by the authority's clock. */
  readonly atMs: number;
}

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** What the signing key signs to show that who asks for the endorsement has it. */
export function possessionStatement(member: Member, nodeKey: Sha256 | string): Buffer {
  return Buffer.from(`begat-farm-pop-v1\n${memberUri(member)}\n${nodeKey}\n`);
}

/** @param nodeKey SHA-256 of the TLS key's SPKI, which the statement is bound to. */
export function provesPossession(publicKey: Uint8Array, pop: Uint8Array, member: Member, nodeKey: string): boolean {
  return publicKey.length === 32 && verify(null, possessionStatement(member, nodeKey), ed25519(publicKey), pop);
}

function ed25519(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
}

/** Bytes the authority signs, and what they say. */
export function endorsementBody(options: {
  readonly member: Member;
  readonly enrolment: string;
  readonly publicKey: Uint8Array;
  readonly pop: Uint8Array;
  /** SHA-256 of the TLS key's SPKI. */
  readonly nodeKey: string;
  readonly atMs: number;
}) {
  const { member, enrolment, publicKey, pop, nodeKey, atMs } = options;
  return {
    at: atMs,
    enrolment,
    key: {
      alg: "ed25519",
      id: sha256(Buffer.concat([SPKI_PREFIX, publicKey])),
      pub: Buffer.from(publicKey).toString("base64"),
      role: "rnode",
      rnode: member.name,
    },
    kind: "farm.endorsement",
    member: memberUri(member),
    pop: Buffer.from(pop).toString("base64"),
    tls: nodeKey,
    v: 1,
  } as const;
}

/** What is signed: a line that keeps the signature from meaning anything else, then the canonical body. */
export function signedBytes(kind: "farm.endorsement" | "farm.revocation", body: CanonicalValue): Buffer {
  return Buffer.from(`begat-${kind}-v1\n${canonicalJson(body)}`);
}

/**
 * What an endorsement says, if the authority of this farm said it and the key itself agreed.
 *
 * @throws {FarmError} `FARM_ENDORSEMENT_BROKEN`, whatever a peer sends.
 */
export function verifyEndorsement(bytes: Uint8Array, authority: AuthorityCertificate): Endorsement {
  const broken = (because: string, cause?: unknown) =>
    new FarmError("FARM_ENDORSEMENT_BROKEN", `the endorsement of a signing key ${because}`, { cause });
  let value: ReturnType<typeof endorsementBody>;
  let holds: boolean;
  try {
    const document = parseCanonicalJson(bytes) as { body: typeof value; sig: string };
    value = document.body;
    holds = verify(
      "sha256",
      signedBytes("farm.endorsement", value),
      authority.publicKey,
      Buffer.from(document.sig, "base64"),
    );
  } catch (cause) {
    throw broken("cannot be read", cause);
  }
  if (!holds) throw broken(`is not signed by the authority of farm ${authority.cluster}`);
  // The authority signed it, so the shape is what its version says.
  if (value.v !== 1 || value.kind !== "farm.endorsement") throw broken(`is of version ${value.v}; this begat reads 1`);
  const member = parseMemberUri(value.member);
  const raw = Buffer.from(value.key.pub, "base64");
  if (member === undefined || member.role !== "rnode" || member.cluster !== authority.cluster) {
    throw broken(`names ${value.member}, which is no rnode of farm ${authority.cluster}`);
  }
  const { key } = value;
  if (key.id !== sha256(Buffer.concat([SPKI_PREFIX, raw])) || key.rnode !== member.name || key.role !== "rnode") {
    throw broken("contradicts itself");
  }
  if (!provesPossession(raw, Buffer.from(value.pop, "base64"), member, value.tls)) {
    throw broken("is not signed by the key it endorses");
  }
  return { member, enrolment: value.enrolment, key, atMs: value.at };
}
