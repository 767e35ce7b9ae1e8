import { BegatError } from "../../base/index.ts";

export type FulcrumErrorCode =
  /** Another process of this state home serves. */
  | "FULCRUM_RUNNING"
  | "FULCRUM_ADDRESS_TAKEN"
  /** The status page is for this machine alone. */
  | "FULCRUM_STATUS_EXPOSED"
  /** Neither leader nor member, and no token. */
  | "FULCRUM_NO_FARM";

export class FulcrumError extends BegatError<FulcrumErrorCode> {}
