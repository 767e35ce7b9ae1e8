import type { CanonicalValue, Digest, Sha256 } from "../base/index.ts";
import type { BlobSink } from "../cache/index.ts";
import type { GapReport } from "./image/gap-report.ts";
import type { ImageSpec, LockedPackage } from "./image/spec.ts";

/** A place in a begatfile. */
export interface ImagePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `deb`, `npm`, `file`, `oci`, `from`, `link`, `env` or `user` with its words, as a begatfile has it. */
export interface ImagePart {
  readonly kind: string;
  readonly words: readonly string[];
  readonly at: ImagePlace;
}

/** A file that an image is to hold, its contents known by digest. */
export interface ImageFile {
  /** Absolute in the image. */
  readonly place: string;
  readonly digest: Digest;
  readonly executable: boolean;
  /** Where its bytes are: a file of this machine, absolute, or the blob store. No part of the image's identity. */
  readonly from: { readonly file: string } | { readonly blob: true };
}

/** What one word of a `file` part comes down to: a single file, or all that a tree holds. */
export interface ImageTree {
  readonly files: readonly ImageFile[];
  /** `place` absolute in the image; `target` as the link has it. */
  readonly links: readonly { readonly place: string; readonly target: string }[];
  /** Absolute in the image; those that hold something need not be named. */
  readonly directories: readonly string[];
}

/** `image NAME { ... }`, its `file` words resolved by the caller: workspace files, or outputs of chores. */
export interface ImageRequest {
  readonly name: string;
  readonly parts: readonly ImagePart[];
  /** Of all `file` words together, in any order. */
  readonly trees: readonly ImageTree[];
}

/** An image whose every input is pinned. */
export interface ResolvedImage {
  readonly name: string;
  /** What the image is made from: a value whose canonical JSON decides the image's bytes. */
  readonly spec: ImageSpec;
  /** SHA-256 of the spec's canonical JSON. */
  readonly specDigest: Sha256;
  /** begat.lock got an entry just now; the user should commit it. */
  readonly lockChanged: boolean;
}

/** What can be said of an image without its files: canonical JSON, kept as `image.json` beside its root. */
export interface ImageFacts {
  readonly name: string;
  /** Identity of the image: SHA-256 of the OCI config, which holds the diffIDs. */
  readonly configDigest: Sha256;
  readonly manifestDigest: Sha256;
  /** SHA-256 of each uncompressed layer, lowest first. */
  readonly diffIds: readonly Sha256[];
  /** `NAME=value`, sorted. */
  readonly env: readonly string[];
  /** Who runs in it: a name of its /etc/passwd or `uid:gid`; empty for root. */
  readonly user: string;
  /** All layers together, uncompressed. */
  readonly sizeBytes: number;
  readonly report: GapReport;
}

/** An image that stands unpacked. */
export interface ReadyImage extends ImageFacts {
  /** Absolute; an immutable root directory, to be bound read-only. Nobody but its owner may write to it. */
  readonly root: string;
  /** It stood already; nothing was read but its facts. */
  readonly cached: boolean;
}

/** Something a person waits for. */
export interface ImageProgress {
  readonly name: string;
  /** `apt's package lists`, `64.7 MB in 63 Debian packages`. */
  readonly what: string;
}

export interface ExportRequest {
  readonly format: "oci" | "docker-archive";
  /** Absolute; must not exist. `oci` makes a directory unless it ends in `.tar`; `docker-archive` a tar file. */
  readonly to: string;
  /** `name:tag` that docker will know it by; the image's name and `latest` where it is absent. */
  readonly tag?: string;
}

export interface PushRequest {
  /** `host[:port]/name[:tag]`; tag `latest` where it is absent. */
  readonly reference: string;
  /** Plain http; only ever spoken to this machine itself unless asked for here. */
  readonly insecure?: boolean;
}

export interface PushResult {
  /** Of the manifest in the registry: its layers are compressed, so it is another than the store's. */
  readonly manifestDigest: Sha256;
  readonly uploadedBytes: number;
  /** Layers that the registry had already. */
  readonly reusedLayers: number;
}

/** An image as the blobs of an OCI layout: what another machine needs to have it. */
export interface OciBlobs {
  readonly manifest: Digest;
  /** Manifest, config and uncompressed layers. */
  readonly digests: readonly Digest[];
  /** Writes one of them into `sink` and makes it a blob of the store. */
  stand(digest: Digest, sink: BlobSink, signal: AbortSignal): Promise<void>;
}

/** Makes images from pinned inputs. The caller holds the checkout's build lock while it resolves. */
export interface ImageProvider {
  /**
   * Pins what is not pinned yet in `begat.lock` and answers each image's spec, in the order of the requests. Where the
   * lock has everything nothing is asked of the network or of any program.
   *
   * @param options `update` resolves anew whatever the lock has, by fresh package lists.
   * @throws {ImageError} `IMAGE_MALFORMED`, `IMAGE_PACKAGE_NOT_FOUND`, `IMAGE_PACKAGES_CONFLICT`, `IMAGE_UNREACHABLE`,
   *   `IMAGE_TOOL_MISSING`, `IMAGE_BASE_UNUSABLE`.
   */
  resolve(
    requests: readonly ImageRequest[],
    options: { readonly update?: boolean },
    signal: AbortSignal,
  ): Promise<readonly ResolvedImage[]>;
  /** The image of this spec if it stands; a few `stat` calls. */
  standing(spec: ImageSpec): ReadyImage | undefined;
  /**
   * Makes the image stand: fetches the pinned packages that the store lacks, unpacks and merges. Same spec, same
   * digests, on every machine.
   *
   * @param files Where the bytes of the spec's files are; those of a `from` image as well.
   * @param onFetched Told of packages as they come in, whatever becomes of the image.
   * @throws {ImageError} `IMAGE_PACKAGE_VANISHED`, `IMAGE_DIGEST_MISMATCH`, `IMAGE_FILE_CONFLICT`,
   *   `IMAGE_ARCHIVE_REFUSED`, `IMAGE_TOO_LARGE`, `IMAGE_UNREACHABLE`, `IMAGE_TOOL_MISSING`.
   */
  build(
    image: ResolvedImage,
    files: readonly ImageFile[],
    signal: AbortSignal,
    onFetched?: (packages: readonly LockedPackage[]) => void,
  ): Promise<ReadyImage>;
  /** Every image that stands, sorted by name, then digest. */
  list(): readonly ImageFacts[];
  /** The image's blobs, if it stands; a read of its facts. */
  ociBlobs(config: Sha256): OciBlobs | undefined;
  /** What a manifest in the store names: config and layers. @throws {ImageError} `IMAGE_BASE_UNUSABLE`. */
  ociParts(manifest: Digest): readonly Digest[];
  /**
   * Makes an image stand whose manifest, config and layers are in the store, wherever they came from. Its identity is that
   * of its config.
   *
   * @throws {ImageError} `IMAGE_BASE_UNUSABLE` where they are no image, or not that one.
   */
  standOci(manifest: Digest, config: Sha256, signal: AbortSignal): Promise<ReadyImage>;
  /** Writes the image out: at once or not at all. */
  export(image: ImageFacts, request: ExportRequest, signal: AbortSignal): Promise<void>;
  /** Uploads the image, its layers compressed by gzip, to an OCI registry. */
  push(image: ImageFacts, request: PushRequest, signal: AbortSignal): Promise<PushResult>;
  /** Takes the image's root away; its packages stay. No action may be using it. */
  remove(image: ImageFacts): void;
  /**
   * Takes away every image but those in `keep` (by config digest) and every unpacked package that no image of them
   * needs; answers how many directories went.
   */
  collect(keep: ReadonlySet<Sha256>): number;
}

/** For records: the report as a canonical value. */
export function reportValue(report: GapReport): CanonicalValue {
  return report as unknown as CanonicalValue;
}
