import { type Digest, sha256 } from "../../base/index.ts";
import type { ActionResults } from "../../fulcrum/index.ts";
import { type FileTree, FileTreeError } from "../../ports/index.ts";
import { reapi } from "../../protocol/index.ts";

/**
 * The farm's action cache as files, `INSTANCE/ab/cdef...`, each an encoded ActionResult with the travail in it. Every client
 * verifies what it is given, so nothing has to be believed of these files.
 */
export function storedResults(files: FileTree, directory: string): ActionResults {
  const folderOf = (instance: string, { hash }: Digest) =>
    `${directory}/${sha256(instance).slice(0, 16)}/${hash.slice(0, 2)}`;
  const made = new Set<string>();
  return {
    async get(instance, action) {
      try {
        const bytes = files.readFile(`${folderOf(instance, action)}/${action.hash.slice(2)}`);
        return reapi.ActionResult.decode(bytes);
      } catch (error) {
        if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return undefined;
        // Cut short by a power failure: it is executed again, and written anew.
        if (!(error instanceof FileTreeError)) return undefined;
        throw error;
      }
    },
    async put(instance, action, result) {
      const folder = folderOf(instance, action);
      if (!made.has(folder)) files.makeDirectory(folder, 0o700);
      made.add(folder);
      files.replaceFile(`${folder}/${action.hash.slice(2)}`, reapi.ActionResult.encode(result).finish(), {
        mode: 0o600,
      });
    },
  };
}
