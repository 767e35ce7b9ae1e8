import type { FileTree } from "../ports/index.ts";
import type { Output, Ticker } from "./output.ts";
import type { Services } from "./services.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The process as begat's commands see it; the tests have one of their own. */
export interface Host {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  readonly version: { readonly version: string; readonly build: string; readonly node: string };
  /**
   * Whether the warm engine was asked: `client`, by begat-client, which speaks with builders too; `absent` where nobody
   * listened; `unwanted` where none is to be asked or started.
   */
  readonly engine: "absent" | "there" | "client" | "unwanted";
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly every: Ticker;
  /** Takes the place of the signal's default action until the function it answers is called. */
  onSignal(signal: StopSignal, listener: () => void): () => void;
  /** Calls `listener` once standard output's reader is gone; at once where it is gone already. */
  onOutputClosed(listener: () => void): void;
  outputClosed(): boolean;
  /** Ends the process now, without waiting for anything. */
  abandon(exitCode: number): void;
  openFiles(): Promise<FileTree>;
  openServices(): Promise<Services>;
  loadLive(): Promise<typeof import("./render/live.tsx")>;
}
