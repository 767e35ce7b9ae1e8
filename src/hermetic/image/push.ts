import { createHash } from "node:crypto";
import { createGzip } from "node:zlib";
import { type Digest, digestOf, parseSha256, type Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams, FileTree, HttpClient } from "../../ports/index.ts";
import type { PushRequest, PushResult } from "../image.ts";
import type { StoredImage } from "./image-store.ts";
import { type Layer, layerBytes } from "./layer.ts";
import { MEDIA_TYPES, manifestText } from "./oci-documents.ts";
import { parseReference, Registry } from "./registry.ts";

export interface PushRooms {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
  readonly http: HttpClient;
  /** Absolute; an empty directory of its own. */
  readonly scratch: string;
  /** Absolute: docker's config.json, where passwords stand. */
  readonly credentials: string | undefined;
  /** Absolute; where the compressed form of each layer is remembered, so that pushing again need not compress. */
  readonly remembered: string;
}

const PIECE_BYTES = 1024 * 1024;

/**
 * Uploads the image: layers by gzip, config, manifest. What the registry has is not sent again. The image's identity,
 * its config digest, is the same in the registry; the manifest's is not, since it names compressed layers.
 *
 * @throws {ImageError} `IMAGE_MALFORMED` for the reference, `IMAGE_UNREACHABLE`, `IMAGE_PUSH_REFUSED`.
 */
export async function pushImage(
  image: StoredImage,
  request: PushRequest,
  rooms: PushRooms,
  signal: AbortSignal,
): Promise<PushResult> {
  const reference = parseReference(request.reference, request.insecure ?? false);
  const registry = new Registry(rooms.http, reference, readCredentials(rooms, reference.host), signal);
  const sent = new Map<Sha256, Digest>();
  let uploadedBytes = 0;
  let reusedLayers = 0;
  for (const layer of image.layers) {
    if (sent.has(layer.diffId)) continue;
    const known = recall(rooms, layer);
    if (known !== undefined && (await registry.has(known))) {
      sent.set(layer.diffId, known);
      reusedLayers++;
      continue;
    }
    const path = `${rooms.scratch}/layer.gz`;
    const compressed = await compress(layer, path, rooms, signal);
    remember(rooms, layer, compressed);
    if (await registry.has(compressed)) reusedLayers++;
    else {
      await registry.upload(compressed, () => fileBytes(rooms.streams, path));
      uploadedBytes += compressed.sizeBytes;
    }
    rooms.fs.remove(path);
    sent.set(layer.diffId, compressed);
  }
  const config = digestOf(image.config);
  if (!(await registry.has(config))) {
    const bytes = Buffer.from(image.config);
    await registry.upload(config, () => bytes);
    uploadedBytes += config.sizeBytes;
  }
  const layers = image.layers.map(({ diffId }) => ({
    mediaType: MEDIA_TYPES.layerGzip,
    digest: sent.get(diffId) as Digest,
  }));
  const manifest = manifestText(config, layers);
  await registry.putManifest(manifest, MEDIA_TYPES.manifest);
  return { manifestDigest: digestOf(manifest).hash, uploadedBytes, reusedLayers };
}

async function compress(layer: Layer, path: string, rooms: PushRooms, signal: AbortSignal): Promise<Digest> {
  const sink = rooms.streams.create(path, 0o600);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const gzip = createGzip();
  const ended = new Promise<void>((resolve, reject) => {
    gzip.on("data", (chunk: Uint8Array) => {
      hash.update(chunk);
      sizeBytes += chunk.length;
      try {
        sink.write(chunk);
      } catch (error) {
        gzip.destroy(error as Error);
      }
    });
    gzip.on("end", resolve);
    gzip.on("error", reject);
  });
  ended.catch(() => {});
  try {
    for await (const chunk of layerBytes(layer, rooms.blobs, rooms.streams)) {
      signal.throwIfAborted();
      // The chunk's memory is used again for the next one, so each must be through first.
      await new Promise<void>((resolve, reject) => gzip.write(chunk, (error) => (error ? reject(error) : resolve())));
    }
    gzip.end();
    await ended;
  } finally {
    gzip.destroy();
    sink.close();
  }
  return { hash: hash.digest("hex") as Sha256, sizeBytes };
}

async function* fileBytes(streams: FileStreams, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const source = streams.open(path);
  try {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (let at = 0; ; ) {
      const count = source.read(buffer, at);
      if (count === 0) return;
      at += count;
      yield buffer.subarray(0, count);
    }
  } finally {
    source.close();
  }
}

/** What the layer was when it was last compressed here. Another zlib gives other bytes for the same layer. */
function recall({ fs, remembered }: PushRooms, layer: Layer): Digest | undefined {
  const path = `${remembered}/${layer.diffId}`;
  if (fs.stat(path)?.kind !== "file") return undefined;
  const [text, size] = fs.readFile(path).toString().trim().split(" ");
  const hash = parseSha256(text);
  return hash === undefined || !/^\d+$/.test(size ?? "") ? undefined : { hash, sizeBytes: Number(size) };
}

function remember({ fs, remembered }: PushRooms, layer: Layer, { hash, sizeBytes }: Digest): void {
  fs.makeDirectory(remembered, 0o755);
  fs.replaceFile(`${remembered}/${layer.diffId}`, `${hash} ${sizeBytes}\n`, { mode: 0o644 });
}

/** `user:password` for the host, as `docker login` keeps it; programs that keep passwords are not asked. */
function readCredentials({ fs, credentials }: PushRooms, host: string): string | undefined {
  if (credentials === undefined || fs.stat(credentials)?.kind !== "file") return undefined;
  try {
    const { auths } = JSON.parse(fs.readFile(credentials).toString()) as { auths?: Record<string, { auth?: unknown }> };
    const entry = auths?.[host] ?? auths?.[`https://${host}`] ?? auths?.[`https://${host}/v2/`];
    return typeof entry?.auth === "string" ? Buffer.from(entry.auth, "base64").toString() : undefined;
  } catch {
    // Somebody else's file: if it cannot be read, the registry says whether a password was needed.
    return undefined;
  }
}
