import {
  type CanonicalValue,
  canonicalJson,
  compareUtf8,
  parseCanonicalJson,
  parseSha256,
  type Sha256,
} from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import type { ImageFacts } from "../image.ts";
import type { Layer } from "./layer.ts";
import type { ImageSpec } from "./spec.ts";

/** All that is kept of an image beside its root: enough to export it without building it again. */
export interface StoredImage extends ImageFacts {
  readonly v: 1;
  readonly specDigest: Sha256;
  readonly spec: ImageSpec;
  /** The OCI config, its bytes as text. */
  readonly config: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly cmd?: readonly string[];
  readonly layers: readonly Layer[];
  /** Keys of unpacked packages it was put together from, with those of its base. */
  readonly packages: readonly string[];
}

/** Images that stand: `<home>/<config digest>/{root,image.json}`, and `<home>/specs/<spec digest>` naming one. */
export class ImageStore {
  readonly #fs: FileTree;
  readonly #home: string;

  /** @param home absolute: `<cacheHome>/images`. */
  constructor(fs: FileTree, home: string) {
    this.#fs = fs;
    this.#home = home;
  }

  rootOf(config: Sha256): string {
    return `${this.#home}/${config}/root`;
  }

  /** The image made from this spec if it stands. Its directory was complete before it was visible. */
  bySpec(spec: Sha256): StoredImage | undefined {
    const path = this.#specPath(spec);
    if (this.#fs.stat(path) === undefined) return undefined;
    const config = parseSha256(this.#fs.readFile(path).toString().trim());
    return config === undefined ? undefined : this.byConfig(config);
  }

  byConfig(config: Sha256): StoredImage | undefined {
    const path = `${this.#home}/${config}/image.json`;
    if (this.#fs.stat(path)?.kind !== "file" || this.#fs.lstat(this.rootOf(config))?.kind !== "directory")
      return undefined;
    try {
      const image = parseCanonicalJson(this.#fs.readFile(path)) as unknown as StoredImage;
      return image.v === 1 && image.configDigest === config ? image : undefined;
    } catch {
      // Facts that cannot be read are none: the image is put together again.
      return undefined;
    }
  }

  /** Makes `directory`, which holds the complete `root`, the image's place; at once, by rename. */
  publish(directory: string, image: StoredImage): void {
    const fs = this.#fs;
    const place = `${this.#home}/${image.configDigest}`;
    fs.writeFile(`${directory}/image.json`, canonicalJson(image as unknown as CanonicalValue), { mode: 0o644 });
    fs.makeDirectory(`${this.#home}/specs`, 0o755);
    // Recipes run as somebody else and must reach the root, whatever the umask was.
    fs.setMode(this.#home, 0o755);
    // Another spec may have made the very same image, and so may another process.
    if (this.byConfig(image.configDigest) === undefined) {
      if (fs.lstat(place) !== undefined) fs.rename(place, `${directory}/replaced`);
      fs.rename(directory, place);
      fs.remove(`${place}/replaced`);
    }
    fs.replaceFile(this.#specPath(image.specDigest), `${image.configDigest}\n`, { mode: 0o644 });
  }

  list(): readonly StoredImage[] {
    const images: StoredImage[] = [];
    for (const name of this.#names(this.#home)) {
      const config = parseSha256(name);
      const image = config && this.byConfig(config);
      if (image !== undefined) images.push(image);
    }
    return images.sort((a, b) => compareUtf8(a.name, b.name) || compareUtf8(a.configDigest, b.configDigest));
  }

  /** @param aside a new absolute name: the image disappears at once, its files then one by one. */
  remove(config: Sha256, aside: string): void {
    const place = `${this.#home}/${config}`;
    if (this.#fs.lstat(place) === undefined) return;
    this.#fs.rename(place, aside);
    this.#fs.remove(aside);
  }

  /** Removes unpacked packages that are not named; answers how many. */
  removePackages(keep: ReadonlySet<string>, temporary: () => string): number {
    let removed = 0;
    for (const key of this.#names(`${this.#home}/packages`)) {
      if (keep.has(key)) continue;
      const aside = temporary();
      this.#fs.rename(`${this.#home}/packages/${key}`, aside);
      this.#fs.remove(aside);
      removed++;
    }
    return removed;
  }

  #specPath(spec: Sha256): string {
    return `${this.#home}/specs/${spec}`;
  }

  #names(directory: string): readonly string[] {
    if (this.#fs.stat(directory)?.kind !== "directory") return [];
    return this.#fs.readDirectory(directory).map(({ name }) => name);
  }
}
