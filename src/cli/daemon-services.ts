import type { EngineEnd, EngineStatus } from "../engine/index.ts";

/** Whether a warm engine listens, and what it says of itself. */
export type DaemonView =
  | { readonly state: "running"; readonly socket: string; readonly status: EngineStatus }
  /** Somebody listens and says nothing, or nothing that can be understood. */
  | { readonly state: "silent"; readonly socket: string }
  /** `failure`: why the last one did not start. */
  | { readonly state: "absent"; readonly socket: string; readonly failure: string | undefined };

/** The warm engine, as the verbs see it. @throws {EngineError} */
export interface DaemonServices {
  daemonStatus(): Promise<DaemonView>;
  /** Starts one in the background, unless one is there. @param idle Duration after which it ends by itself, as written. */
  daemonStart(idle: string | undefined): Promise<DaemonView & { readonly fresh: boolean }>;
  daemonStop(): Promise<{ readonly stopped: boolean; readonly pid: number | undefined }>;
  /** Is one, in this process. */
  daemonServe(idleMs: number, signal: AbortSignal): Promise<EngineEnd>;
}
