import { BegatError } from "../base/index.ts";

export class HttpError extends BegatError<"HTTP_UNREACHABLE"> {}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  /** http or https. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** With a stream, `content-length` must be among the headers. A chunk is good until the next is asked for. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** At most as much as was asked for. */
  readonly body: Buffer;
}

/** HTTP for those who speak a protocol over it; redirects are theirs to follow. Any status is an answer. */
export interface HttpClient {
  /**
   * @param limitBytes of the answer's body that are kept.
   * @throws {HttpError} when no answer came.
   */
  send(request: HttpRequest, limitBytes: number, signal?: AbortSignal): Promise<HttpAnswer>;
}
