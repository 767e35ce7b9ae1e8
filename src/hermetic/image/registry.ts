import type { Digest } from "../../base/index.ts";
import { type HttpAnswer, type HttpClient, HttpError, type HttpRequest } from "../../ports/index.ts";
import { withoutCredentials } from "../address.ts";
import { ImageError } from "../image-error.ts";

/** `host[:port]/name[:tag]`, read. */
export interface RegistryReference {
  readonly host: string;
  readonly name: string;
  readonly tag: string;
  readonly scheme: "http" | "https";
}

const REFERENCE =
  /^([A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)\/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::([\w][\w.-]{0,127}))?$/;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;
const ANSWER_LIMIT_BYTES = 64 * 1024;

/** @throws {ImageError} `IMAGE_MALFORMED`. */
export function parseReference(text: string, insecure: boolean): RegistryReference {
  const match = REFERENCE.exec(text.replace(/^https?:\/\//, ""));
  const [, host = "", name = "", tag = "latest"] = match ?? [];
  const looksLikeHost = /[.:]|^localhost$|^\[/.test(host);
  if (match === null || !looksLikeHost) {
    const message = `expected host:port/name:tag, found ${JSON.stringify(withoutCredentials(text))}`;
    throw new ImageError("IMAGE_MALFORMED", message, {
      hint: "name the registry's host, as in localhost:5000/tool:1.0",
    });
  }
  return { host, name, tag, scheme: insecure || LOOPBACK.test(host) ? "http" : "https" };
}

/** One repository of a registry. @see OCI distribution-spec, "Push" */
export class Registry {
  readonly #http: HttpClient;
  readonly #reference: RegistryReference;
  readonly #credentials: string | undefined;
  readonly #signal: AbortSignal;
  #authorization: string | undefined;

  /** @param credentials `user:password` for this host. */
  constructor(http: HttpClient, reference: RegistryReference, credentials: string | undefined, signal: AbortSignal) {
    this.#http = http;
    this.#reference = reference;
    this.#credentials = credentials;
    this.#signal = signal;
  }

  async has({ hash }: Digest): Promise<boolean> {
    const answer = await this.#send({ method: "HEAD", url: this.#url(`blobs/sha256:${hash}`) });
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw this.#refused("look for a blob", answer);
  }

  /** @param body called for each attempt. */
  async upload(digest: Digest, body: () => NonNullable<HttpRequest["body"]>): Promise<void> {
    const started = await this.#send({
      method: "POST",
      url: this.#url("blobs/uploads/"),
      headers: { "content-length": "0" },
    });
    const location = started.headers.location;
    if (started.status !== 202 || location === undefined) throw this.#refused("begin an upload", started);
    const url = new URL(location, this.#url(""));
    url.searchParams.set("digest", `sha256:${digest.hash}`);
    const headers = { "content-type": "application/octet-stream", "content-length": String(digest.sizeBytes) };
    const answer = await this.#once({ method: "PUT", url: url.href, headers, body: body() });
    if (answer.status !== 201) throw this.#refused("take a blob", answer);
  }

  async putManifest(text: string, mediaType: string): Promise<void> {
    const url = this.#url(`manifests/${this.#reference.tag}`);
    const headers = { "content-type": mediaType, "content-length": String(Buffer.byteLength(text)) };
    const answer = await this.#send({ method: "PUT", url, headers, body: Buffer.from(text) });
    if (answer.status !== 201) throw this.#refused("take the manifest", answer);
  }

  /** Sends, and once more with what the registry asks for when it wants to know who is there. */
  async #send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#once(request);
    if (answer.status !== 401) return answer;
    this.#authorization = await this.#authorize(answer.headers["www-authenticate"] ?? "");
    return this.#authorization === undefined ? answer : this.#once(request);
  }

  async #once(request: HttpRequest): Promise<HttpAnswer> {
    // An upload may go to another host, which has its own permission in the address and must not learn ours.
    const own = new URL(request.url).host === this.#reference.host;
    const headers = own && this.#authorization !== undefined ? { authorization: this.#authorization } : {};
    try {
      const asked = { ...request, headers: { ...request.headers, ...headers } };
      return await this.#http.send(asked, ANSWER_LIMIT_BYTES, this.#signal);
    } catch (cause) {
      if (!(cause instanceof HttpError)) throw cause;
      throw new ImageError("IMAGE_UNREACHABLE", `registry ${this.#reference.host} cannot be reached`, { cause });
    }
  }

  /** @see RFC 7617 for Basic, RFC 6750 and the distribution project's token protocol for Bearer */
  async #authorize(challenge: string): Promise<string | undefined> {
    const basic =
      this.#credentials === undefined ? undefined : `Basic ${Buffer.from(this.#credentials).toString("base64")}`;
    if (/^basic\b/i.test(challenge)) return basic;
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name.toLowerCase(), value]),
    );
    const realm = parameters.get("realm");
    if (!/^bearer\b/i.test(challenge) || realm === undefined || !URL.canParse(realm)) return undefined;
    const url = new URL(realm);
    const service = parameters.get("service");
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${this.#reference.name}:pull,push`);
    // A password goes nowhere unencrypted, but to where the registry itself is spoken to so.
    const headers =
      basic !== undefined && (url.protocol === "https:" || this.#reference.scheme === "http")
        ? { authorization: basic }
        : {};
    const answer = await this.#http.send({ method: "GET", url: url.href, headers }, ANSWER_LIMIT_BYTES, this.#signal);
    if (answer.status !== 200) return undefined;
    try {
      const { token, access_token } = JSON.parse(answer.body.toString()) as { token?: string; access_token?: string };
      const granted = token ?? access_token;
      return granted === undefined ? undefined : `Bearer ${granted}`;
    } catch {
      return undefined;
    }
  }

  #url(path: string): string {
    const { scheme, host, name } = this.#reference;
    return `${scheme}://${host}/v2/${name}/${path}`;
  }

  #refused(what: string, answer: HttpAnswer): ImageError {
    const { host, name } = this.#reference;
    const said = /"message":\s*"([^"]{1,200})"/.exec(answer.body.toString())?.[1];
    const message = `registry ${host} did not ${what} of ${name}: it answered ${answer.status}${said === undefined ? "" : `, ${said}`}`;
    const hint = [401, 403].includes(answer.status)
      ? `docker login ${host} keeps a password that is used here too`
      : undefined;
    return new ImageError("IMAGE_PUSH_REFUSED", message, { hint });
  }
}
