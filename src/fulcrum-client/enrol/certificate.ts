import { type KeyObject, X509Certificate } from "node:crypto";
import { sha256 } from "../../base/index.ts";
import { FarmError } from "./farm-error.ts";
import { type Member, memberUri, parseMemberUri } from "./member.ts";
import { clusterIdOf } from "./node-key.ts";

/** A certificate's life, and how much of it is before the authority's "now": clocks that differ less do no harm. */
export const CERTIFICATE_LIFE_MS = 24 * 3_600_000;
export const CLOCK_LEEWAY_MS = 5 * 60_000;

/** A member's certificate, as far as anything depends on it. */
export interface MemberCertificate {
  readonly member: Member;
  /** 16 hex digits, the serial's first half: the same in every renewal, so it is what is revoked. */
  readonly enrolment: string;
  /** 32 hex digits. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 of the certificate's public key (SPKI DER). */
  readonly publicKey: string;
  readonly der: Buffer;
}

export type CertificateProblem =
  | "FARM_CERTIFICATE_FOREIGN"
  | "FARM_CERTIFICATE_EXPIRED"
  | "FARM_CERTIFICATE_NOT_YET_VALID"
  | "FARM_CERTIFICATE_REVOKED";

export type CertificateVerdict =
  | { readonly ok: true; readonly certificate: MemberCertificate }
  | { readonly ok: false; readonly code: CertificateProblem; readonly because: string };

/** What a farm's certificates are checked against. */
export interface AuthorityCertificate {
  readonly cluster: string;
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  readonly pem: string;
}

/** @throws {FarmError} `FARM_STATE_MALFORMED` for anything but a certificate that signed itself and may sign others. */
export function readAuthorityCertificate(bytes: Uint8Array): AuthorityCertificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(bytes);
  } catch (cause) {
    throw new FarmError("FARM_STATE_MALFORMED", "what should be the authority's certificate is none", { cause });
  }
  const { publicKey } = certificate;
  if (!certificate.ca || !certificate.checkIssued(certificate) || !certificate.verify(publicKey)) {
    throw new FarmError("FARM_STATE_MALFORMED", "what should be the authority's certificate is not an authority's");
  }
  return { cluster: clusterIdOf(publicKey), certificate, publicKey, pem: certificate.toString() };
}

/**
 * Whether `der` is a certificate that `authority` gave to a member, and good at `nowMs`. Of several things wrong the
 * first counts, and nothing in a certificate is believed before its signature holds.
 */
export function checkCertificate(
  der: Uint8Array,
  authority: AuthorityCertificate,
  nowMs: number,
  isRevoked: (enrolment: string) => boolean = () => false,
): CertificateVerdict {
  const read = readMemberCertificate(der, authority);
  return read.ok ? checkValidity(read.certificate, nowMs, isRevoked) : read;
}

/** The part of `checkCertificate` that never changes for the same bytes. */
export function readMemberCertificate(der: Uint8Array, authority: AuthorityCertificate): CertificateVerdict {
  const foreign = (because: string): CertificateVerdict => ({ ok: false, code: "FARM_CERTIFICATE_FOREIGN", because });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
    if (certificate.ca || !certificate.checkIssued(authority.certificate) || !certificate.verify(authority.publicKey)) {
      return foreign(`the certificate was not issued by the authority of farm ${authority.cluster}`);
    }
  } catch {
    return foreign("the certificate cannot be read");
  }
  const uris = (certificate.subjectAltName ?? "").split(", ").filter((name) => name.startsWith("URI:"));
  const member = uris.length === 1 ? parseMemberUri((uris[0] ?? "").slice("URI:".length)) : undefined;
  if (member === undefined || member.cluster !== authority.cluster) {
    return foreign(`the certificate names no member of farm ${authority.cluster}`);
  }
  const serial = certificate.serialNumber.toLowerCase().padStart(32, "0");
  return {
    ok: true,
    certificate: {
      member,
      enrolment: serial.slice(0, 16),
      serial,
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
      publicKey: sha256(certificate.publicKey.export({ format: "der", type: "spki" })),
      der: Buffer.from(certificate.raw),
    },
  };
}

/** The part that depends on when it is asked. */
export function checkValidity(
  certificate: MemberCertificate,
  nowMs: number,
  isRevoked: (enrolment: string) => boolean,
): CertificateVerdict {
  const bad = (code: CertificateProblem, because: string): CertificateVerdict => ({ ok: false, code, because });
  const who = memberUri(certificate.member);
  const { notBeforeMs, notAfterMs } = certificate;
  if (isRevoked(certificate.enrolment)) return bad("FARM_CERTIFICATE_REVOKED", `the membership of ${who} was revoked`);
  if (!(nowMs >= notBeforeMs)) {
    return bad(
      "FARM_CERTIFICATE_NOT_YET_VALID",
      `the certificate of ${who} is valid from ${instant(notBeforeMs)}; it is ${instant(nowMs)}`,
    );
  }
  if (!(nowMs < notAfterMs)) {
    return bad(
      "FARM_CERTIFICATE_EXPIRED",
      `the certificate of ${who} was valid until ${instant(notAfterMs)}; it is ${instant(nowMs)}`,
    );
  }
  return { ok: true, certificate };
}

/** When it should be renewed: at half its life. */
export function renewalDueMs({ notBeforeMs, notAfterMs }: MemberCertificate): number {
  return notBeforeMs + (notAfterMs - notBeforeMs) / 2;
}

/** RFC 3339, to the second. */
export function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
