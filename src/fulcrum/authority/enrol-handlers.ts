import { sha256 } from "../../base/index.ts";
import {
  checkCertificate,
  checkMemberName,
  FarmError,
  isFarmRole,
  type Member,
  type MemberCertificate,
  memberUri,
  parseJoinToken,
  provesPossession,
  readSigningRequest,
  type ServerAddresses,
  type SigningRequest,
} from "../../fulcrum-client/index.ts";
import { type farm, timestampOf } from "../../protocol/index.ts";
import { AttemptLimit } from "./attempt-limit.ts";
import type { Authority } from "./authority.ts";

/** What the wire knows of a caller. */
export interface EnrolCaller {
  /** IP address without the port: whose failures are counted together. */
  readonly address: string;
  /** DER, as shown in the handshake; `undefined` for a caller without one. */
  readonly certificate: Uint8Array | undefined;
}

/** `radix.farm.v1.Enrol` as functions of messages. What they refuse is a `FarmError`. */
export interface EnrolHandlers {
  join(request: farm.JoinRequest, caller: EnrolCaller): Promise<farm.JoinReply>;
  renew(request: farm.RenewRequest, caller: EnrolCaller): Promise<farm.JoinReply>;
  authority(): farm.AuthorityReply;
}

/** @param ledgerOrigin Of the leader's ledger. */
export function enrolHandlers(authority: Authority, ledgerOrigin: string): EnrolHandlers {
  const limit = new AttemptLimit();
  const { clock } = authority.ports;
  return {
    async join(request, caller) {
      const waitMs = limit.waitMs(caller.address, clock.nowMs());
      if (waitMs > 0) {
        const seconds = Math.ceil(waitMs / 1000);
        throw new FarmError(
          "FARM_TOO_MANY_ATTEMPTS",
          `too many failed joins from ${caller.address}; wait ${seconds} s`,
        );
      }
      try {
        return await join(authority, ledgerOrigin, request);
      } catch (error) {
        limit.failed(caller.address, clock.nowMs());
        throw error;
      }
    },
    renew: (request, caller) => renew(authority, ledgerOrigin, request, caller),
    authority: () => ({
      authorityDer: authority.certificate.certificate.raw,
      ledgerOrigin,
      now: timestampOf(clock.nowMs()),
    }),
  };
}

async function join(authority: Authority, ledgerOrigin: string, request: farm.JoinRequest): Promise<farm.JoinReply> {
  const { clock } = authority.ports;
  const token = parseJoinToken(request.token);
  const { role } = request;
  // Before anything costly is done, and before anything is said of who is a member.
  const asked = await readSigningRequest(request.csrDer);
  const key = sha256(asked.publicKey);
  const before = authority.tokens.check(token, role, key);
  if (!isFarmRole(role))
    throw new FarmError("FARM_TOKEN_WRONG_ROLE", `${JSON.stringify(role.slice(0, 20))} is no role`);
  const member: Member = { cluster: authority.cluster, role, name: checkMemberName(request.name) };
  checkAddresses(authority, member, asked.addresses);
  if (before === undefined) checkName(authority, member);
  const signingKey = checkSigningKey(request, member, key);
  const use = authority.tokens.spend(token, { key, enrolment: before?.enrolment ?? authority.newEnrolment() });
  if (authority.revocations.isRevoked(use.enrolment)) {
    throw new FarmError("FARM_CERTIFICATE_REVOKED", `the membership of ${memberUri(member)} was revoked`);
  }
  const certificate = await issue(authority, member, use.enrolment, asked);
  const nowMs = clock.nowMs();
  authority.members.write(certificate, {
    addresses: asked.addresses,
    joinedMs: nowMs,
    issuedMs: nowMs,
    signingKey: signingKey === undefined ? undefined : Buffer.from(signingKey).toString("base64"),
  });
  return reply(authority, ledgerOrigin, certificate, signingKey && { publicKey: signingKey, pop: request.pop });
}

async function renew(
  authority: Authority,
  ledgerOrigin: string,
  request: farm.RenewRequest,
  caller: EnrolCaller,
): Promise<farm.JoinReply> {
  const { clock } = authority.ports;
  if (caller.certificate === undefined) {
    throw new FarmError("FARM_CERTIFICATE_MISSING", "a certificate is renewed with the one that there is");
  }
  const nowMs = clock.nowMs();
  const verdict = checkCertificate(caller.certificate, authority.certificate, nowMs, authority.revocations.isRevoked);
  if (!verdict.ok) throw new FarmError(verdict.code, verdict.because);
  const { member, enrolment, publicKey } = verdict.certificate;
  const entry = authority.members.get(member);
  if (entry === undefined || entry.enrolment !== enrolment) {
    throw new FarmError("FARM_MEMBER_UNKNOWN", `${memberUri(member)} joined anew since this certificate was issued`);
  }
  const asked = await readSigningRequest(request.csrDer);
  if (sha256(asked.publicKey) !== publicKey) {
    throw new FarmError("FARM_REQUEST_MALFORMED", "a certificate is renewed for its own key; for another, join again");
  }
  checkAddresses(authority, member, asked.addresses);
  const certificate = await issue(authority, member, enrolment, asked);
  const { joinedMs, signingKey } = entry;
  authority.members.write(certificate, { addresses: asked.addresses, joinedMs, issuedMs: nowMs, signingKey });
  return reply(authority, ledgerOrigin, certificate, undefined);
}

function issue(
  authority: Authority,
  member: Member,
  enrolment: string,
  asked: SigningRequest,
): Promise<MemberCertificate> {
  return authority.issue({ member, enrolment, publicKey: asked.publicKey, addresses: asked.addresses });
}

function reply(
  authority: Authority,
  ledgerOrigin: string,
  certificate: MemberCertificate,
  signing: { readonly publicKey: Uint8Array; readonly pop: Uint8Array } | undefined,
): farm.JoinReply {
  const authorityDer = authority.certificate.certificate.raw;
  return {
    certificateChainDer: [certificate.der, authorityDer],
    authorityDer,
    ledgerOrigin,
    endorsement: signing === undefined ? new Uint8Array() : authority.endorse({ certificate, ...signing }),
  };
}

/** A name belongs to one membership until that is revoked or its last certificate has run out. */
export function checkName(authority: Authority, member: Member): void {
  const entry = authority.members.get(member);
  if (entry === undefined || entry.untilMs <= authority.ports.clock.nowMs()) return;
  if (authority.revocations.isRevoked(entry.enrolment)) return;
  throw new FarmError("FARM_NAME_TAKEN", `there is a ${member.role} ${member.name} already`, {
    hint: `join with another --name, or first run: begat farm revoke ${member.role}/${member.name}`,
  });
}

/** Hosts name one server: who could take another's could pass for it. */
export function checkAddresses(authority: Authority, member: Member, { dns, ip }: ServerAddresses): void {
  if (dns.length + ip.length === 0) return;
  if (member.role !== "rnode") {
    throw new FarmError("FARM_ADDRESS_TAKEN", `a ${member.role} serves nobody, so its certificate names no host`);
  }
  const nowMs = authority.ports.clock.nowMs();
  for (const other of authority.members.list()) {
    if (other.role === "rnode" && other.name === member.name) continue;
    if (other.untilMs <= nowMs || authority.revocations.isRevoked(other.enrolment)) continue;
    const taken = [...dns, ...ip].find((host) => [...other.addresses.dns, ...other.addresses.ip].includes(host));
    if (taken !== undefined) {
      throw new FarmError("FARM_ADDRESS_TAKEN", `${taken} is the ${other.role} ${other.name}`);
    }
  }
}

function checkSigningKey(request: farm.JoinRequest, member: Member, nodeKey: string): Uint8Array | undefined {
  const { signingKeyPub, pop } = request;
  if (member.role !== "rnode") {
    if (signingKeyPub.length === 0) return undefined;
    throw new FarmError("FARM_REQUEST_MALFORMED", `a ${member.role} signs no travails, so its key is not endorsed`);
  }
  if (provesPossession(signingKeyPub, pop, member, nodeKey)) return signingKeyPub;
  throw new FarmError("FARM_REQUEST_MALFORMED", "the rnode does not prove that it has the signing key it names");
}
