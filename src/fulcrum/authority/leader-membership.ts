import {
  checkMemberName,
  FarmError,
  type Identity,
  type Member,
  memberUri,
  possessionStatement,
  prepareIdentityKey,
  type ServerAddresses,
  type SigningKey,
  saveIdentity,
  spkiOfKey,
} from "../../fulcrum-client/index.ts";
import type { Authority } from "./authority.ts";
import { checkAddresses, checkName } from "./enrol-handlers.ts";

/**
 * Makes the leader itself a member, an rnode like the others, without token or wire.
 *
 * @throws {FarmError} as `prepareIdentityKey`.
 */
export async function enrolLeader(
  authority: Authority,
  stateHome: string,
  options: {
    readonly name: string;
    /** `host:port` it will be reached by. */
    readonly address: string;
    readonly addresses: ServerAddresses;
    readonly signingKey: SigningKey;
  },
): Promise<Identity> {
  const { files, random, clock } = authority.ports;
  const { name, address, addresses, signingKey } = options;
  const member: Member = { cluster: authority.cluster, role: "rnode", name: checkMemberName(name) };
  checkName(authority, member);
  checkAddresses(authority, member, addresses);
  const publicKey = spkiOfKey(prepareIdentityKey(files, random, stateHome, authority.cluster, "rnode"));
  const enrolment = authority.newEnrolment();
  const certificate = await authority.issue({ member, enrolment, publicKey, addresses });
  const pop = signingKey.sign(possessionStatement(member, certificate.publicKey));
  const nowMs = clock.nowMs();
  authority.members.write(certificate, {
    addresses,
    joinedMs: nowMs,
    issuedMs: nowMs,
    signingKey: Buffer.from(signingKey.publicKey).toString("base64"),
  });
  const endorsement = authority.endorse({ certificate, publicKey: signingKey.publicKey, pop });
  return saveIdentity(files, stateHome, authority.certificate, certificate, {
    leader: address,
    addresses,
    endorsement,
  });
}

/**
 * Renews the certificate of a member whose state home also holds the authority, without wire: also after it ran out,
 * since a leader that slept for a day must come back by itself.
 *
 * @throws {FarmError} `FARM_CERTIFICATE_REVOKED`.
 */
export async function renewLeader(authority: Authority, identity: Identity): Promise<void> {
  const { member, enrolment } = identity.certificate;
  if (authority.revocations.isRevoked(enrolment)) {
    throw new FarmError("FARM_CERTIFICATE_REVOKED", `the membership of ${memberUri(member)} was revoked`);
  }
  const { addresses } = identity;
  const certificate = await authority.issue({ member, enrolment, addresses, publicKey: spkiOfKey(identity.key) });
  const entry = authority.members.get(member);
  const nowMs = authority.ports.clock.nowMs();
  authority.members.write(certificate, {
    addresses,
    joinedMs: entry?.joinedMs ?? nowMs,
    issuedMs: nowMs,
    signingKey: entry?.signingKey,
  });
  identity.replaceCertificate(certificate.der);
}
