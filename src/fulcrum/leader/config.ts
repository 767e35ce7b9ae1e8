/** What an operator may set, and the times the protocol rests on. All times in milliseconds. */
export interface LeaderConfig {
  /** Greater than that of every earlier start of this leader, below 2^20: fences begin with it and so only ever grow. */
  readonly epoch: number;
  /** How long an rnode may work on without being heard; it stops by itself when this has passed. */
  readonly leaseMs: number;
  /** Silence after which what an rnode holds is begun elsewhere as well; three heartbeats of 3 s. */
  readonly suspectMs: number;
  /** After this an assignment that a heartbeat does not list is taken as lost on the way and sent again. */
  readonly resendMs: number;
  /** How long a restarted leader lets rnodes tell what they hold before it assigns anything. */
  readonly adoptMs: number;
  /** How long executions of a client that went away are kept for its return. */
  readonly clientGraceMs: number;
  /** How long answers are kept for clients that ask again. */
  readonly keepAnswersMs: number;
  /** Infrastructure failures after which an execution is given up. */
  readonly attempts: number;
  /** After the first of them, until it is begun again where it failed; four times as long after each further one. */
  readonly retryMs: number;
  /** How long an rnode that refused an assignment gets no other one. */
  readonly refusedMs: number;
  /** Infrastructure failures in a row after which an rnode gets no more work. */
  readonly quarantineAfter: number;
  /** Until the first probe; doubles at each probe that fails. */
  readonly quarantineMs: number;
  readonly quarantineMostMs: number;
  /** A chore that takes longer than this many times the 95th percentile of its own history is begun elsewhere too. */
  readonly hedgeFactor: number;
  /** And longer than that by this: what a second begin costs is not worth less. */
  readonly hedgeLeastMs: number;
  /** What a chore is expected to take when nothing is known of it. */
  readonly priorMs: number;
  /** Chores of one build looked at together, for the one whose inputs are nearest. */
  readonly window: number;
  /** Of the first chore's rank, what another one must have to be taken before it for its inputs' sake. */
  readonly rankBand: number;
  /** How often a chore may be passed over for that. */
  readonly mostPasses: number;
  /** As `rankBand`, for chores somebody waits for, who waits for their longest way and not for bytes. */
  readonly interactiveRankBand: number;
  /** Of the slots that could run what somebody waits for, those that other work may not take meanwhile; 0: none. */
  readonly reservedShare: number;
  /** How long after the end of its last chore such a build's slots are kept: the next ones are asked for by then. */
  readonly reserveMs: number;
  /** How often a background chore is ended for somebody who waits; then it is left to its end. */
  readonly mostYields: number;
  /** Platform properties that mean something for placing although no rnode has such a label. */
  readonly knownProperties: readonly string[];
  /** Platform properties that are not looked at. */
  readonly ignoredProperties: readonly string[];
  /** Finished chores and closed leases kept to compare late results with. */
  readonly remembered: number;
  /** Blobs remembered for each rnode; a forgotten one costs a worse placement and nothing else. */
  readonly hintsPerRnode: number;
}

/** 3 s: what an rnode waits between two heartbeats, so that three fit into `suspectMs`. */
export const HEARTBEAT_MS = 3_000;

export const DEFAULT_LEADER_CONFIG: LeaderConfig = {
  epoch: 1,
  leaseMs: 15_000,
  suspectMs: 9_000,
  resendMs: 3_000,
  adoptMs: 10_000,
  clientGraceMs: 60_000,
  keepAnswersMs: 300_000,
  attempts: 3,
  retryMs: 1_000,
  refusedMs: 1_000,
  quarantineAfter: 3,
  quarantineMs: 30_000,
  quarantineMostMs: 1_800_000,
  hedgeFactor: 1.5,
  hedgeLeastMs: 2_000,
  priorMs: 1_000,
  window: 32,
  rankBand: 0.5,
  interactiveRankBand: 0.9,
  reservedShare: 0.25,
  reserveMs: 1_000,
  mostYields: 3,
  mostPasses: 32,
  knownProperties: [],
  ignoredProperties: [],
  remembered: 10_000,
  hintsPerRnode: 200_000,
};
