import { createHash } from "node:crypto";
import { compareUtf8, invariant, parseSha256, type Sha256 } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";
import { SourceArchive } from "./apt.ts";
import { readArchive, type Unpacking } from "./archive.ts";
import type { MachineTool } from "./machine-tool.ts";
import { type LockedFile, SourceError, type SourceLock, type SourceRequest } from "./source.ts";
import type { Fetched, SourceKind, SourcePlan } from "./source-kind.ts";
import type { SourceTree } from "./source-tree.ts";

const PACKAGE = /^([a-z0-9][a-z0-9+.-]+)(?:=([0-9][A-Za-z0-9.+:~-]*))?$/;

/** What a `.dsc` says about its package. */
export interface SourceControl {
  readonly format: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, { readonly sha256: Sha256; readonly sizeBytes: number }>;
}

/**
 * Debian source packages: `deb-src "lua5.4"`, `deb-src "lua5.4=5.4.4-3"`.
 *
 * The tree is the upstream archive without its top directory, and `debian/` beside it, as a package of format 3.0
 * (quilt) or a native one unpacks. Debian's patches stand in `debian/patches` and are not applied: what applies
 * them is a step of a build, to be seen in its ledger.
 */
export function debianSource(fs: FileTree, tool: MachineTool, unpacking: Unpacking): SourceKind {
  return {
    plan(request: SourceRequest): SourcePlan {
      const [word, ...others] = request.words;
      const match = PACKAGE.exec(word ?? "");
      if (word === undefined || match === null || others.length > 0) {
        const found = request.words.map((text) => JSON.stringify(text)).join(" ") || "nothing";
        const message = `source ${request.name}: expected one Debian source package, found ${found}`;
        throw new SourceError("SOURCE_MALFORMED", message, { hint: 'write deb-src "name" or deb-src "name=version"' });
      }
      const [, packageName = word, askedVersion] = match;
      return {
        words: request.words,
        what: `debian source package ${word}`,
        remote: true,
        fetch: (locked, scratch, signal) => fetchPackage(packageName, askedVersion, locked, scratch, signal),
        unpack: (_version, files, read, signal) => unpackPackage(files, read, unpacking, signal),
      };
    },
  };

  async function fetchPackage(
    packageName: string,
    askedVersion: string | undefined,
    locked: SourceLock | undefined,
    scratch: string,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const archive = await SourceArchive.open(fs, tool, scratch, signal);
    const version = locked?.version ?? askedVersion;
    const coordinate = version === undefined ? packageName : `${packageName}=${version}`;
    const listed = await archive.files(coordinate, signal);
    if (listed === undefined) throw await absent(archive, packageName, version, locked, signal);
    const files = await archive.download(coordinate, listed, unpacking.limits.fetchedBytes, signal);
    for (const { name, bytes } of files) {
      const expected = listed.find((file) => file.name === name);
      invariant(expected, () => `${name} was fetched without being listed`);
      const found = createHash(expected.algorithm).update(bytes).digest("hex");
      if (found === expected.hash) continue;
      const message = `${name} has ${expected.algorithm} digest ${found}, the archive's index says ${expected.hash}`;
      throw new SourceError("SOURCE_DIGEST_MISMATCH", message);
    }
    const control = parseControl(controlText(files));
    return { version: control.version, files: files.toSorted((a, b) => compareUtf8(a.name, b.name)) };
  }

  async function absent(
    archive: SourceArchive,
    packageName: string,
    version: string | undefined,
    locked: SourceLock | undefined,
    signal: AbortSignal,
  ): Promise<SourceError> {
    const present = version === undefined ? undefined : await archive.files(packageName, signal);
    const newest = present?.map(({ name }) => /^[^_]+_(.*)\.dsc$/.exec(name)?.[1]).find((found) => found !== undefined);
    const has = newest === undefined ? "no version of it" : `${newest}`;
    if (locked === undefined) {
      const asked = version === undefined ? packageName : `${packageName} ${version}`;
      const others = version === undefined ? "" : `; the machine's archives have ${has}`;
      return new SourceError("SOURCE_NOT_FOUND", `apt finds no Debian source package ${asked}${others}`);
    }
    const message = `${packageName} ${version} is pinned in begat.lock and is no longer in the machine's archives, which have ${has}`;
    return new SourceError("SOURCE_VANISHED", message, {
      hint: `remove the entry ${JSON.stringify(locked.name)} from begat.lock to pin what the archives have now, or add an archive that keeps ${version} to apt's sources`,
    });
  }
}

function controlText(files: readonly { readonly name: string; readonly bytes: Uint8Array }[]): string {
  const controls = files.filter(({ name }) => name.endsWith(".dsc"));
  const [control] = controls;
  if (control === undefined || controls.length > 1) {
    throw new SourceError("SOURCE_MALFORMED", `source package has ${controls.length} .dsc files, expected 1`);
  }
  return Buffer.from(control.bytes).toString();
}

/** Reads a `.dsc`, with or without its OpenPGP armour. @see deb-src-control(5), dsc(5) */
export function parseControl(text: string): SourceControl {
  const signed = /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n/.exec(text);
  const start = signed === null ? 0 : signed[0].length;
  const end = text.indexOf("\n-----BEGIN PGP SIGNATURE-----");
  const fields = new Map<string, string>();
  let field = "";
  for (const line of text.slice(start, end < start ? undefined : end).split("\n")) {
    const head = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line);
    if (head !== null) {
      field = (head[1] as string).toLowerCase();
      fields.set(field, head[2] as string);
    } else if (/^[ \t]/.test(line) && field !== "") {
      fields.set(field, `${fields.get(field)}\n${line.trim()}`);
    }
  }
  const files = new Map<string, { sha256: Sha256; sizeBytes: number }>();
  for (const line of (fields.get("checksums-sha256") ?? "").split("\n")) {
    const [hash, size, name] = line.split(/[ \t]+/);
    const parsed = parseSha256(hash);
    if (parsed !== undefined && name !== undefined) files.set(name, { sha256: parsed, sizeBytes: Number(size) });
  }
  const format = fields.get("format")?.trim();
  const version = fields.get("version")?.trim();
  if (format === undefined || version === undefined || files.size === 0) {
    throw new SourceError("SOURCE_MALFORMED", ".dsc lacks Format, Version or Checksums-Sha256");
  }
  return { format, version, files };
}

async function unpackPackage(
  files: readonly LockedFile[],
  read: (file: LockedFile) => Uint8Array,
  unpacking: Unpacking,
  signal: AbortSignal,
): Promise<SourceTree> {
  const control = parseControl(controlText(files.filter((f) => f.name.endsWith(".dsc")).map(withBytes)));
  for (const [name, { sha256: expected }] of control.files) {
    const found = files.find((file) => file.name === name)?.sha256;
    if (found === expected) continue;
    const message = `${name} has digest ${found ?? "(not fetched)"}, the .dsc says ${expected}`;
    throw new SourceError("SOURCE_DIGEST_MISMATCH", message);
  }
  const archives = files.filter((file) => control.files.has(file.name) && /\.tar\.\w+$/.test(file.name));
  const quilt = control.format === "3.0 (quilt)";
  const native = control.format === "3.0 (native)" || (control.format === "1.0" && control.files.size === 1);
  if (!quilt && !native) {
    const message = `Debian source format ${control.format} with its changes in a .diff.gz cannot be unpacked`;
    throw new SourceError("SOURCE_KIND_UNSUPPORTED", control.format === "1.0" ? message : unknown(control.format), {
      hint: "formats 3.0 (quilt), 3.0 (native) and native 1.0 can be",
    });
  }
  if (native) return stripped(exactlyOne(archives, "archive"));

  const tree = await stripped(
    exactlyOne(
      archives.filter((f) => /\.orig\.tar\.\w+$/.test(f.name)),
      "upstream archive",
    ),
  );
  for (const file of archives) {
    const component = /\.orig-([A-Za-z0-9-]+)\.tar\.\w+$/.exec(file.name)?.[1];
    if (component !== undefined) tree.graft([component], await stripped(file));
  }
  const debian = await whole(
    exactlyOne(
      archives.filter((f) => /\.debian\.tar\.\w+$/.test(f.name)),
      "debian archive",
    ),
  );
  const packaging = debian.find(["debian"]);
  if (packaging?.kind !== "directory" || debian.root.children.size !== 1) {
    throw new SourceError("SOURCE_MALFORMED", "debian archive holds something else than debian/");
  }
  // As dpkg-source does: a debian/ that upstream ships gives way to the package's.
  debian.stripTop();
  tree.graft(["debian"], debian);
  return tree;

  function withBytes(file: LockedFile) {
    return { name: file.name, bytes: read(file) };
  }

  async function whole(file: LockedFile): Promise<SourceTree> {
    const unpacked = await readArchive(read(file), unpacking, signal);
    if (unpacked === undefined) throw new SourceError("SOURCE_MALFORMED", `${file.name} is no tar archive`);
    return unpacked;
  }

  async function stripped(file: LockedFile): Promise<SourceTree> {
    const unpacked = await whole(file);
    unpacked.stripTop();
    return unpacked;
  }
}

function unknown(format: string): string {
  return `Debian source format ${JSON.stringify(format)} is not known`;
}

function exactlyOne(files: readonly LockedFile[], what: string): LockedFile {
  const [file, ...others] = files;
  if (file !== undefined && others.length === 0) return file;
  throw new SourceError("SOURCE_MALFORMED", `source package has ${files.length} files that could be its ${what}`);
}
