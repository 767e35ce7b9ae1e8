import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { reapi } from "../../protocol/index.ts";
import { decodeAs, directoriesBelow } from "./directory-walk.ts";
import { digestFrom } from "./request-checks.ts";

/**
 * Blobs that `result` rests on and the store has not: outputs, streams, trees and what stands in the trees. Those that
 * are there count as used now. Clients that download little find out too late otherwise.
 */
export function missingOfResult(blobs: Pick<BlobStore, "has" | "read">, result: reapi.ActionResult): Digest[] {
  const missing = new Map<string, Digest>();
  const need = (wire: reapi.Digest | undefined, what: string): Digest | undefined => {
    const digest = digestFrom(wire, what);
    if (blobs.has(digest)) return digest;
    missing.set(digest.hash, digest);
    return undefined;
  };
  const needFiles = (directory: reapi.Directory): void => {
    for (const { name, digest } of directory.files) need(digest, `output ${JSON.stringify(name)}`);
  };
  for (const { path, digest } of result.outputFiles) need(digest, `output ${path}`);
  if (result.stdoutDigest !== undefined) need(result.stdoutDigest, "standard output");
  if (result.stderrDigest !== undefined) need(result.stderrDigest, "standard error");
  for (const { path, treeDigest, rootDirectoryDigest } of result.outputDirectories) {
    if (treeDigest !== undefined) {
      const digest = need(treeDigest, `output ${path}`);
      if (digest !== undefined) {
        const { root, children } = decodeAs("Tree", digest, blobs.read(digest), reapi.Tree);
        for (const directory of root === undefined ? children : [root, ...children]) needFiles(directory);
      }
    }
    if (rootDirectoryDigest !== undefined && need(rootDirectoryDigest, `output ${path}`) !== undefined) {
      for (const { directory } of directoriesBelow(blobs, digestFrom(rootDirectoryDigest, `output ${path}`))) {
        needFiles(directory);
        for (const child of directory.directories) need(child.digest, `directory ${JSON.stringify(child.name)}`);
      }
    }
  }
  return [...missing.values()];
}
