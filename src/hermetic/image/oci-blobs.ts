import { digestOf } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams } from "../../ports/index.ts";
import type { OciBlobs } from "../image.ts";
import type { StoredImage } from "./image-store.ts";
import { layerBytes } from "./layer.ts";
import { plainManifest } from "./oci-documents.ts";

/** @param complete The image with every piece of its layers in the store. */
export function ociBlobsOf(
  image: StoredImage,
  rooms: { readonly blobs: BlobStore; readonly streams: FileStreams },
  complete: (signal: AbortSignal) => Promise<StoredImage>,
): OciBlobs {
  const manifest = plainManifest(image.config, image.layers);
  const config = digestOf(image.config);
  const layers = image.layers.map(({ diffId, sizeBytes }) => ({ hash: diffId, sizeBytes }));
  return {
    manifest: manifest.digest,
    digests: [manifest.digest, config, ...layers],
    async stand(digest, sink, signal) {
      try {
        if (digest.hash === manifest.digest.hash) sink.write(Buffer.from(manifest.text));
        else if (digest.hash === config.hash) sink.write(Buffer.from(image.config));
        else {
          const layer = (await complete(signal)).layers.find(({ diffId }) => diffId === digest.hash);
          if (layer === undefined) throw new RangeError(`image ${config.hash} has no layer ${digest.hash}`);
          for await (const chunk of layerBytes(layer, rooms.blobs, rooms.streams)) {
            signal.throwIfAborted();
            sink.write(chunk);
          }
        }
        sink.finish(digest);
      } finally {
        sink.abandon();
      }
    },
  };
}
