import type { FileTree } from "../../ports/index.ts";
import type { ListedFile } from "./listing.ts";
import type { StandingPackage } from "./package-store.ts";
import { resolveLexically } from "./place.ts";
import type { LockedPackage } from "./spec.ts";

/** Where npm packages stand, from the image's root; as `npm install --global` has it. */
export const NODE_MODULES = "usr/lib/node_modules";

/**
 * The links in /usr/bin that npm makes for programs of the packages that were asked for by name: the `bin` of each
 * one's package.json. What leads out of the package or is no file of it is left out.
 */
export function npmPrograms(
  fs: FileTree,
  packages: readonly { readonly locked: LockedPackage; readonly standing: StandingPackage }[],
): readonly { readonly place: string; readonly target: string }[] {
  const links: { place: string; target: string }[] = [];
  for (const { locked, standing } of packages) {
    if (locked.kind !== "npm" || locked.asked !== true) continue;
    const home = `${NODE_MODULES}/${locked.directory ?? locked.name}`;
    const files = new Map<string, ListedFile>();
    for (const entry of standing.listing.entries) if (entry.kind === "file") files.set(entry.place, entry);
    const manifest = files.get(`${home}/package.json`);
    if (manifest === undefined) continue;
    for (const [name, path] of programsOf(fs.readFile(`${standing.files}/${manifest.number}`), locked.name)) {
      const place = resolveLexically(home, path);
      if (!place.startsWith(`${home}/`) || !files.has(place)) continue;
      links.push({ place: `usr/bin/${name}`, target: `../lib/${place.slice("usr/lib/".length)}` });
    }
  }
  return links;
}

/** What a package.json names as programs: name and path within the package. */
export function programsOf(bytes: Uint8Array, packageName: string): readonly (readonly [name: string, path: string])[] {
  let bin: unknown;
  try {
    bin = (JSON.parse(Buffer.from(bytes).toString()) as { bin?: unknown }).bin;
  } catch {
    return [];
  }
  const unscoped = packageName.slice(packageName.indexOf("/") + 1);
  const entries = typeof bin === "string" ? [[unscoped, bin] as const] : Object.entries(bin ?? {});
  return entries.flatMap(([name, path]) => {
    const plain = name.slice(name.lastIndexOf("/") + 1);
    return typeof path === "string" && /^[\w.~+-]+$/.test(plain) && plain !== "." && plain !== ".."
      ? [[plain, path] as const]
      : [];
  });
}
