import { type Digest, parseSha256 } from "../../base/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";

export interface ResourceName {
  readonly instance: string;
  readonly digest: Digest;
}

/**
 * `[INSTANCE/]blobs/HASH/SIZE`. The instance may hold slashes, so the keyword is looked for and slashes are not counted.
 *
 * @throws {RpcError} `RPC_INVALID_ARGUMENT`
 */
export function parseReadName(name: string): ResourceName {
  const segments = name.split("/");
  const at = segments.findIndex((segment) => segment === "blobs" || segment === "compressed-blobs");
  const digest = digestAt(name, segments, at);
  if (segments.length !== at + 3) throw malformed(name, "something follows the size");
  return { instance: segments.slice(0, at).join("/"), digest };
}

/**
 * `[INSTANCE/]uploads/ID/blobs/HASH/SIZE[/ANYTHING]`; the ID tells uploads of the same blob apart.
 *
 * @throws {RpcError} `RPC_INVALID_ARGUMENT`
 */
export function parseWriteName(name: string): ResourceName {
  const segments = name.split("/");
  const at = segments.indexOf("uploads");
  if (at < 0) throw malformed(name, "it has no uploads/ID");
  if (!segments[at + 1]) throw malformed(name, "the ID of the upload is empty");
  return { instance: segments.slice(0, at).join("/"), digest: digestAt(name, segments, at + 2) };
}

function digestAt(name: string, segments: readonly string[], at: number): Digest {
  const keyword = segments[at];
  if (keyword === "compressed-blobs") throw malformed(name, "compressed blobs are not spoken");
  if (keyword !== "blobs") throw malformed(name, "it has no blobs/HASH/SIZE");
  const [hashText = "", sizeText = ""] = segments.slice(at + 1, at + 3);
  const hash = parseSha256(hashText);
  if (hash === undefined) throw malformed(name, `${JSON.stringify(hashText)} is no SHA-256`);
  const sizeBytes = /^(0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  if (!Number.isSafeInteger(sizeBytes)) throw malformed(name, `${JSON.stringify(sizeText)} is no size`);
  return { hash, sizeBytes };
}

function malformed(name: string, why: string): RpcError {
  return new RpcError("INVALID_ARGUMENT", `resource name ${JSON.stringify(name)}: ${why}`);
}
