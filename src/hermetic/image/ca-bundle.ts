import type { FileTree } from "../../ports/index.ts";
import type { MergedTree } from "./merged-tree.ts";

const BUNDLE = "etc/ssl/certs/ca-certificates.crt";
const CERTIFICATES = "usr/share/ca-certificates/";

/**
 * The bundle of trusted authorities that update-ca-certificates would have made: every certificate of the package,
 * sorted by place, one after another. `undefined` where there are none, or where the image has a bundle of its own.
 */
export function caBundle(
  fs: FileTree,
  tree: MergedTree,
): { readonly place: string; readonly bytes: Uint8Array } | undefined {
  if (tree.get(BUNDLE) !== undefined) return undefined;
  const pieces: Uint8Array[] = [];
  for (const entry of tree.sorted()) {
    if (entry.kind !== "file" || !entry.place.startsWith(CERTIFICATES) || !entry.place.endsWith(".crt")) continue;
    const text = fs.readFile(entry.from).toString("latin1");
    pieces.push(Buffer.from(text.endsWith("\n") ? text : `${text}\n`, "latin1"));
  }
  return pieces.length === 0 ? undefined : { place: BUNDLE, bytes: Buffer.concat(pieces) };
}
