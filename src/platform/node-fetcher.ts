import { readFileSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import { FetchError, type Fetcher } from "../ports/index.ts";

export interface NodeFetcherOptions {
  /** Between two pieces of an answer, and for the connection; milliseconds. */
  readonly idleTimeoutMs?: number;
  readonly redirectLimit?: number;
  /** PEM file with further authorities to trust, beside those Node brings. */
  readonly extraCaFile?: string | undefined;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Fetches http, https and file addresses. Speaks to no proxy: where one is needed, the answer is `FETCH_FAILED`. */
export class NodeFetcher implements Fetcher {
  readonly #options: NodeFetcherOptions;
  #authorities: string[] | undefined;

  constructor(options: NodeFetcherOptions = {}) {
    this.#options = options;
  }

  async fetch(url: string, limitBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const limit = this.#options.redirectLimit ?? 10;
    let address = parse(url);
    for (let hops = 0; hops <= limit; hops++) {
      if (address.protocol === "file:") return readLocal(address, limitBytes);
      const answer = await this.#get(address, limitBytes, signal);
      if (answer instanceof Uint8Array) return answer;
      // A server must not be able to make begat read this machine's files.
      if (answer.protocol === "file:") throw failed(address, "was redirected to a file address");
      if (address.protocol === "https:" && answer.protocol === "http:") {
        throw failed(address, "was redirected from https to http");
      }
      address = answer;
    }
    throw failed(parse(url), `was redirected more than ${limit} times`);
  }

  #get(address: URL, limitBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array | URL> {
    const secure = address.protocol === "https:";
    const { request } = process.getBuiltinModule(secure ? "node:https" : "node:http");
    return new Promise((resolve, reject) => {
      const trust = secure ? this.#trust() : {};
      const call = request(
        address,
        { headers: { "user-agent": "begat", "accept-encoding": "identity" }, ...trust, ...(signal && { signal }) },
        (answer) => {
          const status = answer.statusCode ?? 0;
          const next = answer.headers.location;
          if (REDIRECTS.has(status) && next !== undefined) {
            answer.resume();
            try {
              resolve(parse(next, address));
            } catch (cause) {
              reject(cause);
            }
            return;
          }
          if (status !== 200) {
            answer.resume();
            return reject(failed(address, `answered ${status} ${answer.statusMessage ?? ""}`.trimEnd()));
          }
          collect(answer, address, limitBytes).then(resolve, reject);
        },
      );
      const idleMs = this.#options.idleTimeoutMs ?? 60_000;
      call.setTimeout(idleMs, () => call.destroy(failed(address, `was silent for ${idleMs} ms`)));
      call.on("error", (cause) => {
        if (signal?.aborted) reject(signal.reason);
        else reject(cause instanceof FetchError ? cause : unreachable(address, cause));
      });
      call.end();
    });
  }

  /** Node's own authorities and those of the extra file: `ca` replaces the built-in ones, so both are given. */
  #trust(): { ca?: string[] } {
    const file = this.#options.extraCaFile;
    if (!file) return {};
    if (this.#authorities === undefined) {
      const { rootCertificates } = process.getBuiltinModule("node:tls");
      try {
        this.#authorities = [...rootCertificates, readFileSync(file, "utf8")];
      } catch (cause) {
        throw new FetchError("FETCH_FAILED", `cannot read the certificate authorities in ${file}`, { cause });
      }
    }
    return { ca: this.#authorities };
  }
}

function parse(url: string, base?: URL): URL {
  let address: URL;
  try {
    address = new URL(url, base);
  } catch (cause) {
    throw new FetchError("FETCH_FAILED", `${JSON.stringify(url)} is no address`, { cause });
  }
  if (!["http:", "https:", "file:"].includes(address.protocol)) {
    throw new FetchError("FETCH_FAILED", `${shown(address)} is neither http, https nor file`);
  }
  return address;
}

function readLocal(address: URL, limitBytes: number): Uint8Array {
  try {
    const path = fileURLToPath(address);
    const stats = statSync(path);
    if (!stats.isFile()) throw failed(address, "is no file");
    if (stats.size > limitBytes) throw tooLarge(address, limitBytes);
    const bytes = readFileSync(path);
    if (bytes.length > limitBytes) throw tooLarge(address, limitBytes);
    return bytes;
  } catch (cause) {
    throw cause instanceof FetchError ? cause : failed(address, "cannot be read", cause);
  }
}

function collect(answer: IncomingMessage, address: URL, limitBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const announced = Number(answer.headers["content-length"] ?? Number.NaN);
    const pieces: Buffer[] = [];
    let total = 0;
    const stop = () => {
      // First: destroying makes the answer say that it was cut short.
      reject(tooLarge(address, limitBytes));
      answer.destroy();
    };
    if (announced > limitBytes) return stop();
    answer.on("data", (piece: Buffer) => {
      total += piece.length;
      if (total > limitBytes) return stop();
      pieces.push(piece);
    });
    answer.on("end", () => resolve(Buffer.concat(pieces)));
    answer.on("error", (cause) => reject(cause instanceof FetchError ? cause : unreachable(address, cause)));
    answer.on("aborted", () => reject(failed(address, `ended after ${total} bytes, before its end`)));
  });
}

/** The address without what may be secret in it. */
function shown(address: URL): string {
  const copy = new URL(address);
  copy.username = "";
  copy.password = "";
  copy.search = "";
  copy.hash = "";
  return copy.href;
}

function failed(address: URL, what: string, cause?: unknown): FetchError {
  return new FetchError("FETCH_FAILED", `${shown(address)} ${what}`, cause === undefined ? {} : { cause });
}

function tooLarge(address: URL, limitBytes: number): FetchError {
  return new FetchError("FETCH_TOO_LARGE", `${shown(address)} is larger than ${limitBytes} bytes`);
}

const OFFLINE = new Set(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN"]);

function unreachable(address: URL, cause: unknown): FetchError {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  return new FetchError(OFFLINE.has(code) ? "FETCH_OFFLINE" : "FETCH_FAILED", `cannot fetch ${shown(address)}`, {
    cause,
  });
}
