import type { FarmRole } from "../fulcrum-client/index.ts";

export type { FarmRole };

export interface FarmInitRequest {
  /** `undefined`: the machine's name. */
  readonly name: string | undefined;
  /** `HOST:PORT` the leader is reached by; `undefined`: the machine's name and the usual port. */
  readonly address: string | undefined;
  /** More hosts that the leader's certificate names. */
  readonly hosts: readonly string[];
}

/** A membership of this state home. */
export interface MembershipView {
  readonly cluster: string;
  readonly role: FarmRole;
  readonly name: string;
  /** `HOST:PORT`. */
  readonly leader: string;
  /** RFC 3339. */
  readonly validUntil: string;
  readonly directory: string;
}

export interface FarmInitReport extends MembershipView {
  /** Host names and IP addresses in the leader's certificate. */
  readonly hosts: readonly string[];
}

export interface FarmTokenReport {
  readonly token: string;
  readonly role: FarmRole;
  readonly validUntil: string;
  readonly uses: number;
  /** Of the leader, as given to `farm init`. */
  readonly leader: string;
}

export interface FarmJoinRequest {
  readonly address: string;
  readonly token: string;
  readonly role: FarmRole | undefined;
  /** `undefined`: the machine's name, with the user's before it for all but rnodes. */
  readonly name: string | undefined;
  readonly hosts: readonly string[];
}

export interface FarmJoinReport extends MembershipView {
  /** The leader's ledger. */
  readonly ledgerOrigin: string;
}

export interface FarmNode {
  readonly role: FarmRole;
  readonly name: string;
  readonly state: "valid" | "expired" | "revoked";
  readonly joined: string;
  readonly validUntil: string;
  readonly hosts: readonly string[];
  /** Of revoked ones. */
  readonly reason: string | undefined;
}

export interface FarmRevokeReport {
  readonly role: FarmRole;
  readonly name: string;
  readonly number: number;
  readonly at: string;
  readonly reason: string;
}

/** What `begat farm` asks; `cluster` is an id or its first digits, `undefined` where there is one only. */
export interface FarmServices {
  farmInit(request: FarmInitRequest): Promise<FarmInitReport>;
  farmToken(request: {
    readonly cluster: string | undefined;
    readonly role: FarmRole;
    readonly lifeMs: number | undefined;
    /** At least 1. */
    readonly uses: number;
  }): Promise<FarmTokenReport>;
  farmJoin(request: FarmJoinRequest): Promise<FarmJoinReport>;
  farmNodes(cluster: string | undefined): Promise<{ readonly cluster: string; readonly nodes: readonly FarmNode[] }>;
  farmRevoke(request: {
    readonly cluster: string | undefined;
    /** `ROLE/NAME`. */
    readonly member: string;
    readonly reason: string;
  }): Promise<FarmRevokeReport>;
  farmRenew(cluster: string | undefined): Promise<{ readonly renewed: readonly MembershipView[] }>;
}
