import { FarmError } from "./farm-error.ts";

/**
 * What a member may be: `rnode` executes, `client` asks for executions, `auditor` only reads, `operator` looks after
 * the farm. Which method each may call stands in the role table.
 */
export const FARM_ROLES = ["rnode", "client", "auditor", "operator"] as const;

export type FarmRole = (typeof FARM_ROLES)[number];

/** Who holds a certificate. */
export interface Member {
  /** 32 hex digits: the first 128 bits of the SHA-256 of the authority's public key (SPKI DER). */
  readonly cluster: string;
  readonly role: FarmRole;
  /** Unique within its role. */
  readonly name: string;
}

/** What a member's server is reached by, and what its certificate therefore names. */
export interface ServerAddresses {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export const NO_ADDRESSES: ServerAddresses = { dns: [], ip: [] };

const CLUSTER = /^[0-9a-f]{32}$/;
/** A path segment of a SPIFFE ID (SPIFFE-ID, section 2.2), and a host name's label. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** A host name; one whose last label is all digits would be taken for an IP address. */
const DNS = /^(?=.{1,253}$)(?!.*(^|\.)\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

export function isFarmRole(text: string): text is FarmRole {
  return (FARM_ROLES as readonly string[]).includes(text);
}

export function isClusterId(text: string): boolean {
  return CLUSTER.test(text);
}

/** @throws {FarmError} `FARM_NAME_MALFORMED`. */
export function checkMemberName(name: string): string {
  if (NAME.test(name)) return name;
  throw new FarmError("FARM_NAME_MALFORMED", `${JSON.stringify(name.slice(0, 100))} cannot name a member`, {
    hint: "a name has 1 to 63 letters, digits, dots, dashes or underscores and starts with a letter or digit",
  });
}

/** `spiffe://<cluster>/<role>/<name>`. */
export function memberUri({ cluster, role, name }: Member): string {
  return `spiffe://${cluster}/${role}/${name}`;
}

/** `undefined` for anything that `memberUri` does not write. */
export function parseMemberUri(uri: string): Member | undefined {
  const [, cluster = "", role = "", name = ""] = /^spiffe:\/\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(uri) ?? [];
  return CLUSTER.test(cluster) && isFarmRole(role) && NAME.test(name) ? { cluster, role, name } : undefined;
}

/**
 * Sorts host names from IP addresses, each once, in order.
 *
 * @throws {FarmError} `FARM_ADDRESS_MALFORMED`.
 */
export function serverAddresses(hosts: readonly string[]): ServerAddresses {
  const dns: string[] = [];
  const ip: string[] = [];
  for (const host of new Set(hosts)) {
    if (isIpAddress(host)) ip.push(host);
    else if (DNS.test(host)) dns.push(host);
    else {
      throw new FarmError(
        "FARM_ADDRESS_MALFORMED",
        `${JSON.stringify(host.slice(0, 300))} is no host name or IP address`,
        {
          hint: "host names are written in lower case, without a port",
        },
      );
    }
  }
  return { dns, ip };
}

export function isIpAddress(host: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return host.split(".").every((part) => Number(part) <= 255);
  // What a URL takes between brackets is an IPv6 address, without a zone.
  return /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(host) && URL.canParse(`http://[${host}]/`);
}
