import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { digestOf, sha256 } from "../../src/base/index.ts";
import { FileBlobStore } from "../../src/cache/index.ts";
import {
  createImageProvider,
  type ImageError,
  type ImageFile,
  type ImageProviderOptions,
  type ImageRequest,
  type ImageTree,
  type ReadyImage,
} from "../../src/hermetic/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import type { HttpClient, ProcessSpec } from "../../src/ports/index.ts";
import { fastPlace } from "../support/scratch-directory.ts";
import { type Entry, FakePrograms, tarOf } from "./source-workspace.ts";

export const never = new AbortController().signal;

const AT = { file: "begatfile", line: 3, column: 5 };

/** `image NAME { ... }` as the parser hands it on. */
export function request(
  name: string,
  parts: Readonly<Record<string, readonly string[]>>,
  trees: readonly ImageTree[] = [],
): ImageRequest {
  return { name, parts: Object.entries(parts).map(([kind, words]) => ({ kind, words, at: AT })), trees };
}

export interface FakeDeb {
  readonly name: string;
  readonly version?: string;
  /** Further lines of its stanza: `Depends: libc6`. */
  readonly fields?: readonly string[];
  readonly files?: readonly Entry[];
  /** Scripts of the control archive. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** In place of the archive made from `files`. */
  readonly data?: Uint8Array;
}

/** A Debian package, its parts compressed by gzip, which Debian's tools read as well. */
export async function debOf(deb: FakeDeb): Promise<Buffer> {
  const control = `Package: ${deb.name}\nVersion: ${deb.version ?? "1.0"}\nArchitecture: amd64\n${(deb.fields ?? []).map((line) => `${line}\n`).join("")}`;
  const scripts = Object.entries(deb.scripts ?? {}).map(([name, text]): Entry => [`./${name}`, text, 0o755]);
  const member = (name: string, bytes: Uint8Array) => {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`;
    return [Buffer.from(header, "latin1"), bytes, Buffer.alloc(bytes.length % 2, "\n")];
  };
  return Buffer.concat([
    Buffer.from("!<arch>\n"),
    ...member("debian-binary", Buffer.from("2.0\n")),
    ...member("control.tar.gz", gzipSync(await tarOf(["./control", control], ...scripts))),
    ...member(
      "data.tar.gz",
      deb.data ?? gzipSync(await tarOf(["./", { type: "directory" }, 0o755], ...(deb.files ?? []))),
    ),
  ]);
}

/** A Packages stanza. */
export function stanza(deb: FakeDeb, bytes: Uint8Array = Buffer.from(deb.name)): string {
  const lines = [
    `Package: ${deb.name}`,
    `Version: ${deb.version ?? "1.0"}`,
    "Architecture: amd64",
    "Maintainer: Nobody <nobody@example.org>",
    ...(deb.fields ?? []),
    "Description: a package",
    " of several lines",
    `Size: ${bytes.length}`,
    `SHA256: ${sha256(bytes)}`,
  ];
  return `${lines.join("\n")}\n\n`;
}

/** An archive of binary packages and the machine's apt in front of it, in the shapes apt 2.6 answers in. */
export class FakeBinaryApt {
  /** What the archive has now. */
  readonly packages = new Map<string, { deb: FakeDeb; bytes: Buffer }>();
  /** What the machine's own lists say: they are as old as the last `publish`. */
  #lists = "";
  readonly #place: string;
  /** Bytes given in place of those the index lists. */
  readonly tampered = new Map<string, Buffer>();
  updates = 0;

  constructor(place: string, programs: FakePrograms) {
    this.#place = place;
    mkdirSync(place, { recursive: true });
    programs.scripted.set("apt-config", () => ({ stdout: "ARCH='amd64'\n" }));
    programs.scripted.set("apt-get", (spec) => this.#answer(spec));
    programs.scripted.set("/usr/lib/apt/apt-helper", (spec) => ({
      stdout: readFileSync(spec.argv.at(-1) as string, "utf8"),
    }));
  }

  async add(...debs: readonly FakeDeb[]): Promise<void> {
    for (const deb of debs) this.packages.set(deb.name, { deb, bytes: await debOf(deb) });
    this.publish();
  }

  /** Brings the machine's lists up to the archive. */
  publish(): void {
    this.#lists = this.#index();
    this.#write("lists", this.#lists);
  }

  #index(): string {
    return [...this.packages.values()].map(({ deb, bytes }) => stanza(deb, bytes)).join("");
  }

  #write(directory: string, text: string): void {
    mkdirSync(`${this.#place}/${directory}`, { recursive: true });
    writeFileSync(`${this.#place}/${directory}/x_dists_twelve_main_binary-amd64_Packages`, text);
    const release = `Origin: Fake\nCodename: twelve\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n ${sha256(text)} ${text.length} main/binary-amd64/Packages\n`;
    writeFileSync(`${this.#place}/${directory}/x_dists_twelve_InRelease`, release);
  }

  #answer(spec: ProcessSpec) {
    const { argv } = spec;
    const fresh = argv.some((word) => word.startsWith("Dir::State::lists="));
    const lists = fresh ? "fresh" : "lists";
    if (argv.includes("update")) {
      this.updates++;
      this.#write("fresh", this.#index());
      return {};
    }
    if (argv.includes("indextargets")) {
      const path = `${this.#place}/${lists}/x_dists_twelve_main_binary-amd64_Packages`;
      return { stdout: `Packages|${path}|main|twelve|main/binary-amd64/Packages\n` };
    }
    const known = fresh ? this.#index() : this.#lists;
    const coordinates = argv.slice(argv.indexOf("download") + 1);
    for (const coordinate of coordinates) {
      const [name = "", version = ""] = coordinate.replace(":amd64", "").split("=");
      if (!known.includes(`Package: ${name}\nVersion: ${version}\n`)) {
        return { exitCode: 100, stderr: `E: Version '${version}' for '${name}' was not found\n` };
      }
      const found = this.packages.get(name);
      if (found === undefined || (found.deb.version ?? "1.0") !== version) {
        return { exitCode: 100, stderr: `E: Failed to fetch ${name}: 404  Not Found\n` };
      }
      const bytes = this.tampered.get(name) ?? found.bytes;
      writeFileSync(`${spec.cwd}/${name}_${version.replaceAll(":", "%3a")}_amd64.deb`, bytes);
    }
    return {};
  }
}

export type ImageWorkspace = ReturnType<typeof imageWorkspace>;

/** A workspace, a cache and fakes of apt and npm around an image provider. */
export function imageWorkspace() {
  const base = mkdtempSync(join(fastPlace(), "begat-images-"));
  const root = `${base}/workspace`;
  mkdirSync(root);
  const fs = new NodeFileTree();
  const bulk = new NodeBulkFiles();
  const programs = new FakePrograms();
  const apt = new FakeBinaryApt(`${base}/apt`, programs);
  const blobsOf = (cacheHome: string) =>
    new FileBlobStore({ fs, bulk, processes: new NodeProcessTable(), random: new KernelRandom(), cacheHome });
  const noHttp: HttpClient = {
    async send(asked) {
      throw new Error(`nobody may ask for ${asked.url} here`);
    },
  };
  const providerIn = (cacheHome: string, changes: Partial<ImageProviderOptions> = {}) => {
    mkdirSync(cacheHome, { recursive: true });
    return createImageProvider({
      fs,
      streams: new NodeFileStreams(),
      http: noHttp,
      blobs: blobsOf(cacheHome),
      bulk,
      runner: programs,
      processes: new NodeProcessTable(),
      random: new KernelRandom(),
      workspace: root,
      cacheHome,
      environment: { PATH: process.env.PATH ?? "", HOME: base },
      architecture: "amd64",
      ...changes,
    });
  };
  const cacheHome = `${base}/cache`;
  const provider = (changes: Partial<ImageProviderOptions> = {}) => providerIn(cacheHome, changes);
  return { base, root, cacheHome, fs, bulk, programs, apt, provider, providerIn, blobs: () => blobsOf(cacheHome) };
}

/** A file of the workspace as the engine hands it to an image. */
export function fileIn(workspace: ImageWorkspace, place: string, text: string, executable = false): ImageFile {
  const file = `${workspace.root}/${createHash("sha1").update(place).digest("hex")}`;
  writeFileSync(file, text);
  return { place, digest: digestOf(text), executable, from: { file } };
}

export const treeOf = (...files: readonly ImageFile[]): ImageTree => ({ files, links: [], directories: [] });

export const SHELL: FakeDeb = {
  name: "dash",
  version: "0.5-1",
  files: [["./bin/dash", "#!dash", 0o755]],
  fields: ["Depends: libc6 (>= 2)"],
};
export const LIBC: FakeDeb = {
  name: "libc6",
  version: "2:2.36-9",
  files: [
    ["./lib/x86_64-linux-gnu/libc.so.6", "libc", 0o755],
    ["./lib64/ld.so", { link: "/lib/x86_64-linux-gnu/ld.so" }],
  ],
  scripts: { postinst: "update-alternatives --install /usr/bin/sh2 sh2 /bin/dash 1\n" },
};

/** Resolves and builds an image, or, below others, the first. */
export async function make(
  workspace: ImageWorkspace,
  image: ImageRequest,
  options: {
    files?: readonly ImageFile[];
    cacheHome?: string;
    others?: readonly ImageRequest[];
    offline?: boolean;
  } = {},
): Promise<ReadyImage> {
  const { cacheHome = workspace.cacheHome, offline = false } = options;
  const provider = workspace.providerIn(cacheHome, { offline });
  const requests = [image, ...(options.others ?? [])];
  const [resolved] = await provider.resolve(requests, {}, never);
  const files = options.files ?? requests.flatMap(({ trees }) => trees.flatMap((tree) => tree.files));
  return provider.build(resolved!, files, never);
}

export function failureOf(promise: Promise<unknown>): Promise<ImageError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as ImageError,
  );
}
