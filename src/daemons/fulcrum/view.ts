import type { LeaderFigures, RnodeFigures } from "../../fulcrum/index.ts";
import type { farm } from "../../protocol/index.ts";

/** What a fulcrum says of itself, for the page and for metrics. Times are milliseconds since 1970. */
export interface FulcrumView {
  readonly name: string;
  readonly version: string;
  readonly cluster: string;
  readonly listen: string;
  readonly insecureListen: string | undefined;
  /** Of one that does not lead. */
  readonly leaderAddress: string | undefined;
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly certificateUntilMs: number;
  readonly memoirRecords: number;
  readonly slots: number;
  /** Back end and level with the host's tools. */
  readonly executor: string | undefined;
  readonly rnode: RnodeFigures | undefined;
  readonly leader: LeaderFigures | undefined;
  readonly farm: farm.FarmStatus | undefined;
  readonly residentBytes: number;
}
