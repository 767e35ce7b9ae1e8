import { FarmError } from "./farm-error.ts";
import { FARM_ROLES, type FarmRole, isFarmRole } from "./member.ts";

/** What lets one machine join one farm once. Format: docs/formats.md, "Join token". */
export interface JoinToken {
  /** The farm's cluster id: it pins the authority's key. */
  readonly pin: string;
  /** 32 hex digits, 128 random bits. */
  readonly secret: string;
  readonly role: FarmRole;
}

const TOKEN = /^radix-1-([0-9a-f]{32})-([0-9a-f]{32})-([a-z]+)$/;

export function joinTokenText({ pin, secret, role }: JoinToken): string {
  return `radix-1-${pin}-${secret}-${role}`;
}

/** @throws {FarmError} `FARM_TOKEN_MALFORMED`; the message never holds the token. */
export function parseJoinToken(text: string): JoinToken {
  const [, pin, secret, role] = TOKEN.exec(text.trim()) ?? [];
  if (pin !== undefined && secret !== undefined && role !== undefined && isFarmRole(role)) return { pin, secret, role };
  const version = /^radix-(\d+)-/.exec(text)?.[1];
  if (version !== undefined && version !== "1") {
    throw new FarmError("FARM_TOKEN_MALFORMED", `the token is of version ${version}; this begat reads version 1`);
  }
  throw new FarmError("FARM_TOKEN_MALFORMED", "that is no join token, or not all of one", {
    hint: `a token looks like radix-1-<32 hex digits>-<32 hex digits>-<${FARM_ROLES.join("|")}>; \`begat farm token\` prints one`,
  });
}
