import {
  type Authority,
  type BookEntry,
  createAuthority,
  enrolLeader,
  listAuthorities,
  openAuthority,
  renewLeader,
  TOKEN_LIFE_MS,
} from "../../fulcrum/index.ts";
import {
  enrolCalls,
  FarmError,
  type Identity,
  instant,
  isFarmRole,
  joinFarm,
  joinWire,
  listIdentities,
  loadIdentity,
  openFarmChannel,
  parseAddress,
  parseJoinToken,
  renewCertificate,
  type ServerAddresses,
  type SigningKey,
  serverAddresses,
} from "../../fulcrum-client/index.ts";
import { presentedChain } from "../../platform/index.ts";
import { ensureSigner } from "../../provenance/index.ts";
import type {
  FarmInitReport,
  FarmInitRequest,
  FarmJoinReport,
  FarmJoinRequest,
  FarmNode,
  FarmRevokeReport,
  FarmServices,
  FarmTokenReport,
  MembershipView,
} from "../farm-services.ts";
import type { Machine } from "./machine.ts";

/** Where a leader listens unless told otherwise. */
const DEFAULT_PORT = 7300;

const portsOf = ({ fs, clock, random }: Machine) => ({ files: fs, clock, random });

export async function farmInit(machine: Machine, request: FarmInitRequest): Promise<FarmInitReport> {
  const { stateHome } = machine.directories;
  const [standing] = listAuthorities(machine.fs, stateHome);
  if (standing !== undefined) {
    throw new FarmError("FARM_EXISTS", `this state home has the authority of farm ${standing} already`, {
      hint: "another farm needs a state home of its own; BEGAT_STATE_HOME names it",
    });
  }
  const name = request.name ?? memberName(machine.rnode);
  const address = request.address ?? `${machine.rnode.toLowerCase()}:${DEFAULT_PORT}`;
  const { host } = parseAddress(address);
  const own = [host, ...request.hosts, machine.rnode.toLowerCase(), "localhost", "127.0.0.1", "::1"];
  const addresses = serverAddresses(own);
  const authority = await createAuthority(portsOf(machine), stateHome);
  const signingKey = signingKeyOf(machine, name);
  const identity = await enrolLeader(authority, stateHome, { name, address, addresses, signingKey });
  return { ...membership(identity), hosts: hostsOf(addresses) };
}

export async function farmToken(
  machine: Machine,
  request: Parameters<FarmServices["farmToken"]>[0],
): Promise<FarmTokenReport> {
  const authority = authorityOf(machine, request.cluster);
  const { text, untilMs } = authority.tokens.create(request.role, request.lifeMs ?? TOKEN_LIFE_MS, request.uses);
  const { leader } = loadIdentity(machine.fs, machine.directories.stateHome, authority.cluster, "rnode");
  return { token: text, role: request.role, validUntil: instant(untilMs), uses: request.uses, leader };
}

export async function farmJoin(machine: Machine, request: FarmJoinRequest): Promise<FarmJoinReport> {
  const role = request.role ?? parseJoinToken(request.token).role;
  const name = request.name ?? memberName(role === "rnode" ? machine.rnode : `${machine.who}-${machine.rnode}`);
  const { identity, ledgerOrigin } = await joinFarm(
    {
      address: request.address,
      token: request.token,
      role,
      name,
      stateHome: machine.directories.stateHome,
      hosts: request.hosts,
      signingKey: role === "rnode" ? signingKeyOf(machine, name) : undefined,
    },
    { ...portsOf(machine), wire: joinWire(presentedChain) },
  );
  return { ...membership(identity), ledgerOrigin };
}

export async function farmNodes(
  machine: Machine,
  cluster: string | undefined,
): Promise<{ readonly cluster: string; readonly nodes: readonly FarmNode[] }> {
  const authority = authorityOf(machine, cluster);
  const nowMs = machine.clock.nowMs();
  const revoked = new Map(authority.revocations.list().map((revocation) => [revocation.enrolment, revocation]));
  const view = (entry: BookEntry): FarmNode => {
    const revocation = revoked.get(entry.enrolment);
    return {
      role: entry.role,
      name: entry.name,
      state: revocation !== undefined ? "revoked" : entry.untilMs <= nowMs ? "expired" : "valid",
      joined: instant(entry.joinedMs),
      validUntil: instant(entry.untilMs),
      hosts: hostsOf(entry.addresses),
      reason: revocation?.reason,
    };
  };
  return { cluster: authority.cluster, nodes: authority.members.list().map(view) };
}

export async function farmRevoke(
  machine: Machine,
  request: { readonly cluster: string | undefined; readonly member: string; readonly reason: string },
): Promise<FarmRevokeReport> {
  const authority = authorityOf(machine, request.cluster);
  const [role = "", name = "", more] = request.member.split("/");
  const entries = authority.members.list();
  const entry = entries.find((one) => one.role === role && one.name === name);
  if (entry === undefined || !isFarmRole(role) || more !== undefined) {
    const named = entries.filter((one) => one.name === request.member).map((one) => `${one.role}/${one.name}`);
    throw new FarmError("FARM_MEMBER_UNKNOWN", `${JSON.stringify(request.member)} is no member of this farm`, {
      hint: named.length > 0 ? `did you mean ${named.join(" or ")}?` : "`begat farm nodes` lists them",
    });
  }
  const member = { cluster: authority.cluster, role, name };
  const { number, atMs, reason } = authority.revocations.revoke(member, entry.enrolment, request.reason);
  return { role, name, number, at: instant(atMs), reason };
}

export async function farmRenew(
  machine: Machine,
  cluster: string | undefined,
): Promise<{ readonly renewed: readonly MembershipView[] }> {
  const { stateHome } = machine.directories;
  const all = listIdentities(machine.fs, stateHome);
  const chosen = pick([...new Set(all.map((one) => one.cluster))], cluster, () => {
    return new FarmError("FARM_NOT_JOINED", "this state home is a member of no farm", {
      hint: "`begat farm join HOST:PORT --token TOKEN` makes it one",
    });
  });
  const renewed: MembershipView[] = [];
  for (const { role } of all.filter((one) => one.cluster === chosen)) {
    const identity = loadIdentity(machine.fs, stateHome, chosen, role);
    await renewOne(machine, identity);
    renewed.push(membership(identity));
  }
  return { renewed };
}

async function renewOne(machine: Machine, identity: Identity): Promise<void> {
  const { stateHome } = machine.directories;
  const { cluster } = identity.member;
  if (listAuthorities(machine.fs, stateHome).includes(cluster)) {
    return renewLeader(openAuthority(portsOf(machine), stateHome, cluster), identity);
  }
  const channel = await openFarmChannel(identity);
  try {
    await renewCertificate(identity, enrolCalls(channel, identity.leader));
  } finally {
    channel.close();
  }
}

function authorityOf(machine: Machine, cluster: string | undefined): Authority {
  const { stateHome } = machine.directories;
  const chosen = pick(listAuthorities(machine.fs, stateHome), cluster, () => {
    return new FarmError("FARM_NOT_FOUNDED", "no farm was founded in this state home", {
      hint: "this is done at the leader; `begat farm init` founds a farm",
    });
  });
  return openAuthority(portsOf(machine), stateHome, chosen);
}

export function pick(all: readonly string[], prefix: string | undefined, none: () => FarmError): string {
  const found = all.filter((cluster) => cluster.startsWith(prefix ?? ""));
  const [first] = found;
  if (all.length === 0) throw none();
  if (first === undefined) {
    throw new FarmError("FARM_AMBIGUOUS", `no farm here begins with ${prefix}; there is ${all.join(", ")}`);
  }
  if (found.length > 1) {
    throw new FarmError("FARM_AMBIGUOUS", `this state home knows ${found.length} such farms: ${found.join(", ")}`, {
      hint: "say which with --cluster and its first digits",
    });
  }
  return first;
}

/** A machine's or user's name as a member's: what is not allowed there becomes a dash. */
function memberName(text: string): string {
  return (
    text
      .replace(/[^A-Za-z0-9._-]+/g, "-")
      .replace(/^[^A-Za-z0-9]+/, "")
      .slice(0, 63) || "member"
  );
}

/** The key this machine signs travails with; its private half is used here and goes nowhere. */
function signingKeyOf(machine: Machine, name: string): SigningKey {
  const signer = ensureSigner(machine.fs, machine.random, machine.directories.stateHome, "rnode", name);
  return { publicKey: Buffer.from(signer.entry.pub, "base64"), sign: (bytes) => signer.sign(bytes) };
}

const hostsOf = ({ dns, ip }: ServerAddresses): string[] => [...dns, ...ip];

function membership(identity: Identity): MembershipView {
  const { cluster, role, name } = identity.member;
  const { leader, directory, certificate } = identity;
  return { cluster, role, name, leader, validUntil: instant(certificate.notAfterMs), directory };
}
