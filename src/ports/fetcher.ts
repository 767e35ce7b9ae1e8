import { BegatError } from "../base/index.ts";

export class FetchError extends BegatError<"FETCH_FAILED" | "FETCH_OFFLINE" | "FETCH_TOO_LARGE"> {}

/** The network, as far as begat reads from it: whole documents by address. */
export interface Fetcher {
  /**
   * The bytes at `url` (http, https or file). Whatever is at the other end, no more than `limitBytes` are read.
   *
   * @throws {FetchError}
   */
  fetch(url: string, limitBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
}
