import { counted, type Sha256 } from "../../base/index.ts";
import {
  type BlobStore,
  BlobStoreError,
  type BulkFiles,
  CacheLayout,
  type ProcessTable,
  temporaryName,
} from "../../cache/index.ts";
import type { FileStreams, FileTree, HttpClient, ProcessRunner, Random } from "../../ports/index.ts";
import type {
  ImageFacts,
  ImageFile,
  ImageProgress,
  ImageProvider,
  ImageRequest,
  ReadyImage,
  ResolvedImage,
} from "../image.ts";
import { ImageError } from "../image-error.ts";
import { formatLock, readLock } from "../lock.ts";
import { DEFAULT_SOURCE_LIMITS, type SourceLimits } from "../source-limits.ts";
import { DebPins } from "./deb-pins.ts";
import { exportImage } from "./export.ts";
import { ImageBuilder } from "./image-builder.ts";
import { answersImage, type ImageLock } from "./image-lock.ts";
import { ImageStore, type StoredImage } from "./image-store.ts";
import { NpmPins } from "./npm-pins.ts";
import { importLayout, readManifest } from "./oci-base.ts";
import { ociBlobsOf } from "./oci-blobs.ts";
import { ociArchitecture } from "./oci-documents.ts";
import { PackageStore } from "./package-store.ts";
import { pushImage } from "./push.ts";
import { type ImageSpec, imageSpec, type LockedPackage, type SpecBase, specDigest } from "./spec.ts";
import { type ImageWords, readWords } from "./words.ts";

export interface ImageProviderOptions {
  readonly fs: FileTree;
  readonly streams: FileStreams;
  readonly http: HttpClient;
  readonly blobs: BlobStore;
  readonly bulk: BulkFiles;
  readonly runner: ProcessRunner;
  readonly processes: ProcessTable;
  readonly random: Random;
  /** Absolute; `begat.lock` stands in it, and layouts named by `oci` are found from it. */
  readonly workspace: string;
  /** Absolute; images stand in `images/` of it. */
  readonly cacheHome: string;
  /** What apt, npm and xz of this machine run with: the environment of the user. */
  readonly environment: Readonly<Record<string, string>>;
  /** OCI's word for this machine, for images without Debian packages: `amd64`. */
  readonly architecture: string;
  /** Fetch nothing; what would have been fetched is an error that names it. */
  readonly offline?: boolean;
  readonly limits?: SourceLimits;
  /** How many packages are unpacked at a time; 3 where absent. */
  readonly parallel?: number;
  /** Told before anything a person has to wait for. */
  readonly onFetching?: (progress: ImageProgress) => void;
}

const LOSS_LIMIT = 5;

const PACKAGE_WORD = { deb: "Debian", npm: "npm" };

/** Images in `<cacheHome>/images`, pinned by `begat.lock`. */
export function createImageProvider(options: ImageProviderOptions): ImageProvider {
  const { fs, blobs, workspace, bulk } = options;
  const layout = new CacheLayout(options.cacheHome);
  const lockPath = `${workspace}/begat.lock`;
  const limits = options.limits ?? DEFAULT_SOURCE_LIMITS;
  const tool = { runner: options.runner, environment: options.environment };
  const home = `${options.cacheHome}/images`;
  const images = new ImageStore(fs, home);
  let temporaries = 0;
  // The collector of the cache knows these names, and removes what a killed process left.
  const temporary = (): string => {
    fs.makeDirectory(layout.tmp, 0o755);
    const chance = Buffer.from(options.random.bytes(6)).toString("hex");
    return `${layout.tmp}/${temporaryName(options.processes.self, `image-${++temporaries}-${chance}`)}`;
  };
  const rooms = { fs, streams: options.streams, blobs, limits, temporary };
  const tools = { ...tool, cwd: workspace };
  const packages = new PackageStore({ ...rooms, tools, home: `${home}/packages` });
  const builder = new ImageBuilder({ ...rooms, tools, images, packages, parallel: options.parallel ?? 3 });
  const npm = new NpmPins({ fs, blobs, tool, temporary });

  async function withDebs<T>(step: (debs: DebPins) => Promise<T>): Promise<T> {
    const debs = new DebPins({ fs, blobs, bulk, tool, temporary });
    try {
      return await step(debs);
    } finally {
      debs.close();
    }
  }

  /** The image's pins: those of the lock where they answer its words, else new ones. */
  async function pin(
    words: ImageWords,
    update: boolean,
    debs: DebPins,
    signal: AbortSignal,
  ): Promise<{ readonly lock: ImageLock | undefined; readonly changed: boolean }> {
    if (words.debs.length === 0 && words.npms.length === 0) return { lock: undefined, changed: false };
    const pinned = readLock(fs, lockPath).images.get(words.name);
    if (!update && pinned !== undefined && answersImage(pinned, words)) return { lock: pinned, changed: false };
    if (options.offline === true) {
      const what = [...words.debs, ...words.npms].join(" ");
      const message = `image ${words.name} is not pinned in begat.lock: ${what} would have to be resolved`;
      throw new ImageError("IMAGE_UNREACHABLE", message, { hint: "build once without --offline" });
    }
    const resolved =
      words.debs.length === 0
        ? { architecture: "", archives: [], packages: [] }
        : await (() => {
            options.onFetching?.({ name: words.name, what: "Debian packages to choose from" });
            return debs.resolve(words.debs, update, signal);
          })();
    let modules: readonly LockedPackage[] = [];
    if (words.npms.length > 0) {
      options.onFetching?.({ name: words.name, what: `npm packages ${words.npms.join(" ")}` });
      modules = await npm.resolve(words.npms, architectureOf(resolved.architecture), signal);
    }
    const lock: ImageLock = {
      deb: words.debs,
      npm: words.npms,
      ...resolved,
      packages: [...resolved.packages, ...modules],
    };
    const whole = readLock(fs, lockPath);
    const text = formatLock({ ...whole, images: new Map(whole.images).set(words.name, lock) });
    const changed = fs.stat(lockPath) === undefined || fs.readFile(lockPath).toString() !== text;
    if (changed) fs.replaceFile(lockPath, text, { mode: 0o644, durable: true });
    return { lock, changed };
  }

  function architectureOf(debian: string): string {
    return debian === "" ? options.architecture : ociArchitecture(debian);
  }

  async function fetchMissing(
    name: string,
    spec: ImageSpec,
    signal: AbortSignal,
    onFetched: (packages: readonly LockedPackage[]) => void = () => undefined,
  ): Promise<void> {
    const missing = builder.missing(spec);
    if (missing.length === 0) return;
    const ofKind = (kind: LockedPackage["kind"]) => missing.filter((one) => one.kind === kind);
    const what = (["deb", "npm"] as const)
      .map((kind) => ({ kind, list: ofKind(kind) }))
      .filter(({ list }) => list.length > 0)
      .map(({ kind, list }) => `${megabytes(list)} MB in ${counted(list.length, `${PACKAGE_WORD[kind]} package`)}`)
      .join(" and ");
    if (options.offline === true) {
      const shown = missing.slice(0, 5).map((one) => `${one.name} ${one.version}`);
      const message = `image ${name} would have to fetch ${what}: ${shown.join(", ")}${missing.length > 5 ? ", ..." : ""}`;
      throw new ImageError("IMAGE_UNREACHABLE", message, { hint: "build once without --offline" });
    }
    options.onFetching?.({ name, what });
    const debs = ofKind("deb");
    const modules = ofKind("npm");
    try {
      if (debs.length > 0) await withDebs((pins) => pins.fetch(name, debs, signal));
      if (modules.length > 0) await npm.fetch(name, modules, signal);
    } finally {
      // Some of them may be there although others could not be fetched, and are not fetched again.
      const still = new Set(builder.missing(spec).map(({ sha256 }) => sha256));
      onFetched(missing.filter(({ sha256 }) => !still.has(sha256)));
    }
  }

  function ready(image: StoredImage, name: string, cached: boolean): ReadyImage {
    const { configDigest, manifestDigest, diffIds, env, user, sizeBytes, report } = image;
    const root = images.rootOf(configDigest);
    return { name, configDigest, manifestDigest, diffIds, env, user, sizeBytes, report, root, cached };
  }

  /** The stored image with every blob of its layers in the store. */
  async function complete(facts: ImageFacts, signal: AbortSignal): Promise<StoredImage> {
    const image = images.byConfig(facts.configDigest);
    if (image === undefined)
      throw new ImageError("IMAGE_NOT_BUILT", `image ${facts.name} does not stand; build it first`);
    const lacks = image.layers.some(({ pieces }) => pieces.some((piece) => !blobs.has(piece)));
    if (!lacks) return image;
    // Evicted: what it was made from makes it again, and the digests say whether it is the same.
    await fetchMissing(image.name, image.spec, signal);
    const again = await builder.build(image.name, image.spec, builder.filesOf(image.spec), signal, true);
    if (again.configDigest === image.configDigest) return again;
    const message = `image ${image.name} was ${image.configDigest} and is ${again.configDigest} when made again`;
    throw new ImageError("IMAGE_DIGEST_MISMATCH", message);
  }

  return {
    async resolve(requests, { update = false }, signal) {
      const words = new Map<string, ImageWords>();
      for (const request of requests) words.set(request.name, readWords(request));
      const resolved = new Map<string, ResolvedImage>();
      return withDebs(async (debs) => {
        const resolveOne = async (request: ImageRequest, path: readonly string[]): Promise<ResolvedImage> => {
          const known = resolved.get(request.name);
          if (known !== undefined) return known;
          signal.throwIfAborted();
          const own = words.get(request.name) as ImageWords;
          const { lock, changed } = await pin(own, update, debs, signal);
          const architecture = architectureOf(lock?.architecture ?? "");
          const base = await baseOf(request, own, architecture, path);
          const pins = { architecture, packages: lock?.packages ?? [], base };
          const spec = imageSpec(own, request.trees, pins);
          const one = { name: request.name, spec, specDigest: specDigest(spec), lockChanged: changed };
          resolved.set(request.name, one);
          return one;
        };
        const baseOf = async (
          request: ImageRequest,
          own: ImageWords,
          architecture: string,
          path: readonly string[],
        ): Promise<SpecBase | undefined> => {
          if (own.base?.kind === "oci") {
            const directory = own.base.directory.replace(/\/+$/, "");
            return importLayout(fs, blobs, `${workspace}/${directory}`, own.base.manifest, architecture);
          }
          const name = own.base?.name;
          if (name === undefined) return undefined;
          const chain = [...path, request.name];
          if (chain.includes(name)) {
            const circle = [...chain.slice(chain.indexOf(name)), name];
            throw new ImageError("IMAGE_MALFORMED", `images stand on one another in a circle: ${circle.join(" on ")}`);
          }
          const other = requests.find((one) => one.name === name);
          if (other === undefined) {
            throw new ImageError("IMAGE_MALFORMED", `image ${request.name} stands on ${name}, which is not declared`);
          }
          return { kind: "image", spec: (await resolveOne(other, chain)).spec };
        };
        const answers: ResolvedImage[] = [];
        for (const request of requests) answers.push(await resolveOne(request, []));
        return answers;
      });
    },

    standing(spec) {
      const image = images.bySpec(specDigest(spec));
      return image && ready(image, image.name, true);
    },

    async build(image, files, signal, onFetched) {
      const standing = images.bySpec(image.specDigest);
      if (standing !== undefined) return ready(standing, image.name, true);
      const byDigest = new Map<Sha256, ImageFile>(files.map((file) => [file.digest.hash, file]));
      for (let round = 1; ; round++) {
        await fetchMissing(image.name, image.spec, signal, onFetched);
        try {
          const built = await builder.build(image.name, image.spec, byDigest, signal);
          return ready(built, image.name, false);
        } catch (error) {
          // Evicted by another process, or corrupt and set aside just now: it is fetched or made again.
          const isLoss = error instanceof BlobStoreError && ["BLOB_MISSING", "BLOB_CORRUPT"].includes(error.code);
          if (!isLoss || round === LOSS_LIMIT) throw error;
        }
      }
    },

    list: () => images.list().map((image) => ready(image, image.name, true)),

    ociBlobs(config) {
      const image = images.byConfig(config);
      if (image === undefined) return undefined;
      return ociBlobsOf(image, { blobs, streams: options.streams }, (signal) => complete(image, signal));
    },

    ociParts(manifest) {
      const { config, layers } = readManifest(blobs, manifest);
      return [config, ...layers];
    },

    async standOci(manifest, config, signal) {
      const standing = images.byConfig(config);
      if (standing !== undefined) return ready(standing, standing.name, true);
      const base = readManifest(blobs, manifest);
      if (base.config.hash !== config) {
        const message = `manifest ${manifest.hash} is of image ${base.config.hash}, not ${config}`;
        throw new ImageError("IMAGE_BASE_UNUSABLE", message);
      }
      const name = config.slice(0, 12);
      const pins = { architecture: options.architecture, packages: [], base };
      const words = { name, debs: [], npms: [], links: [], env: [], user: undefined, base: undefined };
      const spec = imageSpec(words, [], pins);
      return ready(await builder.build(name, spec, new Map(), signal), name, false);
    },

    async export(facts, request, signal) {
      await exportImage(await complete(facts, signal), request, { fs, streams: options.streams, blobs });
    },

    async push(facts, request, signal) {
      const image = await complete(facts, signal);
      const { HOME, DOCKER_CONFIG } = options.environment;
      const configuration = DOCKER_CONFIG ?? (HOME === undefined ? undefined : `${HOME}/.docker`);
      const credentials = configuration === undefined ? undefined : `${configuration}/config.json`;
      const scratch = temporary();
      fs.makeDirectory(scratch, 0o755);
      try {
        const { streams, http } = options;
        const pushing = { fs, streams, blobs, http, scratch, credentials, remembered: `${home}/compressed` };
        return await pushImage(image, request, pushing, signal);
      } finally {
        fs.remove(scratch);
      }
    },

    remove: (facts) => images.remove(facts.configDigest, temporary()),

    collect(keep) {
      const kept = new Set<string>();
      let removed = 0;
      for (const image of images.list()) {
        if (keep.has(image.configDigest)) {
          for (const key of image.packages) kept.add(key);
        } else {
          images.remove(image.configDigest, temporary());
          removed++;
        }
      }
      return removed + images.removePackages(kept, temporary);
    },
  };
}

function megabytes(list: readonly LockedPackage[]): string {
  return (list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6).toFixed(1);
}
