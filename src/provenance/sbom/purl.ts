/**
 * Where an ingested input is from, in the words of package URLs.
 *
 * @see https://github.com/package-url/purl-spec
 */
export interface PackageName {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

/** As package URLs write a component: everything but unreserved characters and the colon escaped. */
const escaped = (text: string): string => encodeURIComponent(text).replaceAll("%3A", ":");

/**
 * A package by the name that the image's own record gives its file: `.begat/image/deb/gcc_4%3a12.2.0-3_amd64.deb`,
 * `.begat/image/npm/@scope+name@1.0.0`; `undefined` for any other input of an image.
 */
export function imagePackage(path: string): PackageName | undefined {
  const [, kind, file = ""] = /^\.begat\/image\/(?:base\/image\/)*(deb|npm)\/([^/]+)$/.exec(path) ?? [];
  if (kind === "deb") {
    const [, name, version, architecture] = /^([^_]+)_([^_]+)_([^_]+)\.deb$/.exec(file) ?? [];
    if (name === undefined || version === undefined) return undefined;
    return packageName(`deb:${name}:${architecture}`, version.replaceAll("%3a", ":"), name);
  }
  if (kind === "npm") {
    const at = file.lastIndexOf("@");
    const directory = file.slice(0, at).split("+");
    // What one package alone may see stands below it: the last directory, or the last two of a scope.
    const name = directory.slice(directory.at(-2)?.startsWith("@") ? -2 : -1).join("/");
    return packageName(`npm:${name}`, `${name}@${file.slice(at + 1)}`, name);
  }
  return undefined;
}

/**
 * @param uri, version As an `ingest` record has them: `deb:gcc:amd64`, `deb-src:lua5.4`, `npm:esbuild@0.28.2`, `url:...`.
 * @param sha256 Of the one file it consists of; absent where there are several.
 */
export function packageName(uri: string, version: string, label: string, sha256?: string): PackageName {
  const [, kind = "", rest = ""] = /^([a-z-]+):(.*)$/s.exec(uri) ?? [];
  if (kind === "deb" || kind === "deb-src") {
    const [name = label, architecture = "source"] = rest.split(":");
    // Records do not name the distribution; of those that have Debian's package format, versions of Ubuntu's say so.
    const vendor = version.includes("ubuntu") ? "ubuntu" : "debian";
    const arch = kind === "deb-src" ? "source" : architecture;
    return { name, version, purl: `pkg:deb/${vendor}/${escaped(name)}@${escaped(version)}?arch=${escaped(arch)}` };
  }
  if (kind === "npm") {
    // A source's version repeats the name, an image's package has it bare: the name is what stands before the last "@".
    const at = version.lastIndexOf("@");
    const bare = at > 0 ? version.slice(at + 1) : version;
    const name = at > 0 ? version.slice(0, at) : rest.replace(/(.)@[^@]*$/s, "$1");
    return { name, version: bare, purl: `pkg:npm/${name.split("/").map(escaped).join("/")}@${escaped(bare)}` };
  }
  const checksum = sha256 === undefined ? [] : [`checksum=sha256:${sha256}`];
  const from = kind === "url" ? [`download_url=${encodeURIComponent(rest)}`] : [];
  const qualifiers = [...checksum, ...from].join("&");
  return { name: label, version, purl: `pkg:generic/${escaped(label)}${qualifiers === "" ? "" : `?${qualifiers}`}` };
}
