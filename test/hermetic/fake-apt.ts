import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { sha256 } from "../../src/base/index.ts";
import type { ProcessSpec } from "../../src/ports/index.ts";
import type { SourceWorkspace } from "./source-workspace.ts";

/** A source package in the archive, its files by name. */
export interface FakePackage {
  readonly name: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** An archive and the machine's apt in front of it: answers in the shapes apt 2.6 gives. */
export class FakeApt {
  readonly packages: FakePackage[] = [];
  /** What `update` says when it fails. */
  updateProblem: string | undefined;
  /** Source lists as apt was told to read them, by file name. */
  readonly sourceLists = new Map<string, string>();
  /** Bytes given in place of those the index lists. */
  readonly tampered = new Map<string, Uint8Array>();
  readonly #etc: string;

  constructor(workspace: SourceWorkspace, lists: Readonly<Record<string, string>> = {}) {
    this.#etc = `${workspace.root}/../etc-apt`;
    mkdirSync(`${this.#etc}/sources.list.d`, { recursive: true });
    for (const [name, text] of Object.entries(lists)) writeFileSync(`${this.#etc}/${name}`, text);
    workspace.programs.scripted.set("apt-config", () => ({
      stdout: `LIST='${this.#etc}/sources.list'\nPARTS='${this.#etc}/sources.list.d/'\n`,
    }));
    workspace.programs.scripted.set("apt-get", (spec) => this.#answer(spec));
  }

  #answer(spec: ProcessSpec) {
    const parts = spec.argv.find((word) => word.startsWith("Dir::Etc::sourceparts="))?.split("=")[1] ?? "";
    if (spec.argv.includes("update")) {
      for (const name of readdirSync(parts)) this.sourceLists.set(name, readFileSync(`${parts}/${name}`, "utf8"));
      return this.updateProblem === undefined ? {} : { exitCode: 100, stderr: this.updateProblem };
    }
    const coordinate = spec.argv.at(-1) ?? "";
    const [name, version] = coordinate.split("=");
    const found = this.packages
      .filter((known) => known.name === name && (version === undefined || known.version === version))
      .at(-1);
    if (found === undefined) return { exitCode: 100, stderr: `E: Unable to find a source package for ${name}\n` };
    if (spec.argv.includes("--print-uris")) {
      const lines = [...found.files].map(
        ([file, bytes]) => `'http://mirror.example/pool/${file}' ${file} ${bytes.length} SHA256:${sha256(bytes)}\n`,
      );
      return { stdout: `Reading package lists...\nNeed to get some source archives.\n${lines.join("")}` };
    }
    for (const [file, bytes] of found.files) {
      writeFileSync(`${spec.cwd}/${file}`, this.tampered.get(file) ?? bytes);
    }
    return {};
  }
}

/** A package with its `.dsc`, signed or not. */
export function debianPackage(
  name: string,
  version: string,
  format: string,
  archives: Readonly<Record<string, Uint8Array>>,
  signed = true,
): FakePackage {
  const sums = Object.entries(archives).map(([file, bytes]) => ` ${sha256(bytes)} ${bytes.length} ${file}\n`);
  const body = `Format: ${format}\nSource: ${name}\nVersion: ${version}\nChecksums-Sha256:\n${sums.join("")}Files:\n 00 1 x\n`;
  const armour = ["-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n", "\n-----BEGIN PGP SIGNATURE-----\n\niQI\n"];
  const text = signed ? armour.join(body) : body;
  const files = new Map([[`${name}_${version}.dsc`, Buffer.from(text)], ...Object.entries(archives)]);
  return { name, version, files };
}
