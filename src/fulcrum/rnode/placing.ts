import { BegatError, type Digest, parseSha256, type Sha256 } from "../../base/index.ts";
import type { farm } from "../../protocol/index.ts";
import type { AssignedAction } from "./assigned-action.ts";

/** The action asks for something this rnode does not offer. Nothing was begun. */
export class RefusedError extends BegatError<"RNODE_REFUSED"> {
  constructor(message: string, options: ErrorOptions = {}) {
    super("RNODE_REFUSED", message, options);
  }
}

export interface RnodeImages {
  /** Config digests of the images that stand. */
  standing(): readonly Sha256[];
  /**
   * The root of the image, absolute; made to stand where it does not and `manifest` says what it is made of.
   *
   * @param bring Has blobs of the farm's store in the own one.
   * @throws {RefusedError} It cannot be had.
   */
  root(config: Sha256, manifest: Digest | undefined, bring: BringBlobs, signal: AbortSignal): Promise<string>;
}

export type BringBlobs = (digests: readonly Digest[]) => Promise<unknown>;

export interface PlacingOptions {
  /** Labels it offers; matched exactly. */
  readonly labels: Readonly<Record<string, string>>;
  /** `container-image` of the host's own tools, with these tools named beside the packages. */
  readonly hostImage: (tools: readonly string[]) => string;
  readonly images: RnodeImages;
  /** Whether recipes run in images at all. */
  readonly runsImages: boolean;
}

/** In what an action runs. */
export interface Place {
  /** Absolute; `undefined`: with the host's own tools. */
  readonly root: string | undefined;
  /** As it is signed. */
  readonly image: string;
}

const HOST = "begat-host:";
const IMAGE = "sha256:";

/** Finds where an action is to run, or says why it cannot. Every property is looked at: what is not understood is refused. */
export class Placing {
  readonly options: PlacingOptions;

  constructor(options: PlacingOptions) {
    this.options = options;
  }

  /** Values of `container-image` that need nothing to be fetched. */
  offered(): string[] {
    const { hostImage, images, runsImages } = this.options;
    return [hostImage([]), ...(runsImages ? images.standing().map((digest) => IMAGE + digest) : [])];
  }

  /** @throws {RefusedError} */
  async of(
    action: Pick<AssignedAction, "platform">,
    context: Pick<farm.TravailContext, "image" | "tools"> | undefined,
    bring: BringBlobs,
    signal: AbortSignal,
  ): Promise<Place> {
    const { labels, hostImage, images, runsImages } = this.options;
    let wanted: string | undefined;
    for (const [name, value] of action.platform) {
      if (name === "container-image") wanted = value;
      else if (!Object.hasOwn(labels, name)) {
        const known = ["container-image", ...Object.keys(labels).sort()].join(", ");
        throw new RefusedError(`platform property ${name}=${value} is not known here; known are ${known}`);
      } else if (labels[name] !== value) {
        throw new RefusedError(`platform property ${name} is ${labels[name]} here, not ${value}`);
      }
    }
    if (wanted === undefined) return { root: undefined, image: hostImage([]) };
    if (wanted.startsWith(HOST)) {
      const own = hostImage(context?.tools ?? []);
      if (own === wanted) return { root: undefined, image: own };
      const tools = context === undefined || context.tools.length === 0 ? "" : ` with ${context.tools.join(", ")}`;
      throw new RefusedError(`the host's tools${tools} are ${own} here, not ${wanted}`);
    }
    const config = wanted.startsWith(IMAGE) ? parseSha256(wanted.slice(IMAGE.length)) : undefined;
    if (config === undefined) {
      throw new RefusedError(
        `container-image ${JSON.stringify(wanted)} is neither sha256:DIGEST nor ${HOST}sha256:DIGEST`,
      );
    }
    if (!runsImages) throw new RefusedError("recipes cannot run in images here");
    const manifest = context?.image;
    const hash = parseSha256(manifest?.hash);
    const known = hash === undefined || manifest === undefined ? undefined : { hash, sizeBytes: manifest.sizeBytes };
    return { root: await images.root(config, known, bring, signal), image: wanted };
  }
}
