import { digestOf } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileSink, FileStreams, FileTree } from "../../ports/index.ts";
import type { ExportRequest } from "../image.ts";
import { ImageError } from "../image-error.ts";
import type { StoredImage } from "./image-store.ts";
import { type Layer, layerBytes } from "./layer.ts";
import { indexText, plainManifest } from "./oci-documents.ts";
import { TAR_END_BYTES, tarHeader, tarPadding } from "./tar-entry.ts";

export interface ExportRooms {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
}

/** What docker takes as a name, with a tag or without. */
const DOCKER_REFERENCE = /^(?:[a-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?$/;

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** A file of the export: whole, or a layer to be streamed. */
type Part = { readonly path: string } & ({ readonly text: string } | { readonly layer: Layer });

/**
 * Writes an OCI layout as a directory or tar file; as docker-archive, a tar file that is both a layout and what
 * `docker load` reads. Layers stay uncompressed. Its pieces must be in the store.
 *
 * @see OCI image-spec, image-layout.md
 */
export async function exportImage(image: StoredImage, request: ExportRequest, rooms: ExportRooms): Promise<void> {
  const { fs } = rooms;
  const { to } = request;
  if (fs.lstat(to) !== undefined) {
    throw new ImageError("IMAGE_MALFORMED", `${to} exists; an image is exported to a new file or directory`);
  }
  const parts = partsOf(image, request);
  const temporary = `${to}.part`;
  fs.remove(temporary);
  try {
    if (request.format === "oci" && !to.endsWith(".tar")) await writeDirectory(parts, temporary, rooms);
    else await writeTar(parts, temporary, rooms);
    fs.rename(temporary, to);
  } catch (error) {
    fs.remove(temporary);
    throw error;
  }
}

function partsOf(image: StoredImage, request: ExportRequest): readonly Part[] {
  const manifest = plainManifest(image.config, image.layers);
  const blob = (hash: string) => `blobs/sha256/${hash}`;
  const wanted = request.tag ?? image.name;
  const asked = DOCKER_REFERENCE.test(wanted) ? wanted : dockerName(wanted);
  const tag = asked.slice(asked.lastIndexOf("/") + 1).includes(":") ? asked : `${asked}:latest`;
  const layers = new Map(image.layers.map((layer) => [layer.diffId, layer]));
  const parts: Part[] = [
    { path: "oci-layout", text: LAYOUT },
    { path: "index.json", text: indexText(manifest.digest, tag.slice(tag.lastIndexOf(":") + 1)) },
    { path: blob(manifest.digest.hash), text: manifest.text },
    { path: blob(image.configDigest), text: image.config },
    ...[...layers.values()].map((layer) => ({ path: blob(layer.diffId), layer })),
  ];
  if (request.format === "docker-archive") {
    const Layers = image.layers.map(({ diffId }) => blob(diffId));
    const description = [{ Config: blob(image.configDigest), RepoTags: [tag], Layers }];
    parts.push({ path: "manifest.json", text: JSON.stringify(description) });
  }
  return parts;
}

async function writeDirectory(parts: readonly Part[], directory: string, rooms: ExportRooms): Promise<void> {
  rooms.fs.makeDirectory(`${directory}/blobs/sha256`, 0o755);
  for (const part of parts) {
    const path = `${directory}/${part.path}`;
    const sink = rooms.streams.create(path, 0o644);
    try {
      await writePart(part, sink, rooms);
    } finally {
      sink.close();
    }
  }
}

async function writeTar(parts: readonly Part[], path: string, rooms: ExportRooms): Promise<void> {
  const sink = rooms.streams.create(path, 0o644);
  try {
    for (const place of ["blobs", "blobs/sha256"])
      sink.write(await tarHeader({ kind: "directory", place, mode: 0o755 }));
    for (const part of parts) {
      const sizeBytes = "text" in part ? Buffer.byteLength(part.text) : part.layer.sizeBytes;
      sink.write(await tarHeader({ kind: "file", place: part.path, sizeBytes, mode: 0o644 }));
      await writePart(part, sink, rooms);
      sink.write(Buffer.alloc(tarPadding(sizeBytes)));
    }
    sink.write(Buffer.alloc(TAR_END_BYTES));
  } finally {
    sink.close();
  }
}

async function writePart(part: Part, sink: FileSink, rooms: ExportRooms): Promise<void> {
  if ("text" in part) sink.write(Buffer.from(part.text));
  else for await (const chunk of layerBytes(part.layer, rooms.blobs, rooms.streams)) sink.write(chunk);
}

/** A name that docker takes: lower case, and nothing but letters, digits and single separators. */
export function dockerName(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return plain === "" ? `image-${digestOf(name).hash.slice(0, 12)}` : plain;
}
