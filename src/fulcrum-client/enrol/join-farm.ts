import { sha256 } from "../../base/index.ts";
import type { Clock, FileTree, Random } from "../../ports/index.ts";
import { type farm, millisecondsOf } from "../../protocol/index.ts";
import {
  type AuthorityCertificate,
  CLOCK_LEEWAY_MS,
  checkCertificate,
  instant,
  type MemberCertificate,
  readAuthorityCertificate,
  readMemberCertificate,
} from "./certificate.ts";
import { serverProblem } from "./credentials.ts";
import { possessionStatement, type SigningKey, verifyEndorsement } from "./endorsement.ts";
import { FarmError } from "./farm-error.ts";
import { type Identity, prepareIdentityKey, saveIdentity } from "./identity.ts";
import { parseJoinToken } from "./join-token.ts";
import { checkMemberName, type FarmRole, serverAddresses } from "./member.ts";
import { spkiOfKey } from "./node-key.ts";
import { makeSigningRequest } from "./signing-request.ts";

/** The calls of `radix.farm.v1.Enrol`, as a joiner or member makes them. What the leader refuses is a `FarmError`. */
export interface EnrolCalls {
  authority(request: farm.AuthorityRequest): Promise<farm.AuthorityReply>;
  join(request: farm.JoinRequest): Promise<farm.JoinReply>;
  renew(request: farm.RenewRequest): Promise<farm.JoinReply>;
}

/** The sockets of joining. */
export interface JoinWire {
  /**
   * The certificates a TLS server shows, leaf first, in DER, believed by nobody yet.
   *
   * @throws {FarmError} `FARM_UNREACHABLE`.
   */
  presentedChain(host: string, port: number): Promise<readonly Uint8Array[]>;
  /** Calls to a leader that must show a certificate of `authority`; the caller shows none. */
  connect(address: string, authority: AuthorityCertificate): Promise<{ readonly calls: EnrolCalls; close(): void }>;
}

export interface JoinPorts {
  readonly files: FileTree;
  readonly random: Random;
  readonly clock: Clock;
  readonly wire: JoinWire;
}

export interface JoinOptions {
  /** `host:port`. */
  readonly address: string;
  readonly token: string;
  /** `undefined`: the token's. */
  readonly role?: FarmRole | undefined;
  readonly name: string;
  readonly stateHome: string;
  /** Hosts a server of this member is reached by; of rnodes only. */
  readonly hosts?: readonly string[];
  /** What an rnode signs travails with; other roles have none. */
  readonly signingKey?: SigningKey | undefined;
}

export interface Joined {
  readonly identity: Identity;
  /** The leader's ledger. */
  readonly ledgerOrigin: string;
}

/**
 * Makes this state home a member of the farm at `address`. The leader proves that it belongs to the farm of the token
 * before it sees the token; a clock that differs too much is named before the token is spent.
 *
 * @throws {FarmError}
 */
export async function joinFarm(options: JoinOptions, ports: JoinPorts): Promise<Joined> {
  const { address, name, stateHome, signingKey } = options;
  const { files, random, clock, wire } = ports;
  const token = parseJoinToken(options.token);
  const role = options.role ?? token.role;
  if (role !== token.role) {
    throw new FarmError("FARM_TOKEN_WRONG_ROLE", `the token is for the role ${token.role}, not ${role}`, {
      hint: `join with --role ${token.role}, or make a token with \`begat farm token --role ${role}\``,
    });
  }
  checkMemberName(name);
  const addresses = serverAddresses(options.hosts ?? []);
  const { host, port } = parseAddress(address);
  const chain = await wire.presentedChain(host, port);
  const authority = pinnedAuthority(chain, token.pin, host, clock.nowMs());
  const key = prepareIdentityKey(files, random, stateHome, token.pin, role);
  const nodeKey = sha256(spkiOfKey(key));
  const member = { cluster: token.pin, role, name };
  const connection = await wire.connect(address, authority);
  try {
    checkClock(await connection.calls.authority({}), clock.nowMs());
    const reply = await connection.calls.join({
      token: options.token.trim(),
      csrDer: await makeSigningRequest(key, addresses),
      name,
      role,
      signingKeyPub: signingKey?.publicKey ?? new Uint8Array(),
      pop: signingKey?.sign(possessionStatement(member, nodeKey)) ?? new Uint8Array(),
    });
    const certificate = certificateOfReply(reply, authority);
    if (certificate.publicKey !== nodeKey || certificate.member.name !== name || certificate.member.role !== role) {
      throw new FarmError("FARM_REPLY_MALFORMED", "the leader sent a certificate for another member");
    }
    const endorsement = reply.endorsement.length === 0 ? undefined : Buffer.from(reply.endorsement);
    if (signingKey !== undefined) {
      const said = verifyEndorsement(reply.endorsement, authority);
      if (said.member.name !== name || !Buffer.from(said.key.pub, "base64").equals(Buffer.from(signingKey.publicKey))) {
        throw new FarmError("FARM_ENDORSEMENT_BROKEN", "the leader endorsed another signing key");
      }
    }
    const identity = saveIdentity(files, stateHome, authority, certificate, {
      leader: address,
      addresses,
      endorsement,
    });
    return { identity, ledgerOrigin: reply.ledgerOrigin };
  } finally {
    connection.close();
  }
}

/** `host:port`, with brackets around an IPv6 address; a port is needed. */
export function parseAddress(address: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address) ?? [];
  const port = Number(digits);
  const host = bracketed ?? plain;
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new FarmError("FARM_ADDRESS_MALFORMED", `${JSON.stringify(address.slice(0, 300))} is no address`, {
      hint: "an address is HOST:PORT; an IPv6 address stands in brackets, [::1]:7300",
    });
  }
  return { host, port };
}

/**
 * The authority among the certificates a leader shows: the one whose key the token pins, if it issued the leader's.
 *
 * @throws {FarmError} `FARM_TOKEN_WRONG_CLUSTER`, `FARM_CLOCK_SKEW` or what is wrong with the leader's certificate.
 */
export function pinnedAuthority(
  chain: readonly Uint8Array[],
  pin: string,
  host: string,
  nowMs: number,
): AuthorityCertificate {
  const [leaf] = chain;
  let authority: AuthorityCertificate | undefined;
  for (const der of chain.slice(1)) {
    try {
      const candidate = readAuthorityCertificate(der);
      if (candidate.cluster === pin) authority = candidate;
    } catch {
      // Whatever a server shows: only what is pinned counts.
    }
  }
  if (leaf === undefined || authority === undefined) {
    throw new FarmError("FARM_TOKEN_WRONG_CLUSTER", `the server at ${host} does not belong to farm ${pin}`, {
      hint: "the token was not shown to it; use the address of the leader where the token was made",
    });
  }
  const verdict = checkCertificate(leaf, authority, nowMs);
  if (!verdict.ok) {
    const read = readMemberCertificate(leaf, authority);
    if (read.ok && verdict.code === "FARM_CERTIFICATE_NOT_YET_VALID") {
      const behind = read.certificate.notBeforeMs - nowMs;
      throw clockSkew(`at least ${inWords(behind)} behind`, `it is ${instant(nowMs)} here, and ${verdict.because}`);
    }
    throw new FarmError(verdict.code, `the server at ${host}: ${verdict.because}`, {
      ...(verdict.code === "FARM_CERTIFICATE_EXPIRED"
        ? { hint: "either the leader no longer renews it, or this machine's clock is ahead; compare `date -u` on both" }
        : {}),
    });
  }
  const problem = serverProblem(host, leaf, authority);
  if (problem !== undefined) throw new FarmError("FARM_CERTIFICATE_FOREIGN", problem.message);
  return authority;
}

/** @throws {FarmError} `FARM_CLOCK_SKEW` when the clocks differ by more than a certificate's leeway. */
function checkClock(reply: farm.AuthorityReply, nowMs: number): void {
  if (reply.now === undefined) return;
  const aheadMs = nowMs - millisecondsOf(reply.now);
  if (Math.abs(aheadMs) <= CLOCK_LEEWAY_MS) return;
  const how = `${inWords(Math.abs(aheadMs))} ${aheadMs > 0 ? "ahead of" : "behind"} the leader's`;
  throw clockSkew(how, `it is ${instant(nowMs)} here and ${instant(millisecondsOf(reply.now))} there`);
}

function clockSkew(how: string, details: string): FarmError {
  return new FarmError("FARM_CLOCK_SKEW", `this machine's clock is ${how}: ${details}`, {
    hint: "set the clock; the token is not spent",
  });
}

function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** The certificate in a leader's reply. @throws {FarmError} `FARM_REPLY_MALFORMED`. */
export function certificateOfReply(
  reply: Pick<farm.JoinReply, "certificateChainDer">,
  authority: AuthorityCertificate,
): MemberCertificate {
  const [leaf] = reply.certificateChainDer;
  const read = readMemberCertificate(leaf ?? new Uint8Array(), authority);
  if (!read.ok) throw new FarmError("FARM_REPLY_MALFORMED", `the leader's reply: ${read.because}`);
  return read.certificate;
}
