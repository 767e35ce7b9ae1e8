import type { Digest, Sha256 } from "../base/index.ts";
import type { GapReport, PushResult } from "../hermetic/index.ts";
import type { WorkspaceOptions } from "./services.ts";

/** An image that stands in the cache, as the verbs show it. */
export interface ImageView {
  readonly name: string;
  /** Config digest: the image's identity. */
  readonly digest: Sha256;
  readonly sizeBytes: number;
  /** Absolute; its root file system. */
  readonly root: string;
  readonly from: {
    /** With those of the images it stands on. */
    readonly debianPackages: number;
    readonly npmPackages: number;
    /** Files put in by begatfiles. */
    readonly files: number;
    /** Manifest digest of the ready image below it all. */
    readonly oci: string | undefined;
  };
  readonly gaps: GapReport;
}

/** A declared image, and what the last build of it gave. */
export interface DeclaredImage {
  readonly name: string;
  /** `begatfile:14:1`. */
  readonly at: string;
  /** `undefined`: not built yet, or its root is gone. */
  readonly image: ImageView | undefined;
}

export interface ImageLockRequest extends WorkspaceOptions {
  /** Those and the images they stand on; empty means all that are declared. */
  readonly names: readonly string[];
  /** Resolve anew what is pinned already. */
  readonly update: boolean;
  readonly offline: boolean;
}

export interface PackageChange {
  /** As the begatfile names it: `deb gcc`, `npm esbuild`. */
  readonly name: string;
  /** Version; `undefined`: it was not pinned. */
  readonly from: string | undefined;
  /** `undefined`: it is no longer. */
  readonly to: string | undefined;
}

export interface ImageLockReport {
  readonly images: readonly {
    readonly name: string;
    readonly packages: number;
    /** The entry in begat.lock is another than before, if only by the package lists it names. */
    readonly changed: boolean;
    readonly changes: readonly PackageChange[];
  }[];
}

export interface ImageExportRequest extends WorkspaceOptions {
  /** An image's name, or the first digits of its digest. */
  readonly name: string;
  readonly format: "oci" | "docker-archive";
  /** Absolute; must not exist. `undefined`: in the directory, named for the image. */
  readonly to: string | undefined;
  readonly offline: boolean;
}

export interface ImageExportReport {
  readonly image: ImageView;
  readonly path: string;
}

export interface ImagePushRequest extends WorkspaceOptions {
  readonly name: string;
  /** `host[:port]/name[:tag]`. */
  readonly reference: string;
  readonly insecure: boolean;
}

export interface ImagePushReport extends PushResult {
  readonly image: ImageView;
  readonly reference: string;
}

export type FetchListener = (progress: { readonly name: string; readonly what: string }) => void;

/** What `begat image` asks; `Services` has all of it. A name no image has is a `TargetError` with the nearest one. */
export interface ImageServices {
  imageLock(request: ImageLockRequest, onFetching: FetchListener, signal: AbortSignal): Promise<ImageLockReport>;
  /** The images of the begatfiles in order of declaration; `names` picks some. */
  imagesDeclared(options: WorkspaceOptions, names: readonly string[]): Promise<readonly DeclaredImage[]>;
  /** Makes an image stand whose manifest, config and layers are in the blob store; `config` is its identity. */
  imageStand(request: { readonly config: Sha256; readonly manifest: Digest }): Promise<{ readonly root: string }>;
  /** Every image that stands, sorted by name. */
  imageList(): Promise<readonly ImageView[]>;
  imageExport(request: ImageExportRequest, onFetching: FetchListener, signal: AbortSignal): Promise<ImageExportReport>;
  imagePush(request: ImagePushRequest, onFetching: FetchListener, signal: AbortSignal): Promise<ImagePushReport>;
}
