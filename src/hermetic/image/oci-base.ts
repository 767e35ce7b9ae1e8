import { createHash } from "node:crypto";
import { type Digest, parseSha256, type Sha256, sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams, FileTree } from "../../ports/index.ts";
import { type DecompressionTools, decompress } from "../decompression.ts";
import { ImageError } from "../image-error.ts";
import type { SourceLimits } from "../source-limits.ts";
import { entrySegments } from "../source-tree.ts";
import { readTar, type TarEntry } from "../tar-reader.ts";
import type { Layer } from "./layer.ts";
import { type MergedEntry, MergedTree, type Owner } from "./merged-tree.ts";
import type { ImageConfig } from "./oci-documents.ts";
import { IMAGE_TIME_S } from "./place.ts";
import type { SpecBase } from "./spec.ts";

export type OciBase = Extract<SpecBase, { readonly kind: "oci" }>;

const MANIFESTS = /vnd\.(oci\.image\.manifest|docker\.distribution\.manifest)\.v[12]\+json$/;
const INDEXES = /vnd\.(oci\.image\.index|docker\.distribution\.manifest\.list)\.v[12]\+json$/;
const DOCUMENT_LIMIT_BYTES = 4 * 1024 * 1024;
const OWNER: Owner = { shown: "the base image", rank: "base" };

/**
 * Takes an image out of an OCI layout into the blob store, every byte checked: manifest, config and layers. Where the
 * digest is that of an index, the manifest for `architecture` is taken.
 *
 * @param directory absolute. @throws {ImageError} `IMAGE_BASE_UNUSABLE`.
 */
export async function importLayout(
  fs: FileTree,
  blobs: BlobStore,
  directory: string,
  digest: Sha256,
  architecture: string,
): Promise<OciBase> {
  const pathOf = (hash: Sha256) => `${directory}/blobs/sha256/${hash}`;
  const take = async (wanted: Digest | Sha256): Promise<Digest> => {
    const hash = typeof wanted === "string" ? wanted : wanted.hash;
    if (typeof wanted !== "string" && blobs.has(wanted)) return wanted;
    if (fs.stat(pathOf(hash))?.kind !== "file") throw unusable(`${directory} has no blob ${hash}`);
    const found = await blobs.ingest(pathOf(hash), { take: false });
    if (found.hash !== hash) throw unusable(`blob ${hash} in ${directory} has digest ${found.hash}`);
    return found;
  };
  let manifest = await take(digest);
  let document = readDocument(blobs, manifest);
  if (INDEXES.test(String(document.mediaType ?? "")) || Array.isArray(document.manifests)) {
    const choice = (document.manifests as readonly IndexEntry[]).find(
      ({ platform }) => platform?.architecture === architecture && (platform.os ?? "linux") === "linux",
    );
    const chosen = parseSha256(choice?.digest?.replace(/^sha256:/, ""));
    if (chosen === undefined) throw unusable(`index ${digest} has no image for linux/${architecture}`);
    manifest = await take(chosen);
    document = readDocument(blobs, manifest);
  }
  if (document.mediaType !== undefined && !MANIFESTS.test(String(document.mediaType))) {
    throw unusable(`${manifest.hash} is of type ${JSON.stringify(document.mediaType)}, expected an image manifest`);
  }
  const config = await take(digestIn(document.config, manifest));
  const layers: Digest[] = [];
  for (const layer of Array.isArray(document.layers) ? document.layers : []) {
    layers.push(await take(digestIn(layer, manifest)));
  }
  return { kind: "oci", manifest, config, layers };
}

/** A manifest that is in the store already, with all it names. @throws {ImageError} `IMAGE_BASE_UNUSABLE`. */
export function readManifest(blobs: BlobStore, manifest: Digest): OciBase {
  const document = readDocument(blobs, manifest);
  const layers = (Array.isArray(document.layers) ? document.layers : []).map((layer) => digestIn(layer, manifest));
  return { kind: "oci", manifest, config: digestIn(document.config, manifest), layers };
}

/** What of a base's config matters here, and the config as it is written. */
export function readConfig(blobs: BlobStore, base: OciBase): { readonly config: ImageConfig; readonly text: string } {
  const bytes = blobs.read(base.config);
  const value = readDocument(blobs, base.config);
  const inner = (value.config ?? {}) as { Env?: unknown; User?: unknown; Cmd?: unknown };
  const ids = ((value.rootfs ?? {}) as { diff_ids?: unknown }).diff_ids;
  const diffIds = (Array.isArray(ids) ? ids : []).map((id) => parseSha256(String(id).replace(/^sha256:/, "")));
  if (diffIds.some((id) => id === undefined) || diffIds.length !== base.layers.length) {
    throw unusable(`config ${base.config.hash} names ${diffIds.length} layers, its manifest ${base.layers.length}`);
  }
  const strings = (list: unknown) => (Array.isArray(list) ? list.filter((item) => typeof item === "string") : []);
  const cmd = strings(inner.Cmd);
  return {
    text: bytes.toString(),
    config: {
      architecture: typeof value.architecture === "string" ? value.architecture : "",
      ...(typeof value.variant === "string" ? { variant: value.variant } : {}),
      diffIds: diffIds as readonly Sha256[],
      env: strings(inner.Env),
      user: typeof inner.User === "string" ? inner.User : "",
      ...(cmd.length === 0 ? {} : { cmd }),
    },
  };
}

export interface LayerRooms {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
  readonly tools: DecompressionTools;
  readonly limits: SourceLimits;
  /** Absolute; an empty directory on the file system of the cache home. */
  readonly scratch: string;
}

/**
 * Unpacks the layers one over another, whiteouts and all, without writing a name of theirs anywhere. Owners, times and
 * all permissions but "executable" are dropped; devices are left out.
 *
 * @see OCI image-spec, layer.md
 */
export async function unpackLayers(
  base: OciBase,
  diffIds: readonly Sha256[],
  rooms: LayerRooms,
  signal: AbortSignal,
): Promise<{ readonly tree: MergedTree; readonly layers: readonly Layer[] }> {
  const tree = new MergedTree();
  const layers: Layer[] = [];
  const files = { count: 0, sizeBytes: 0 };
  for (const [index, digest] of base.layers.entries()) {
    const diffId = diffIds[index] as Sha256;
    layers.push(await plainLayer(digest, diffId, rooms, signal));
    const layer = new LayerReader(rooms, files);
    try {
      if (!(await readTar(rooms.blobs.read(digest), rooms.tools, (entry) => layer.add(entry), signal))) {
        throw unusable(`layer ${digest.hash} is no tar archive`);
      }
    } finally {
      layer.abandon();
    }
    layer.applyTo(tree);
  }
  return { tree, layers };
}

/** The layer uncompressed, as a blob of the store. */
async function plainLayer(digest: Digest, diffId: Sha256, rooms: LayerRooms, signal: AbortSignal): Promise<Layer> {
  const { blobs, streams, scratch, tools } = rooms;
  const whole = (sizeBytes: number): Layer => ({
    pieces: [{ hash: diffId, sizeBytes, offset: 0, length: sizeBytes }],
    endBytes: 0,
    diffId,
    sizeBytes,
  });
  if (digest.hash === diffId) return whole(digest.sizeBytes);
  const path = `${scratch}/layer`;
  const sink = streams.create(path, 0o644);
  const hash = createHash("sha256");
  let total = 0;
  try {
    await decompress(
      blobs.read(digest),
      tools,
      (chunk) => {
        total += chunk.length;
        if (total > rooms.limits.unpackedBytes) {
          throw new ImageError(
            "IMAGE_TOO_LARGE",
            `layer ${digest.hash} has more than ${rooms.limits.unpackedBytes} bytes`,
          );
        }
        hash.update(chunk);
        sink.write(chunk);
      },
      signal,
    );
  } finally {
    sink.close();
  }
  const found = hash.digest("hex");
  if (found !== diffId) throw unusable(`layer ${digest.hash} has diffID ${found}, its config says ${diffId}`);
  await blobs.ingest(path, { take: true });
  return whole(total);
}

class LayerReader {
  readonly #rooms: LayerRooms;
  readonly #files: { count: number; sizeBytes: number };
  readonly #entries = new Map<string, MergedEntry>();
  readonly #gone: string[] = [];
  readonly #emptied: string[] = [];
  #close: (() => void) | undefined;

  constructor(rooms: LayerRooms, files: { count: number; sizeBytes: number }) {
    this.#rooms = rooms;
    this.#files = files;
  }

  abandon(): void {
    this.#close?.();
    this.#close = undefined;
  }

  add(entry: TarEntry): { take(chunk: Uint8Array): void; end(): void } {
    const nothing = { take() {}, end() {} };
    const segments = entrySegments(entry.path.replace(/^\/+/, ""));
    const place = segments.join("/");
    const name = segments.at(-1);
    if (name === undefined) return nothing;
    const directory = segments.slice(0, -1).join("/");
    if (name === ".wh..wh..opq") this.#emptied.push(directory);
    else if (name.startsWith(".wh."))
      this.#gone.push(directory === "" ? name.slice(4) : `${directory}/${name.slice(4)}`);
    else if (entry.type === "directory") this.#entries.set(place, { kind: "directory", place, owner: OWNER });
    else if (entry.type === "symlink") {
      this.#entries.set(place, { kind: "symlink", place, target: entry.target, owner: OWNER });
    } else if (entry.type === "link") {
      const linked = this.#entries.get(entrySegments(entry.target.replace(/^\/+/, "")).join("/"));
      if (linked?.kind !== "file")
        throw unusable(`hard link ${entry.path} leads to ${entry.target}, which is no file before it`);
      this.#entries.set(place, { ...linked, place });
    } else if (entry.type === "file" || entry.type === "contiguous-file") return this.#addFile(entry, place);
    return nothing;
  }

  applyTo(tree: MergedTree): void {
    for (const place of this.#gone) tree.remove(place);
    for (const place of this.#emptied) {
      tree.remove(place);
      if (place !== "") tree.add({ kind: "directory", place, owner: OWNER });
    }
    for (const entry of this.#entries.values()) tree.add(entry);
  }

  #addFile(entry: TarEntry, place: string) {
    const { streams, scratch, limits, fs } = this.#rooms;
    const { sizeBytes } = entry;
    this.#files.sizeBytes += sizeBytes;
    if (
      sizeBytes > limits.entryBytes ||
      this.#files.sizeBytes > limits.unpackedBytes ||
      this.#files.count > limits.entryCount
    ) {
      throw new ImageError("IMAGE_TOO_LARGE", `the base image is too large at ${entry.path}`);
    }
    const from = `${scratch}/base-${this.#files.count++}`;
    const executable = (entry.mode & 0o111) !== 0;
    const sink = streams.create(from, executable ? 0o755 : 0o644);
    this.#close = () => sink.close();
    const hash = createHash("sha256");
    return {
      take: (chunk: Uint8Array) => {
        hash.update(chunk);
        sink.write(chunk);
      },
      end: () => {
        this.abandon();
        fs.setTimes(from, IMAGE_TIME_S * 1000, IMAGE_TIME_S * 1000);
        const digest = hash.digest("hex") as Sha256;
        this.#entries.set(place, { kind: "file", place, sha256: digest, sizeBytes, executable, from, owner: OWNER });
      },
    };
  }
}

interface IndexEntry {
  readonly digest?: string;
  readonly platform?: { readonly architecture?: string; readonly os?: string };
}

function readDocument(blobs: BlobStore, digest: Digest): Record<string, unknown> {
  if (digest.sizeBytes > DOCUMENT_LIMIT_BYTES) throw unusable(`document ${digest.hash} has ${digest.sizeBytes} bytes`);
  const bytes = blobs.read(digest);
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below: what it is matters less than what it is not.
  }
  throw unusable(`blob ${sha256(bytes)} is no JSON object`);
}

function digestIn(descriptor: unknown, manifest: Digest): Digest {
  const { digest, size } = (descriptor ?? {}) as { digest?: unknown; size?: unknown };
  const hash = parseSha256(String(digest).replace(/^sha256:/, ""));
  if (hash !== undefined && typeof size === "number") return { hash, sizeBytes: size };
  throw unusable(`manifest ${manifest.hash} has a descriptor without digest and size`);
}

function unusable(problem: string): ImageError {
  return new ImageError("IMAGE_BASE_UNUSABLE", problem);
}
