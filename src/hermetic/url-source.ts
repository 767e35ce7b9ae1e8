import { explain, sha256, shortHash } from "../base/index.ts";
import { FetchError, type Fetcher } from "../ports/index.ts";
import { withoutCredentials, withoutSecretsOf } from "./address.ts";
import { readArchive, type Unpacking } from "./archive.ts";
import { type LockedFile, SourceError, type SourceLock, type SourceRequest } from "./source.ts";
import type { Fetched, SourceKind, SourcePlan } from "./source-kind.ts";
import { entrySegments, SourceTree } from "./source-tree.ts";

/**
 * A file at an address: `url "https://example.org/a-1.0.tar.gz"`, `url "file:///srv/a.tar"`. A tar archive, whatever
 * its name, is unpacked, and where it holds one directory alone that directory becomes the root. Anything else stands
 * in the tree as it came, under the last part of its address.
 */
export function urlSource(fetcher: Fetcher, unpacking: Unpacking): SourceKind {
  return {
    plan(request: SourceRequest): SourcePlan {
      const [address = "", ...others] = request.words;
      const url = URL.canParse(address) ? new URL(address) : undefined;
      if (url === undefined || !["https:", "http:", "file:"].includes(url.protocol) || others.length > 0) {
        const shown = request.words.map((word) => JSON.stringify(withoutCredentials(word))).join(" ") || "nothing";
        const message = `source ${request.name}: expected one https, http or file address, found ${shown}`;
        throw new SourceError("SOURCE_MALFORMED", message);
      }
      const shown = withoutCredentials(address);
      const name = fileName(url);
      return {
        words: [shown],
        what: shown,
        remote: url.protocol !== "file:",
        fetch: (locked, _scratch, signal) => fetchAddress(address, shown, name, locked, signal),
        unpack: (_version, files, read, signal) => unpackFile(files, read, signal),
      };
    },
  };

  async function fetchAddress(
    address: string,
    shown: string,
    name: string,
    locked: SourceLock | undefined,
    signal: AbortSignal,
  ): Promise<Fetched> {
    try {
      const bytes = await fetcher.fetch(address, unpacking.limits.fetchedBytes, signal);
      return {
        version: `sha256:${shortHash(sha256(bytes))}`,
        files: [{ name: locked?.files[0]?.name ?? name, bytes }],
      };
    } catch (cause) {
      if (!(cause instanceof FetchError)) throw cause;
      const code = cause.code === "FETCH_TOO_LARGE" ? "SOURCE_TOO_LARGE" : "SOURCE_UNREACHABLE";
      if (shown === address) throw new SourceError(code, `${shown} could not be fetched`, { cause });
      // The cause may name the address as it was asked for, so of it only clean text is kept.
      throw new SourceError(code, `${shown} could not be fetched: ${withoutSecretsOf(address, explain(cause))}`);
    }
  }

  async function unpackFile(
    files: readonly LockedFile[],
    read: (file: LockedFile) => Uint8Array,
    signal: AbortSignal,
  ): Promise<SourceTree> {
    const [file] = files;
    if (file === undefined) throw new SourceError("SOURCE_MALFORMED", "an address gave no file");
    const bytes = read(file);
    const unpacked = await readArchive(bytes, unpacking, signal);
    if (unpacked !== undefined) {
      unpacked.stripTop();
      return unpacked;
    }
    const tree = new SourceTree(unpacking.limits);
    tree.reserve(bytes.length, file.name);
    const digest = { hash: file.sha256, sizeBytes: file.sizeBytes };
    tree.addLeaf(entrySegments(file.name), { kind: "file", digest, executable: false }, file.name);
    return tree;
  }
}

/** The last part of the address's path, decoded; `download` where it has none that could name a file. */
function fileName(url: URL): string {
  const last = url.pathname.split("/").at(-1) ?? "";
  try {
    const name = decodeURIComponent(last);
    return /^[^/\u0000-\u001f\u007f]{1,200}$/.test(name) && !name.startsWith(".") ? name : "download";
  } catch {
    return "download";
  }
}
