import { type Digest, digestOf, EMPTY_DIGEST } from "../../base/index.ts";
import type { BlobStore, RecordedOutput } from "../../cache/index.ts";
import { listTree, UP_PATH } from "../../executor/index.ts";
import { decodeTree, encodeTree, type reapi } from "../../protocol/index.ts";
import type { RemoteBlobs } from "../blobs/index.ts";
import { digestFrom } from "./remote-outputs.ts";

/** Where outputs go that nobody has asked for yet. */
export interface OfferedBlobs {
  /** They are at the endpoint and may be fetched from there. */
  offer(digests: readonly Digest[]): void;
}

export interface ResultRooms {
  readonly remote: RemoteBlobs;
  readonly blobs: BlobStore;
  /** `undefined`: every output is fetched at once. */
  readonly offered: OfferedBlobs | undefined;
}

export interface Printed {
  readonly bytes: Buffer;
  readonly digest: Digest;
}

/** What a result printed: inlined, or fetched. */
export async function printed(
  raw: Uint8Array,
  wire: reapi.Digest | undefined,
  { remote, blobs }: ResultRooms,
  signal: AbortSignal,
): Promise<Printed> {
  if (wire === undefined) {
    const bytes = Buffer.from(raw);
    return { bytes, digest: digestOf(bytes) };
  }
  const digest = digestFrom(wire, "what was printed");
  if (digest.sizeBytes === 0) return { bytes: Buffer.alloc(0), digest: EMPTY_DIGEST };
  // Inlined bytes are worth what their digest says.
  if (raw.length === digest.sizeBytes && digestOf(raw).hash === digest.hash) return { bytes: Buffer.from(raw), digest };
  await remote.fetch([digest], signal);
  return { bytes: blobs.read(digest), digest };
}

/** Keeps the contents that came with an answer; what does not match its digest is fetched like any other. */
export function keepInlined({ outputFiles }: reapi.ActionResult, blobs: BlobStore): void {
  for (const { digest, contents } of outputFiles) {
    if (contents.length === 0 || contents.length !== digest?.sizeBytes) continue;
    const found = digestOf(contents);
    if (found.hash === digest.hash) blobs.write(contents, found);
  }
}

/**
 * Brings what of the outputs is needed here, every byte verified: trees' lists of files and the file of properties always,
 * contents now or when somebody asks.
 *
 * @param isAttested The digests were signed. Else trees are written anew in the one form that begat gives them, so that equal
 *   directories have equal digests whoever made them.
 * @throws {BlobsMissingError} Some are gone. @throws {BlobStoreError} `BLOB_MISMATCH`. @throws {ProtocolError}
 */
export async function bringOutputs(
  outputs: readonly RecordedOutput[],
  rooms: ResultRooms,
  isAttested: boolean,
  signal: AbortSignal,
): Promise<readonly RecordedOutput[]> {
  const { remote, blobs, offered } = rooms;
  const trees = outputs.filter(({ kind }) => kind === "tree");
  const own = outputs.filter(({ path }) => path === UP_PATH);
  await remote.fetch(
    [...trees, ...own].map(({ digest }) => digest),
    signal,
  );
  const contents: Digest[] = [];
  const brought = outputs.map((output) => {
    if (output.kind === "file") contents.push(output.digest);
    else if (output.kind === "symlink") blobs.write(Buffer.from(output.target ?? ""));
    if (output.kind !== "tree") return output;
    const bytes = blobs.read(output.digest);
    for (const { digest } of listTree(bytes).files) contents.push(digest);
    if (isAttested) return output;
    const canonical = encodeTree(decodeTree(bytes, digestOf));
    return { ...output, digest: blobs.write(canonical.bytes, canonical.digest) };
  });
  if (offered === undefined) await remote.fetch(contents, signal);
  else offered.offer(contents);
  return brought;
}
