import { sha256 } from "../../base/index.ts";
import type { DecompressionTools } from "../decompression.ts";
import { ImageError } from "../image-error.ts";
import { readTar } from "../tar-reader.ts";

/** The three parts of a binary package, as they stand in its `ar` archive. @see deb(5) */
export interface DebFile {
  /** `control.tar`, compressed. */
  readonly control: Uint8Array;
  /** `data.tar`, compressed. */
  readonly data: Uint8Array;
}

/** What the package says about itself, and the scripts that an installation would run. */
export interface DebControl {
  readonly fields: ReadonlyMap<string, string>;
  /** `preinst`, `postinst`, `prerm`, `postrm`, `config`, `triggers`, sorted. They are read, never run. */
  readonly scripts: readonly { readonly name: string; readonly sha256: string; readonly text: string }[];
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;
const CONTROL_LIMIT_BYTES = 16 * 1024 * 1024;
const SCRIPTS = new Set(["config", "postinst", "postrm", "preinst", "prerm", "triggers"]);

/** @throws {ImageError} `IMAGE_ARCHIVE_REFUSED` for anything that is no Debian binary package of format 2. */
export function readDebFile(bytes: Uint8Array): DebFile {
  const text = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString("latin1");
  if (text(0, MAGIC.length) !== MAGIC) throw refused("it does not begin like an ar archive");
  const members = new Map<string, Uint8Array>();
  for (let at = MAGIC.length; at < bytes.length; ) {
    const header = text(at, at + HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.slice(58) !== "`\n") throw refused(`no ar header at byte ${at}`);
    const name = header.slice(0, 16).trim().replace(/\/$/, "");
    const size = header.slice(48, 58).trim();
    const start = at + HEADER_BYTES;
    const end = start + Number(size);
    if (!/^\d+$/.test(size) || end > bytes.length) throw refused(`member ${JSON.stringify(name)} is cut short`);
    if (members.has(name)) throw refused(`member ${JSON.stringify(name)} stands twice`);
    members.set(name, bytes.subarray(start, end));
    at = end + (end % 2);
  }
  const format = Buffer.from(members.get("debian-binary") ?? [])
    .toString("latin1")
    .trim();
  if (!/^2\.\d+$/.test(format)) throw refused(`its format is ${JSON.stringify(format)}, expected "2.0"`);
  return { control: onlyMember(members, "control.tar"), data: onlyMember(members, "data.tar") };
}

export async function readControl(deb: DebFile, tools: DecompressionTools, signal: AbortSignal): Promise<DebControl> {
  const files = new Map<string, Buffer>();
  let total = 0;
  const isArchive = await readTar(
    deb.control,
    tools,
    (entry) => {
      total += entry.sizeBytes;
      if (total > CONTROL_LIMIT_BYTES) throw refused(`its control archive has more than ${CONTROL_LIMIT_BYTES} bytes`);
      const chunks: Uint8Array[] = [];
      const name = entry.path.replace(/^\.\//, "");
      return {
        take: (chunk) => chunks.push(chunk),
        end: () => {
          if (entry.type === "file") files.set(name, Buffer.concat(chunks));
        },
      };
    },
    signal,
  );
  const control = files.get("control");
  if (!isArchive || control === undefined) throw refused("its control archive holds no control file");
  const scripts = [...files.keys()]
    .filter((name) => SCRIPTS.has(name))
    .sort()
    .map((name) => {
      const bytes = files.get(name) as Buffer;
      return { name, sha256: sha256(bytes), text: bytes.toString() };
    });
  return { fields: parseFields(control.toString()), scripts };
}

function parseFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.replace(/\n[ \t]+/g, " ").split("\n")) {
    const match = /^([!-9;-~]+):\s*(.*)$/.exec(line);
    if (match !== null) fields.set((match[1] as string).toLowerCase(), (match[2] as string).trim());
  }
  return fields;
}

function onlyMember(members: ReadonlyMap<string, Uint8Array>, stem: string): Uint8Array {
  const names = [...members.keys()].filter((name) => name === stem || name.startsWith(`${stem}.`));
  if (names.length !== 1) throw refused(`it has ${names.length} members named ${stem}, expected 1`);
  return members.get(names[0] as string) as Uint8Array;
}

function refused(problem: string): ImageError {
  return new ImageError("IMAGE_ARCHIVE_REFUSED", `package is no Debian binary package: ${problem}`);
}
