import { type Digest, digestOf, type Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import type { FileStreams, FileTree } from "../../ports/index.ts";
import type { DecompressionTools } from "../decompression.ts";
import type { ImageFile } from "../image.ts";
import type { SourceLimits } from "../source-limits.ts";
import { assemble } from "./assembly.ts";
import { type GapReport, NO_GAPS } from "./gap-report.ts";
import type { ImageStore, StoredImage } from "./image-store.ts";
import { digestLayer, type Layer } from "./layer.ts";
import type { MergedTree } from "./merged-tree.ts";
import { NODE_MODULES } from "./npm-programs.ts";
import { readConfig, unpackLayers } from "./oci-base.ts";
import { configText, type ImageConfig, plainManifest } from "./oci-documents.ts";
import type { PackageBlob, PackageStore, StandingPackage } from "./package-store.ts";
import { composeRoot, readRoot } from "./root-directory.ts";
import { DEFAULT_PATH } from "./skeleton.ts";
import { blobOf, type ImageSpec, isBaseAlone, type LockedPackage, specDigest } from "./spec.ts";

export interface ImageBuilderOptions {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly blobs: BlobStore;
  readonly tools: DecompressionTools;
  readonly limits: SourceLimits;
  readonly images: ImageStore;
  readonly packages: PackageStore;
  /** How many packages are unpacked at a time. */
  readonly parallel: number;
  temporary(): string;
}

/** Puts images together whose inputs are in the blob store. */
export class ImageBuilder {
  readonly #options: ImageBuilderOptions;

  constructor(options: ImageBuilderOptions) {
    this.#options = options;
  }

  /**
   * @param files by digest: where bytes of the spec's files are.
   * @param again makes the image once more though it stands, for blobs of its layers that the store has lost.
   */
  async build(
    name: string,
    spec: ImageSpec,
    files: ReadonlyMap<Sha256, ImageFile>,
    signal: AbortSignal,
    again = false,
  ): Promise<StoredImage> {
    const { fs, images } = this.#options;
    const digest = specDigest(spec);
    const standing = again ? undefined : images.bySpec(digest);
    if (standing !== undefined) return standing;
    const base = await this.#base(name, spec, files, signal, again);
    if (base !== undefined && isBaseAlone(spec)) return base;
    const scratch = this.#options.temporary();
    fs.makeDirectory(scratch, 0o755);
    try {
      const standingPackages = await this.#standAll(spec.packages, signal);
      const rooms = { ...this.#options, scratch };
      const entries = base === undefined ? undefined : readRoot(fs, images.rootOf(base.configDigest));
      const assembly = await assemble(spec, standingPackages, files, entries, rooms);
      signal.throwIfAborted();
      const layer = await digestLayer(assembly.layer, this.#options.blobs, this.#options.streams);
      const layers = [...(base?.layers ?? []), layer];
      const config = configOf(spec, base, layers);
      const image = storedImage(name, spec, digest, configText(config), config, layers, assembly.report, [
        ...(base?.packages ?? []),
        ...spec.packages.map((one) => this.#options.packages.key(packageBlob(one))),
      ]);
      this.#publish(assembly.tree, image);
      return image;
    } finally {
      fs.remove(scratch);
    }
  }

  /** What of `packages` does not stand and whose blob the store lacks, each once. */
  missing(spec: ImageSpec): readonly LockedPackage[] {
    const { blobs, packages } = this.#options;
    const inBase = spec.base?.kind === "image" ? this.missing(spec.base.spec) : [];
    const known = new Set(inBase.map(({ sha256 }) => sha256));
    const own = spec.packages.filter(
      (one) => !known.has(one.sha256) && !blobs.has(blobOf(one)) && packages.standing(packageBlob(one)) === undefined,
    );
    return [...inBase, ...own];
  }

  /** Where an image that stands has the files of its spec, and those of the images below it. */
  filesOf(spec: ImageSpec): ReadonlyMap<Sha256, ImageFile> {
    const { images } = this.#options;
    const files = new Map<Sha256, ImageFile>(spec.base?.kind === "image" ? this.filesOf(spec.base.spec) : []);
    const standing = images.bySpec(specDigest(spec));
    for (const { place, executable, ...file } of standing === undefined ? [] : spec.files) {
      const from = { file: `${images.rootOf((standing as StoredImage).configDigest)}/${place}` };
      files.set(file.sha256, { place: `/${place}`, digest: blobOf(file), executable, from });
    }
    return files;
  }

  async #base(
    name: string,
    spec: ImageSpec,
    files: ReadonlyMap<Sha256, ImageFile>,
    signal: AbortSignal,
    again: boolean,
  ): Promise<StoredImage | undefined> {
    const { base } = spec;
    if (base === undefined) return undefined;
    if (base.kind === "image") return this.build(name, base.spec, files, signal, again);
    const { fs, images, blobs } = this.#options;
    const { v, normaliser, architecture } = spec;
    const none = { packages: [], files: [], links: [], directories: [], env: [] };
    const bare: ImageSpec = { v, normaliser, architecture, base, ...none };
    const digest = specDigest(bare);
    const standing = again ? undefined : images.bySpec(digest);
    if (standing !== undefined) return standing;
    const scratch = this.#options.temporary();
    fs.makeDirectory(scratch, 0o755);
    try {
      const { config, text } = readConfig(blobs, base);
      const { tree, layers } = await unpackLayers(base, config.diffIds, { ...this.#options, scratch }, signal);
      const report: GapReport = { ...NO_GAPS, dangling: tree.dangling() };
      const image = storedImage(name, bare, digest, text, config, layers, report, []);
      this.#publish(tree, image);
      return image;
    } finally {
      fs.remove(scratch);
    }
  }

  #publish(tree: MergedTree, image: StoredImage): void {
    const { fs, images } = this.#options;
    const directory = this.#options.temporary();
    try {
      fs.makeDirectory(directory, 0o755);
      fs.setMode(directory, 0o755);
      composeRoot(fs, tree, `${directory}/root`);
      images.publish(directory, image);
    } finally {
      fs.remove(directory);
    }
  }

  async #standAll(
    packages: readonly LockedPackage[],
    signal: AbortSignal,
  ): Promise<readonly { readonly locked: LockedPackage; readonly standing: StandingPackage }[]> {
    const done: { locked: LockedPackage; standing: StandingPackage }[] = [];
    // The largest first: what begins last should not be what takes longest.
    const waiting = packages
      .map((locked, index) => ({ locked, index }))
      .sort((a, b) => b.locked.sizeBytes - a.locked.sizeBytes);
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal]);
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        both.throwIfAborted();
        const standing = await this.#options.packages.stand(packageBlob(next.locked), both);
        done[next.index] = { locked: next.locked, standing };
      }
    };
    const workers = Array.from({ length: this.#options.parallel }, () =>
      work().catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
    const outcomes = await Promise.allSettled(workers);
    signal.throwIfAborted();
    // The first failure, not the cancellation that it brought about in the others.
    if (failed.signal.aborted) throw failed.signal.reason;
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return done;
  }
}

/** How the package store knows a pinned package. */
export function packageBlob(one: LockedPackage): PackageBlob {
  const digest: Digest = blobOf(one);
  const shown = `${one.name} ${one.version}`;
  if (one.kind === "deb") return { shown, kind: "deb", digest };
  return { shown, kind: "npm", digest, prefix: `${NODE_MODULES}/${one.directory ?? one.name}` };
}

function configOf(spec: ImageSpec, base: StoredImage | undefined, layers: readonly Layer[]): ImageConfig {
  const env = new Map<string, string>();
  for (const setting of [DEFAULT_PATH, ...(base?.env ?? []), ...spec.env]) {
    env.set(setting.slice(0, setting.indexOf("=")), setting);
  }
  return {
    architecture: base?.architecture ?? spec.architecture,
    ...(base?.variant === undefined ? {} : { variant: base.variant }),
    diffIds: layers.map(({ diffId }) => diffId),
    env: [...env.values()].sort(),
    user: spec.user ?? base?.user ?? "",
    ...(base?.cmd === undefined ? {} : { cmd: base.cmd }),
  };
}

function storedImage(
  name: string,
  spec: ImageSpec,
  digest: Sha256,
  text: string,
  config: ImageConfig,
  layers: readonly Layer[],
  report: GapReport,
  packages: readonly string[],
): StoredImage {
  const { architecture, variant, cmd, env, user } = config;
  return {
    v: 1,
    name,
    specDigest: digest,
    spec,
    config: text,
    configDigest: digestOf(text).hash,
    manifestDigest: plainManifest(text, layers).digest.hash,
    diffIds: layers.map(({ diffId }) => diffId),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(cmd === undefined ? {} : { cmd }),
    env,
    user,
    layers,
    sizeBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    report,
    packages: [...new Set(packages)].sort(),
  };
}
