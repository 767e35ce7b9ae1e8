import { sha256 } from "../../base/index.ts";
import {
  type AuthorityCertificate,
  type CertificateVerdict,
  checkValidity,
  type FarmErrorCode,
  type FarmRole,
  type Member,
  memberUri,
  readMemberCertificate,
} from "../../fulcrum-client/index.ts";
import type { Clock } from "../../ports/index.ts";
import type { Allowed, RoleTable } from "./role-table.ts";

/** What a caller showed in the handshake. */
export interface ShownCertificate {
  readonly der: Uint8Array;
  /** TLS found it good too, and the caller has its key. */
  readonly accepted: boolean;
}

export type Admission =
  /** `member` and `enrolment` are `undefined` for a call that needs no certificate. */
  | { readonly admitted: true; readonly member: Member | undefined; readonly enrolment: string | undefined }
  | { readonly admitted: false; readonly code: FarmErrorCode; readonly because: string };

/** Certificates whose signature has been checked: a client makes thousands of calls with one. */
const REMEMBERED = 1000;

/** Says of each call whether it is let in, and why not. */
export class Gate {
  readonly #table: RoleTable;
  readonly #authority: AuthorityCertificate;
  readonly #isRevoked: (enrolment: string) => boolean;
  readonly #clock: Clock;
  readonly #withoutCertificate: FarmRole | undefined;
  readonly #read = new Map<string, CertificateVerdict>();

  /**
   * @param options.withoutCertificate What a caller without certificate counts as: for a plain-text listener that
   *   somebody asked for, and for nothing else.
   */
  constructor(options: {
    readonly table: RoleTable;
    readonly authority: AuthorityCertificate;
    readonly revocations: { isRevoked(enrolment: string): boolean };
    readonly clock: Clock;
    readonly withoutCertificate?: FarmRole | undefined;
  }) {
    const { revocations } = options;
    this.#table = options.table;
    this.#authority = options.authority;
    this.#isRevoked = (enrolment) => revocations.isRevoked(enrolment);
    this.#clock = options.clock;
    this.#withoutCertificate = options.withoutCertificate;
  }

  /** @param method Path of the call. */
  admit(method: string, shown: ShownCertificate | undefined): Admission {
    const allowed = this.#table.get(method);
    if (allowed === undefined) return refusal("FARM_METHOD_UNLISTED", `nobody may call ${method}`);
    if (allowed === "anyone") return { admitted: true, member: undefined, enrolment: undefined };
    if (shown === undefined) return this.#admitWithout(method, allowed);
    const verdict = this.#check(shown.der);
    if (!verdict.ok) return refusal(verdict.code, verdict.because);
    const { member, enrolment } = verdict.certificate;
    if (!shown.accepted) {
      return refusal("FARM_CERTIFICATE_FOREIGN", `the certificate of ${memberUri(member)} was not accepted by TLS`);
    }
    if (!allowed.includes(member.role)) return refusal("FARM_ROLE_REFUSED", roleRefused(method, member.role, allowed));
    return { admitted: true, member, enrolment };
  }

  /** Whether a call that was let in may go on: for streams that stay open for days. */
  mayGoOn(admission: Admission): Admission {
    if (!admission.admitted || admission.enrolment === undefined) return admission;
    if (!this.#isRevoked(admission.enrolment)) return admission;
    const who = admission.member === undefined ? "the caller" : memberUri(admission.member);
    return refusal("FARM_CERTIFICATE_REVOKED", `the membership of ${who} was revoked`);
  }

  #admitWithout(method: string, allowed: Exclude<Allowed, "anyone">): Admission {
    if (this.#withoutCertificate === undefined) {
      return refusal("FARM_CERTIFICATE_MISSING", `${method} needs a certificate of farm ${this.#authority.cluster}`);
    }
    if (allowed.includes(this.#withoutCertificate)) return { admitted: true, member: undefined, enrolment: undefined };
    return refusal("FARM_ROLE_REFUSED", roleRefused(method, this.#withoutCertificate, allowed));
  }

  #check(der: Uint8Array): CertificateVerdict {
    const key = sha256(der);
    let read = this.#read.get(key);
    if (read === undefined) {
      read = readMemberCertificate(der, this.#authority);
      // Strangers do not push members out.
      if (read.ok) {
        if (this.#read.size >= REMEMBERED) this.#read.clear();
        this.#read.set(key, read);
      }
    }
    return read.ok ? checkValidity(read.certificate, this.#clock.nowMs(), this.#isRevoked) : read;
  }
}

function roleRefused(method: string, role: FarmRole, allowed: readonly FarmRole[]): string {
  return `${method} is for the role ${allowed.join(" or ")}, not ${role}`;
}

function refusal(code: FarmErrorCode, because: string): Admission {
  return { admitted: false, code, because };
}
