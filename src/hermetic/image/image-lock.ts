import { compareUtf8, type Sha256 } from "../../base/index.ts";
import { hash, items, members, optionalMember, size, text } from "../lock-shape.ts";
import { type LockNode, lockMalformed } from "../lock-text.ts";
import type { LockedPackage } from "./spec.ts";

/** A package index that the pins of an image were chosen from. */
export interface LockedArchive {
  readonly origin: string;
  readonly codename: string;
  readonly component: string;
  /** When the suite was published; empty where it does not say. */
  readonly date: string;
  /** Of the signed Release file. */
  readonly release: Sha256 | undefined;
  readonly packages: Sha256;
}

/** What `begat.lock` pins an image's packages to. Neither mirrors nor registries are in it. */
export interface ImageLock {
  /** As asked for, sorted; an entry answers only to the very same words. */
  readonly deb: readonly string[];
  readonly npm: readonly string[];
  /** Debian's word, `amd64`; empty for an image without Debian packages. */
  readonly architecture: string;
  readonly archives: readonly LockedArchive[];
  readonly packages: readonly LockedPackage[];
}

/** The pins of a workspace's images, by image name. */
export type ImageLocks = ReadonlyMap<string, ImageLock>;

export function answersImage(
  lock: ImageLock,
  words: { readonly debs: readonly string[]; readonly npms: readonly string[] },
): boolean {
  return isSameList(lock.deb, words.debs) && isSameList(lock.npm, words.npms);
}

/** The entry as JSON, members sorted. */
export function imageLockValue(lock: ImageLock): unknown {
  const ofKind = (kind: LockedPackage["kind"]) =>
    lock.packages
      .filter((one) => one.kind === kind)
      .sort((a, b) => compareUtf8(a.directory ?? a.name, b.directory ?? b.name));
  return {
    architecture: lock.architecture,
    archives: lock.archives.map(({ codename, component, date, origin, packages, release }) => ({
      codename,
      component,
      date,
      origin,
      packages,
      ...(release === undefined ? {} : { release }),
    })),
    asked: { deb: lock.deb, npm: lock.npm },
    deb: ofKind("deb").map(({ architecture, name, sha256, sizeBytes, version }) => ({
      architecture,
      name,
      sha256,
      sizeBytes,
      version,
    })),
    npm: ofKind("npm").map(({ asked, directory, name, sha256, sizeBytes, version }) => ({
      asked: asked === true,
      directory: directory ?? name,
      name,
      sha256,
      sizeBytes,
      version,
    })),
  };
}

/** @throws {SourceError} `LOCK_MALFORMED` with the line. */
export function parseImageLock(name: string, node: LockNode): ImageLock {
  const what = `image ${JSON.stringify(name)}`;
  const member = members(node, what, ["architecture", "archives", "asked", "deb", "npm"]);
  const asked = members(member("asked"), "asked", ["deb", "npm"]);
  const words = (list: LockNode) => items(list, "words").map((word) => text(word, "a word"));
  return {
    deb: words(asked("deb")),
    npm: words(asked("npm")),
    architecture: text(member("architecture"), "an architecture"),
    archives: items(member("archives"), "archives").map(parseArchive),
    packages: [...items(member("deb"), "packages").map(parseDeb), ...items(member("npm"), "packages").map(parseNpm)],
  };
}

function parseArchive(node: LockNode): LockedArchive {
  const member = members(node, "an archive", ["codename", "component", "date", "origin", "packages"], ["release"]);
  const release = optionalMember(node, "release");
  return {
    codename: text(member("codename"), "a code name"),
    component: text(member("component"), "a component"),
    date: text(member("date"), "a date"),
    origin: text(member("origin"), "an origin"),
    packages: hash(member("packages")),
    release: release === undefined ? undefined : hash(release),
  };
}

function parseDeb(node: LockNode): LockedPackage {
  const member = members(node, "a Debian package", ["architecture", "name", "sha256", "sizeBytes", "version"]);
  const name = text(member("name"), "a name");
  const version = text(member("version"), "a version");
  const architecture = text(member("architecture"), "an architecture");
  // They become words of apt's and names of files.
  if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name))
    throw lockMalformed(node.line, `${JSON.stringify(name)} is no package's name`);
  if (!/^[0-9][A-Za-z0-9.+:~-]*$/.test(version))
    throw lockMalformed(node.line, `${JSON.stringify(version)} is no version`);
  if (!/^[a-z0-9-]+$/.test(architecture))
    throw lockMalformed(node.line, `${JSON.stringify(architecture)} is no architecture`);
  return {
    kind: "deb",
    name,
    version,
    architecture,
    sha256: hash(member("sha256")),
    sizeBytes: size(member("sizeBytes")),
  };
}

function parseNpm(node: LockNode): LockedPackage {
  const member = members(node, "an npm package", ["asked", "directory", "name", "sha256", "sizeBytes", "version"]);
  const asked = member("asked");
  if (asked.kind !== "other" || asked.text === "null") throw lockMalformed(asked.line, "expected true or false");
  const directory = text(member("directory"), "a directory");
  const name = text(member("name"), "a name");
  const version = text(member("version"), "a version");
  const isName = (part: string) => /^(@[A-Za-z0-9~][\w.~-]*\/)?[A-Za-z0-9~][\w.~-]*$/.test(part);
  if (!isName(name)) throw lockMalformed(node.line, `${JSON.stringify(name)} is no package's name`);
  if (!/^[\w.+-]+$/.test(version)) throw lockMalformed(node.line, `${JSON.stringify(version)} is no version`);
  if (!directory.split("/node_modules/").every(isName)) {
    throw lockMalformed(node.line, `${JSON.stringify(directory)} is no place below node_modules`);
  }
  return {
    kind: "npm",
    name,
    version,
    architecture: "",
    sha256: hash(member("sha256")),
    sizeBytes: size(member("sizeBytes")),
    directory,
    asked: asked.text === "true",
  };
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
