import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type HttpAnswer, type HttpClient, HttpError, type HttpRequest } from "../ports/index.ts";

export interface NodeHttpClientOptions {
  /** Between two pieces of an answer, and for the connection; milliseconds. */
  readonly idleTimeoutMs?: number;
  /** PEM file with further authorities to trust, beside those Node brings. */
  readonly extraCaFile?: string | undefined;
}

/** HTTP by Node; http and https, through no proxy. */
export class NodeHttpClient implements HttpClient {
  readonly #options: NodeHttpClientOptions;
  #authorities: string[] | undefined;

  constructor(options: NodeHttpClientOptions = {}) {
    this.#options = options;
  }

  send(asked: HttpRequest, limitBytes: number, signal?: AbortSignal): Promise<HttpAnswer> {
    const address = new URL(asked.url);
    const secure = address.protocol === "https:";
    const { request } = process.getBuiltinModule(secure ? "node:https" : "node:http");
    const where = `${address.protocol}//${address.host}${address.pathname}`;
    return new Promise((resolve, reject) => {
      const trust = secure ? this.#trust() : {};
      const options = { method: asked.method, headers: { "user-agent": "begat", ...asked.headers }, ...trust };
      const call = request(address, { ...options, ...(signal && { signal }) }, (answer) => {
        collect(answer, limitBytes).then(resolve, (cause) => fail(cause));
      });
      const fail = (cause: unknown) => {
        call.destroy();
        if (signal?.aborted) reject(signal.reason);
        else reject(new HttpError("HTTP_UNREACHABLE", `cannot speak to ${where}`, { cause }));
      };
      const idleMs = this.#options.idleTimeoutMs ?? 60_000;
      call.setTimeout(idleMs, () => call.destroy(new Error(`was silent for ${idleMs} ms`)));
      call.on("error", fail);
      if (asked.body === undefined || asked.body instanceof Uint8Array) call.end(asked.body);
      else upload(call, asked.body).catch(fail);
    });
  }

  /** Node's own authorities and those of the extra file: `ca` replaces the built-in ones, so both are given. */
  #trust(): { ca?: string[] } {
    const file = this.#options.extraCaFile;
    if (!file) return {};
    const { rootCertificates } = process.getBuiltinModule("node:tls");
    this.#authorities ??= [...rootCertificates, readFileSync(file, "utf8")];
    return { ca: this.#authorities };
  }
}

async function upload(
  call: { write(chunk: Uint8Array, sent: (error?: Error | null) => void): boolean; end(): void },
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of body) {
    // Only when it was sent may the chunk's memory hold the next one.
    await new Promise<void>((resolve, reject) => {
      call.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
  call.end();
}

function collect(answer: IncomingMessage, limitBytes: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let total = 0;
    answer.on("data", (piece: Buffer) => {
      if (total < limitBytes) pieces.push(piece.subarray(0, limitBytes - total));
      total += piece.length;
    });
    answer.on("end", () => {
      const headers: Record<string, string | undefined> = {};
      for (const [name, value] of Object.entries(answer.headers)) headers[name] = [value].flat().join(", ");
      resolve({ status: answer.statusCode ?? 0, headers, body: Buffer.concat(pieces) });
    });
    answer.on("error", reject);
  });
}
