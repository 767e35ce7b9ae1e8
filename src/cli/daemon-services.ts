import type { BuilderStatus, EngineStatus, StandbyEnd } from "../engine/index.ts";

/** Whether a warm engine listens, and what it says of itself. */
export type DaemonView =
  | { readonly state: "running"; readonly socket: string; readonly status: EngineStatus }
  /** Somebody listens and says nothing, or nothing that can be understood. */
  | { readonly state: "silent"; readonly socket: string }
  /** `failure`: why the last one did not start. */
  | { readonly state: "absent"; readonly socket: string; readonly failure: string | undefined };

/** What `begat daemon start` comes to. */
export type DaemonStarted = DaemonView & {
  readonly fresh: boolean;
  readonly builder: BuilderStatus | undefined;
  /** Why not all of it stands. */
  readonly problem: string | undefined;
};

/** The warm engine, as the verbs see it. @throws {EngineError} */
export interface DaemonServices {
  daemonStatus(): Promise<DaemonView & { readonly builders: readonly BuilderStatus[] }>;
  /**
   * Starts one in the background, unless one is there, and with `builds` a builder of the checkout around that directory.
   *
   * @param request.idle Duration after which they end by themselves, as written.
   */
  daemonStart(request: {
    readonly idle: string | undefined;
    readonly builds: string | undefined;
  }): Promise<DaemonStarted>;
  /** Stops it, and all builders. */
  daemonStop(): Promise<{
    readonly stopped: boolean;
    readonly pid: number | undefined;
    readonly builders: readonly number[];
  }>;
  /** Is one, in this process. */
  daemonServe(idleMs: number, signal: AbortSignal): Promise<StandbyEnd>;
  /** Is a builder of the checkout around `directory`, in this process. */
  builderServe(directory: string, idleMs: number, signal: AbortSignal): Promise<StandbyEnd>;
}
