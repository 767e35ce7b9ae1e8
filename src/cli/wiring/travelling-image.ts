import { parseSha256 } from "../../base/index.ts";
import type { FileBlobStreams } from "../../cache/index.ts";
import type { TravellingImage } from "../../fulcrum-client/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";

const PREFIX = "sha256:";

/** The image that a `container-image` names, as blobs that can be sent; `undefined` where it is none that stands here. */
export function travellingImage(
  provider: ImageProvider,
  streams: FileBlobStreams,
  value: string,
): TravellingImage | undefined {
  const config = value.startsWith(PREFIX) ? parseSha256(value.slice(PREFIX.length)) : undefined;
  const blobs = config === undefined ? undefined : provider.ociBlobs(config);
  if (blobs === undefined) return undefined;
  return {
    manifest: blobs.manifest,
    blobs: blobs.digests,
    stand: (digest) => blobs.stand(digest, streams.begin(), new AbortController().signal),
  };
}
