import type { Digest } from "../../base/index.ts";
import type { BlobStore, BulkFiles } from "../../cache/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { resolveClosure } from "../debian/closure.ts";
import { type MachineIndex, MachinePackages } from "../debian/machine-packages.ts";
import { ImageError } from "../image-error.ts";
import type { MachineTool } from "../machine-tool.ts";
import type { LockedArchive } from "./image-lock.ts";
import { blobOf, type LockedPackage } from "./spec.ts";

export interface DebPinsOptions {
  readonly fs: FileTree;
  readonly blobs: BlobStore;
  readonly bulk: BulkFiles;
  readonly tool: MachineTool;
  /** A new absolute name for a directory. */
  temporary(): string;
}

export interface ResolvedDebs {
  readonly architecture: string;
  readonly archives: readonly LockedArchive[];
  readonly packages: readonly LockedPackage[];
}

/** Debian packages of one run: the machine's lists are read at most twice, as they are and fresh. */
export class DebPins {
  readonly #options: DebPinsOptions;
  #machine: MachinePackages | undefined;
  #index: MachineIndex | undefined;
  #home: string | undefined;

  constructor(options: DebPinsOptions) {
    this.#options = options;
  }

  /** Removes what was fetched of lists. */
  close(): void {
    if (this.#home !== undefined) this.#options.fs.remove(this.#home);
    this.#home = undefined;
    this.#machine = undefined;
    this.#index = undefined;
  }

  async resolve(words: readonly string[], fresh: boolean, signal: AbortSignal): Promise<ResolvedDebs> {
    const found = await this.#read(fresh, signal);
    const packages = resolveClosure(found.index, words).map(
      ({ name, version, architecture, sha256, sizeBytes }): LockedPackage => ({
        kind: "deb",
        name,
        version,
        architecture,
        sha256,
        sizeBytes,
      }),
    );
    return { architecture: found.architecture, archives: found.archives, packages };
  }

  /**
   * Brings the pinned packages into the store: by the machine's lists, and where these no longer know a version, by
   * fresh ones. A file is kept only if it is one of the pinned.
   *
   * @throws {ImageError} `IMAGE_PACKAGE_VANISHED` naming all that are gone, `IMAGE_UNREACHABLE`.
   */
  async fetch(image: string, pinned: readonly LockedPackage[], signal: AbortSignal): Promise<void> {
    const { blobs } = this.#options;
    let missing = pinned;
    const rounds = this.#machine?.isFresh === true ? [true] : [false, true];
    let problem = "";
    for (const fresh of rounds) {
      const machine = await this.#open(fresh, signal);
      problem = await this.#download(machine, missing, signal);
      missing = missing.filter((one) => !blobs.has(blobOf(one)));
      if (missing.length === 0) return;
    }
    const { index } = await this.#read(true, signal);
    const gone = missing.filter(({ name, version }) => index.candidate(name, version) === undefined);
    if (gone.length > 0) throw vanished(image, gone, (name) => index.versions(name)[0]);
    const changed = missing.find(({ name, version, sha256 }) => index.candidate(name, version)?.sha256 !== sha256);
    if (changed !== undefined) {
      const { name, version, sha256 } = changed;
      const now = index.candidate(name, version)?.sha256;
      const message = `image ${image}: ${name} ${version} has digest ${now} in the archive, begat.lock says ${sha256}`;
      throw new ImageError("IMAGE_DIGEST_MISMATCH", message, { hint: updateHint(image) });
    }
    const names = missing.map(({ name, version }) => `${name} ${version}`).join(", ");
    throw new ImageError("IMAGE_UNREACHABLE", `image ${image}: apt could not fetch ${names}: ${problem}`);
  }

  async #download(machine: MachinePackages, missing: readonly LockedPackage[], signal: AbortSignal): Promise<string> {
    const { fs, blobs, bulk } = this.#options;
    const directory = this.#options.temporary();
    fs.makeDirectory(directory, 0o755);
    try {
      // apt refuses all of a list in which it does not know one, so the known ones are told apart first.
      let wanted = missing;
      let { complete, problem } = await machine.download(missing.map(coordinate), directory, signal);
      if (!complete && fs.readDirectory(directory).length === 0) {
        const { index } = await this.#read(machine.isFresh, signal);
        wanted = missing.filter(({ name, version }) => index.candidate(name, version) !== undefined);
        if (wanted.length > 0 && wanted.length < missing.length) {
          ({ complete, problem } = await machine.download(wanted.map(coordinate), directory, signal));
        }
      }
      const pinned = new Map<string, Digest>(missing.map((one) => [one.sha256, blobOf(one)]));
      for (const { name, kind } of fs.readDirectory(directory)) {
        if (kind !== "file" || !name.endsWith(".deb")) continue;
        const path = `${directory}/${name}`;
        const found = await bulk.hash(path);
        // Nothing enters the store that the lock does not agree to.
        if (pinned.get(found.hash)?.sizeBytes === found.sizeBytes) await blobs.ingest(path, { take: true });
      }
      return problem;
    } finally {
      fs.remove(directory);
    }
  }

  async #read(fresh: boolean, signal: AbortSignal): Promise<MachineIndex> {
    const machine = await this.#open(fresh, signal);
    this.#index ??= await machine.read(signal);
    return this.#index;
  }

  async #open(fresh: boolean, signal: AbortSignal): Promise<MachinePackages> {
    const { fs, tool } = this.#options;
    if (this.#machine === undefined) {
      this.#home = this.#options.temporary();
      fs.makeDirectory(this.#home, 0o755);
      this.#machine = new MachinePackages(fs, tool, this.#home);
    }
    if (fresh && !this.#machine.isFresh) {
      await this.#machine.refresh(signal);
      this.#index = undefined;
    }
    return this.#machine;
  }
}

function coordinate({ name, version, architecture }: LockedPackage): string {
  return architecture === "all" ? `${name}=${version}` : `${name}:${architecture}=${version}`;
}

function vanished(
  image: string,
  gone: readonly LockedPackage[],
  newest: (name: string) => string | undefined,
): ImageError {
  const shown = gone.slice(0, 5).map(({ name, version }) => {
    const now = newest(name);
    return `${name} ${version} (${now === undefined ? "no version is left" : `${now} is there`})`;
  });
  const more = gone.length > 5 ? ` and ${gone.length - 5} more` : "";
  const message = `image ${image}: pinned in begat.lock and no longer in the machine's archives: ${shown.join(", ")}${more}`;
  return new ImageError("IMAGE_PACKAGE_VANISHED", message, { hint: updateHint(image) });
}

export function updateHint(image: string): string {
  return `begat image lock --update ${image} pins what there is now`;
}
