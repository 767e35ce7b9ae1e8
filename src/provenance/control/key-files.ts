import { createPublicKey } from "node:crypto";
import { explain, type Sha256, sha256 } from "../../base/index.ts";
import type { FileTree } from "../../ports/index.ts";
import { KeyError, keysDirectory, loadSignerAt } from "../keys.ts";
import type { KeyHistory } from "./key-history.ts";

const KEY_FILE = /^((?:root|log|rnode|admin)(?:-[0-9a-f]{12})?)\.(key|pub)$/;

/**
 * What is wrong with the key files of a state home: one that holds no key, a public half that is not that of the private key
 * beside it, or a key that the ledger has never heard of. That one is missing is no fault: a root key is better kept elsewhere.
 */
export function keyFileProblems(files: FileTree, stateHome: string, history: KeyHistory): string[] {
  const directory = keysDirectory(stateHome);
  if (files.lstat(directory) === undefined) return [];
  const problems: string[] = [];
  const ids = new Map<string, Sha256>();
  // `.key` comes before `.pub`, so that the half that is kept secret says which key it should be.
  for (const { name } of [...files.readDirectory(directory)].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [, key = "", half] = KEY_FILE.exec(name) ?? [];
    if (half === undefined) continue;
    const path = `${directory}/${name}`;
    try {
      const id = half === "key" ? loadSignerAt(files, path, "rnode").key : publicKeyId(files.readFile(path));
      const secret = ids.get(key) ?? id;
      if (secret !== id) problems.push(`${path} is not the public half of ${key}.key`);
      else if (history.get(id) === undefined) problems.push(`${path} is a key that the ledger does not know`);
      ids.set(key, secret);
    } catch (error) {
      // Whoever may read a key is no question of what it is.
      if (error instanceof KeyError && error.code === "KEY_EXPOSED") continue;
      problems.push(half === "key" ? explain(error) : `${path} holds no public key`);
    }
  }
  return problems;
}

const publicKeyId = (pem: Uint8Array): Sha256 =>
  sha256(createPublicKey(Buffer.from(pem)).export({ format: "der", type: "spki" }));
