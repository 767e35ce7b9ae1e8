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

/** An rnode as its leader sees it. */
export interface RnodeView {
  readonly name: string;
  /** ready | draining | quarantined | away */
  readonly state: string;
  /** Empty where it is ready. */
  readonly reason: string;
  readonly slots: number;
  readonly busy: number;
  readonly executor: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly lastHeard: string | undefined;
}

export interface FarmExecutionView {
  readonly name: string;
  readonly action: string;
  readonly chore: string;
  /** queued | executing | done */
  readonly state: string;
  /** `pending because ...`; empty where it does not wait. */
  readonly reason: string;
  readonly rnodes: readonly string[];
  readonly queuedAt: string | undefined;
  readonly startedAt: string | undefined;
  readonly attempt: number;
  readonly who: string;
}

export interface FarmStatusReport {
  readonly leader: string;
  readonly at: string | undefined;
  readonly queued: number;
  readonly rnodes: readonly RnodeView[];
  /** At most 1,000. */
  readonly executions: readonly FarmExecutionView[];
}

export interface FarmDescribeReport extends FarmExecutionView {
  /** Oldest first. */
  readonly decisions: readonly { readonly at: string | undefined; readonly text: string }[];
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
  farmStatus(cluster: string | undefined): Promise<FarmStatusReport>;
  farmDescribe(request: { readonly cluster: string | undefined; readonly name: string }): Promise<FarmDescribeReport>;
  farmKill(request: {
    readonly cluster: string | undefined;
    readonly name: string;
    readonly reason: string;
  }): Promise<{ readonly name: string; readonly killed: boolean }>;
  farmRevoke(request: {
    readonly cluster: string | undefined;
    /** `ROLE/NAME`. */
    readonly member: string;
    readonly reason: string;
  }): Promise<FarmRevokeReport>;
  farmRenew(cluster: string | undefined): Promise<{ readonly renewed: readonly MembershipView[] }>;
}
