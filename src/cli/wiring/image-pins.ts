import type { FileTree } from "../../ports/index.ts";
import type { ImageLockReport, PackageChange } from "../image-services.ts";

/** Version by `deb NAME` or `npm DIRECTORY`, and the entry's whole text. */
interface Pins {
  readonly versions: ReadonlyMap<string, string>;
  readonly text: string;
}

interface LockEntry {
  readonly deb: readonly { readonly name: string; readonly version: string }[];
  readonly npm: readonly { readonly directory: string; readonly version: string }[];
}

/**
 * What begat.lock pins each image's packages to; nothing of a file that cannot be read, which whoever resolves says.
 *
 * @see docs/formats.md, "Sources and begat.lock"
 */
export function pinsOf(fs: FileTree, path: string): ReadonlyMap<string, Pins> {
  const pins = new Map<string, Pins>();
  if (fs.stat(path)?.kind !== "file") return pins;
  let images: Readonly<Record<string, LockEntry>>;
  try {
    images = (JSON.parse(fs.readFile(path).toString()) as { images?: Record<string, LockEntry> }).images ?? {};
  } catch {
    return pins;
  }
  for (const [name, entry] of Object.entries(images)) {
    const { deb = [], npm = [] } = entry;
    const versions = new Map([
      ...deb.map((one) => [`deb ${one.name}`, one.version] as const),
      ...npm.map((one) => [`npm ${one.directory}`, one.version] as const),
    ]);
    pins.set(name, { versions, text: JSON.stringify(entry) });
  }
  return pins;
}

/** How an image's pins are another than before; packages by name. */
export function pinChanges(
  name: string,
  before: Pins | undefined,
  after: Pins | undefined,
): ImageLockReport["images"][number] {
  const was = before?.versions ?? new Map<string, string>();
  const is = after?.versions ?? new Map<string, string>();
  const changes = [...new Set([...was.keys(), ...is.keys()])]
    .sort()
    .map((one): PackageChange => ({ name: one, from: was.get(one), to: is.get(one) }))
    .filter(({ from, to }) => from !== to);
  return { name, packages: is.size, changed: before?.text !== after?.text, changes };
}
