import { farm } from "../../protocol/index.ts";
import { type Channel, openChannel } from "../wire/channel.ts";
import { clientCredentials, joiningCredentials } from "./credentials.ts";
import { FarmError, farmErrorOf } from "./farm-error.ts";
import type { Identity } from "./identity.ts";
import { type EnrolCalls, type JoinWire, parseAddress } from "./join-farm.ts";
import { isIpAddress } from "./member.ts";

/** Milliseconds after which a leader that says nothing is not there. */
const ENROL_TIMEOUT_MS = 20_000;

/** The calls over a channel; what the leader refuses, and that it cannot be reached, is a `FarmError`. */
export function enrolCalls(channel: Channel, address: string): EnrolCalls {
  const client = channel.client(farm.EnrolDefinition);
  const options = { timeoutMs: ENROL_TIMEOUT_MS };
  const said = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      const mine = farmErrorOf(error);
      if (mine !== error || !(error instanceof Error)) throw mine;
      throw new FarmError("FARM_UNREACHABLE", `the leader at ${address} cannot be asked`, { cause: error });
    }
  };
  return {
    authority: (request) => said(client.authority(request, options)),
    join: (request) => said(client.join(request, options)),
    renew: (request) => said(client.renew(request, options)),
  };
}

/** @param presentedChain See `JoinWire`: the platform has it. */
export function joinWire(presentedChain: (host: string, port: number) => Promise<readonly Uint8Array[]>): JoinWire {
  return {
    async presentedChain(host, port) {
      try {
        return await presentedChain(host, port);
      } catch (cause) {
        throw new FarmError("FARM_UNREACHABLE", `no farm's leader answers at ${host}, port ${port}`, { cause });
      }
    },
    async connect(address, authority) {
      const { host } = parseAddress(address);
      const credentials = await joiningCredentials(authority, host);
      const channel = await openChannel({ address, credentials, ...askedName(host, authority.cluster) });
      return { calls: enrolCalls(channel, address), close: () => channel.close() };
    },
  };
}

/** A channel of a member to its leader, or to another server of its farm at `address`. */
export async function openFarmChannel(identity: Identity, address: string = identity.leader): Promise<Channel> {
  const { host } = parseAddress(address);
  const credentials = await clientCredentials(identity, host);
  return openChannel({ address, credentials, ...askedName(host, identity.member.cluster) });
}

/** TLS asks for a server by name and never by IP address (RFC 6066, section 3): then the farm's name is asked for. */
function askedName(host: string, cluster: string): { serverName?: string } {
  return isIpAddress(host) ? { serverName: `${cluster}.invalid` } : {};
}
