import { type CanonicalValue, canonicalJson, type Digest, digestOf, type Sha256 } from "../../base/index.ts";

export const MEDIA_TYPES = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

/** What of an OCI config begat writes and reads; other members of a base's config are not carried over. */
export interface ImageConfig {
  /** OCI's word: `amd64`. */
  readonly architecture: string;
  readonly variant?: string;
  readonly diffIds: readonly Sha256[];
  readonly env: readonly string[];
  readonly user: string;
  readonly cmd?: readonly string[];
}

/** Fixed like every time in an image: 1980-01-01, as its files have it. */
const CREATED = "1980-01-01T00:00:00Z";

/**
 * The OCI config as canonical JSON. Its digest is the image's identity: it holds the digests of the uncompressed
 * layers, so that no compressor has a say in it.
 *
 * @see OCI image-spec, config.md
 */
export function configText(config: ImageConfig): string {
  const { architecture, variant, diffIds, env, user, cmd } = config;
  return canonicalJson({
    architecture,
    variant,
    config: {
      Cmd: cmd,
      Env: env,
      User: user === "" ? undefined : user,
    },
    created: CREATED,
    history: diffIds.map(() => ({ created: CREATED, created_by: "begat" })),
    os: "linux",
    rootfs: { diff_ids: diffIds.map((id) => `sha256:${id}`), type: "layers" },
  });
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** @see OCI image-spec, manifest.md */
export function manifestText(
  config: Digest,
  layers: readonly Descriptor[],
  configType: string = MEDIA_TYPES.config,
): string {
  return canonicalJson({
    config: descriptorValue({ mediaType: configType, digest: config }),
    layers: layers.map(descriptorValue),
    mediaType: MEDIA_TYPES.manifest,
    schemaVersion: 2,
  });
}

/** The manifest of an image as the store has it: every layer uncompressed. */
export function plainManifest(
  config: string,
  layers: readonly { readonly diffId: Sha256; readonly sizeBytes: number }[],
) {
  const descriptors = layers.map(({ diffId, sizeBytes }) => ({
    mediaType: MEDIA_TYPES.layer,
    digest: { hash: diffId, sizeBytes },
  }));
  const text = manifestText(digestOf(config), descriptors);
  return { text, digest: digestOf(text) };
}

/** @see OCI image-spec, image-index.md */
export function indexText(manifest: Digest, tag: string): string {
  // The key is the one that tools look for; it is outside our own records' alphabet for keys, hence JSON.stringify.
  const annotations = { "org.opencontainers.image.ref.name": tag };
  const entry = { annotations, ...(descriptorValue({ mediaType: MEDIA_TYPES.manifest, digest: manifest }) as object) };
  return JSON.stringify({ manifests: [entry], mediaType: MEDIA_TYPES.index, schemaVersion: 2 });
}

function descriptorValue({ mediaType, digest }: Descriptor): CanonicalValue {
  return { digest: `sha256:${digest.hash}`, mediaType, size: digest.sizeBytes };
}

/** Debian's words for architectures in OCI's, which are Go's. */
const OCI_ARCHITECTURES: Readonly<Record<string, string>> = {
  amd64: "amd64",
  arm64: "arm64",
  armel: "arm",
  armhf: "arm",
  i386: "386",
  mips64el: "mips64le",
  mipsel: "mipsle",
  ppc64el: "ppc64le",
  riscv64: "riscv64",
  s390x: "s390x",
};

export function ociArchitecture(debian: string): string {
  return OCI_ARCHITECTURES[debian] ?? debian;
}
