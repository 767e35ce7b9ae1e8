import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { pack } from "tar-stream";
import { onTestFinished } from "vitest";
import { FileBlobStore } from "../../src/cache/index.ts";
import { createSourceProvider, type SourceProvider, type SourceProviderOptions } from "../../src/hermetic/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeFileTree,
  NodeProcessRunner,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import type { Fetcher, ProcessOutcome, ProcessRunner, ProcessSpec } from "../../src/ports/index.ts";
import { FetchError, ProcessError } from "../../src/ports/index.ts";
import { encodeTree } from "../../src/protocol/index.ts";
import { fastPlace } from "../support/scratch-directory.ts";

/** A checkout and a cache of its own, with a scripted network and scripted programs. */
export interface SourceWorkspace {
  readonly root: string;
  readonly fs: NodeFileTree;
  readonly blobs: FileBlobStore;
  /** The same blobs, none of them verified yet, as a new process finds them. */
  freshBlobs(): FileBlobStore;
  /** Addresses and what they give; every request is kept in `asked`. */
  readonly network: Map<string, Uint8Array>;
  readonly asked: string[];
  readonly programs: FakePrograms;
  provider(changes?: Partial<SourceProviderOptions>): SourceProvider;
}

export function sourceWorkspace(): SourceWorkspace {
  const base = mkdtempSync(`${fastPlace()}/begat-hermetic-`);
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const root = `${base}/checkout`;
  mkdirSync(root);
  const fs = new NodeFileTree();
  const freshBlobs = () =>
    new FileBlobStore({
      fs,
      bulk: new NodeBulkFiles(),
      processes: new NodeProcessTable(),
      random: new KernelRandom(),
      cacheHome: `${base}/cache`,
    });
  const blobs = freshBlobs();
  const network = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const fetcher: Fetcher = {
    async fetch(url, limitBytes) {
      asked.push(url);
      const bytes = network.get(url);
      if (bytes === undefined) throw new FetchError("FETCH_FAILED", `${url} answered 404`);
      if (bytes.length > limitBytes) throw new FetchError("FETCH_TOO_LARGE", `${url} is large`);
      return bytes;
    },
  };
  const programs = new FakePrograms();
  const provider = (changes: Partial<SourceProviderOptions> = {}) =>
    createSourceProvider({
      fs,
      fetcher,
      blobs,
      runner: programs,
      workspace: root,
      encodeTree,
      environment: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "" },
      ...changes,
    });
  return { root, fs, blobs, freshBlobs, network, asked, programs, provider };
}

export type Program = (spec: ProcessSpec) => { exitCode?: number; stdout?: string; stderr?: string };

/** Programs by name, scripted; the decompressors are the machine's own. */
export class FakePrograms implements ProcessRunner {
  readonly scripted = new Map<string, Program>();
  readonly calls: (readonly string[])[] = [];
  readonly #real = new NodeProcessRunner();

  async run(spec: ProcessSpec, signal?: AbortSignal): Promise<ProcessOutcome> {
    this.calls.push(spec.argv);
    const [name] = spec.argv;
    if (["xz", "bzip2", "zstd"].includes(name) && !this.scripted.has(name)) return this.#real.run(spec, signal);
    const program = this.scripted.get(name);
    if (program === undefined) throw new ProcessError("PROCESS_NOT_STARTED", `cannot start ${name}`);
    const { exitCode = 0, stdout = "", stderr = "" } = program(spec);
    if (stdout !== "") spec.onOutput?.("stdout", Buffer.from(stdout));
    return {
      exitCode,
      signal: undefined,
      timedOut: false,
      stdout: Buffer.from(stdout),
      stderr: Buffer.from(stderr),
      stdoutBytes: Buffer.byteLength(stdout),
      stderrBytes: Buffer.byteLength(stderr),
      durationMs: 1,
    };
  }
}

export type Entry = readonly [
  name: string,
  body: string | Uint8Array | { link: string } | { hard: string } | { type: "directory" | "fifo" | "character-device" },
  mode?: number,
];

/** A tar archive of these entries, in this order. */
export async function tarOf(...entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, body, mode = 0o644] of entries) {
    const header = { name, mode, mtime: new Date(0) };
    if (typeof body === "string" || body instanceof Uint8Array) archive.entry(header, body);
    else if ("link" in body) archive.entry({ ...header, type: "symlink", linkname: body.link });
    else if ("hard" in body) archive.entry({ ...header, type: "link", linkname: body.hard });
    else archive.entry({ ...header, type: body.type });
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

export const never = new AbortController().signal;
