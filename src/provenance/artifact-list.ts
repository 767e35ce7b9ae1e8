import { invariant, type Sha256, sha256 } from "../base/index.ts";
import type { ManifestBlob } from "./ledger.ts";
import { partsManifest } from "./long-lists.ts";

/** Artifacts as columns: of each its path's number, by which path and hash are found. */
export interface ArtifactColumns {
  readonly ids: Uint32Array;
  /** UTF-8, one after another; `offsets` has one more entry than there are paths. */
  readonly paths: { readonly bytes: Uint8Array; readonly offsets: Uint32Array };
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
}

const BEFORE = Buffer.from('{"d":"');
const BETWEEN = Buffer.from('","p":"');
const AFTER = Buffer.from('"},');
const HASH_BYTES = 32;
const DIGITS = Buffer.from("0123456789abcdef");
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Lists of more artifacts stand in parts. */
const MOST_WHOLE = 512;
/** A part ends behind a path of whose hash these bits are 0, so that what comes and goes moves no other part's end. */
const PART_END = 0xff;

/**
 * The list of a `build.end`, and the manifests it is made of where it is long. From one build to the next few parts differ,
 * and a ledger keeps what is the same once.
 */
export function artifactManifests(columns: ArtifactColumns): {
  readonly list: ManifestBlob;
  readonly parts: readonly ManifestBlob[];
} {
  const { ids, paths, hashes } = columns;
  if (ids.length <= MOST_WHOLE) return { list: artifactManifest(columns), parts: [] };
  const parts: ManifestBlob[] = [];
  for (let from = 0, to = 0; from < ids.length; from = to) {
    do to++;
    while (to < ids.length && pathHash(paths, ids[to - 1] as number) & PART_END);
    parts.push(artifactManifest({ ids: ids.subarray(from, to), paths, hashes }));
  }
  return { list: partsManifest(parts.map(({ hash }) => hash)), parts };
}

/** FNV-1a of 32 bits. */
function pathHash({ bytes, offsets }: ArtifactColumns["paths"], id: number): number {
  let hash = 0x811c9dc5;
  for (let i = offsets[id] as number; i < (offsets[id + 1] as number); i++)
    hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  // Its low bits are the weakest.
  return hash ^ (hash >>> 15);
}

/**
 * The manifest of a `build.end` with many artifacts: the canonical JSON of `[{"d":hash,"p":path},...]`, written as bytes.
 * After each build of 100,000 outputs that many objects and strings would be garbage.
 */
export function artifactManifest({ ids, paths, hashes }: ArtifactColumns): ManifestBlob {
  const { offsets } = paths;
  let size = 2;
  for (const id of ids) {
    const length = (offsets[id + 1] as number) - (offsets[id] as number);
    size += BEFORE.length + 2 * HASH_BYTES + BETWEEN.length + escapedLength(paths.bytes, offsets[id] as number, length);
    size += AFTER.length;
  }
  const out = Buffer.allocUnsafeSlow(size);
  let at = 0;
  const put = (text: Uint8Array): void => {
    for (let i = 0; i < text.length; i++) out[at++] = text[i] as number;
  };
  out[at++] = 0x5b;
  for (const id of ids) {
    put(BEFORE);
    for (let i = id * HASH_BYTES; i < (id + 1) * HASH_BYTES; i++) {
      out[at++] = DIGITS[(hashes[i] as number) >>> 4] as number;
      out[at++] = DIGITS[(hashes[i] as number) & 15] as number;
    }
    put(BETWEEN);
    for (let i = offsets[id] as number; i < (offsets[id + 1] as number); i++) {
      const byte = paths.bytes[i] as number;
      // No path has a control character.
      if (byte === QUOTE || byte === BACKSLASH) out[at++] = BACKSLASH;
      out[at++] = byte;
    }
    put(AFTER);
  }
  if (ids.length > 0) at--;
  out[at++] = 0x5d;
  const bytes = out.subarray(0, at);
  return { hash: sha256(bytes) as Sha256, bytes };
}

function escapedLength(bytes: Uint8Array, from: number, length: number): number {
  let escaped = length;
  for (let i = from; i < from + length; i++) {
    const byte = bytes[i] as number;
    invariant(byte >= 0x20 && byte !== 0x7f, "a control character in an artifact's path");
    if (byte === QUOTE || byte === BACKSLASH) escaped++;
  }
  return escaped;
}
