import { canonicalJson, counted, type Sha256 } from "../../base/index.ts";
import type { ImageDeclaration } from "../../dictum-parser/index.ts";
import type { InputFile, InputLink } from "../../executor/index.ts";
import {
  createImageProvider,
  type GapReport,
  ImageError,
  type ImagePart,
  type ImageProvider,
  type ImageRequest,
  type ImageTree,
  type LockedPackage,
  reportValue,
  specDigest,
  specInputs,
} from "../../hermetic/index.ts";
import { NodeFileStreams, NodeHttpClient } from "../../platform/index.ts";
import type { IngestBody } from "../../provenance/index.ts";
import { type ImageContent, type ImageSpec, type Images, imageChain, parseFileWord } from "../../scheduler/index.ts";
import type { Machine, Workspace } from "./machine.ts";

/** Node's words for this machine's processor, in OCI's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64", arm: "arm", ia32: "386" };

export function imageProvider(
  machine: Machine,
  workspace: Workspace,
  blobs: ReturnType<Machine["blobs"]>,
  options: { readonly offline: boolean; readonly onFetching: (progress: { name: string; what: string }) => void },
): ImageProvider {
  return createImageProvider({
    fs: machine.fs,
    streams: new NodeFileStreams(),
    http: new NodeHttpClient(),
    blobs,
    bulk: machine.bulk,
    runner: machine.runner,
    processes: machine.processes,
    random: machine.random,
    workspace: workspace.root,
    cacheHome: machine.directories.cacheHome,
    environment: machine.environment,
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    offline: options.offline,
    onFetching: options.onFetching,
  });
}

/** An image and its bases as a spec's text has them, bases first. */
interface ChainLink {
  readonly name: string;
  readonly parts: readonly { readonly kind: string; readonly words: readonly string[] }[];
}

const PLACELESS = { file: "begatfile", line: 1, column: 1 };

const requestOf = (
  { name, parts }: ChainLink & { readonly parts: readonly (ImagePart | ChainLink["parts"][number])[] },
  trees: readonly ImageTree[],
): ImageRequest => ({
  name,
  parts: parts.map((part) => ({ at: PLACELESS, ...part })),
  trees,
});

/** hermetic's images for one build. The files they hold are known only once whoever makes them has run. */
export function imagesOf(
  machine: Machine,
  provider: ImageProvider,
  listener: (lockChanged: readonly string[]) => void,
): Images {
  return {
    async resolve(declarations, signal) {
      const resolved = await provider.resolve(
        declarations.map((declaration) => requestOf(declaration, [])),
        {},
        signal,
      );
      const changed = resolved.filter(({ lockChanged }) => lockChanged).map(({ name }) => name);
      if (changed.length > 0) listener(changed);
      const declared = new Map(declarations.map((declaration) => [declaration.name, declaration]));
      return resolved.map(({ name, spec }): ImageSpec => {
        const chain = imageChain(declared.get(name) as ImageDeclaration, declared);
        const links = chain.map((link) => ({
          name: link.name,
          parts: link.parts.map(({ kind, words }) => ({ kind, words: [...words] })),
        }));
        // Files are left to the input root; what packages and bases there are is pinned here.
        const text = canonicalJson({ chain: links, pins: specDigest(spec) });
        return { name, text, pinned: specInputs(spec).map(({ path, digest }) => ({ name: path, digest })) };
      });
    },
    async build(spec, content, signal, onIngested) {
      const { chain } = JSON.parse(spec.text) as { chain: ChainLink[] };
      const requests = chain.map((link) => requestOf(link, treesOf(link, content)));
      const resolved = await provider.resolve(requests, {}, signal);
      const image = resolved[resolved.length - 1];
      if (image === undefined) throw new Error(`image ${spec.name} has no chain`);
      const files = requests.flatMap(({ trees }) => trees).flatMap((tree) => tree.files);
      const fetched = (packages: readonly LockedPackage[]) => {
        for (const one of packages) onIngested(ingestBody(one, machine.who));
      };
      const ready = await provider.build(image, files, signal, fetched).catch((error: unknown) => {
        throw withRemedy(error);
      });
      return {
        digest: ready.configDigest,
        report: canonicalJson(reportValue(ready.report)),
        summary: gapSummary(ready.report),
      };
    },
    root: (digest) => rootOf(machine, digest),
  };
}

/** Of a failed chore only the message is kept, so the remedy has to stand in it. */
function withRemedy(error: unknown): unknown {
  if (!(error instanceof ImageError) || error.hint === undefined) return error;
  return new ImageError(error.code, `${error.message}; ${error.hint}`, { cause: error.cause });
}

/** Complete where it is there at all: it is put in place by a rename. */
function rootOf(machine: Machine, digest: Sha256): string | undefined {
  const root = `${machine.directories.cacheHome}/images/${digest}/root`;
  return machine.fs.stat(root)?.kind === "directory" ? root : undefined;
}

const SHOWN_LINKS = 3;

/** What an image lacks compared with an installed system, counted; the whole report is kept with the travail. */
export function gapSummary({ scripts, dangling, dropped, replaced }: GapReport): string {
  const all = <T>(list: readonly T[], what: (count: number) => string) =>
    list.length === 0 ? [] : [what(list.length)];
  const gaps = [
    ...all(scripts, (n) => `${counted(n, "maintainer script")} not run`),
    ...all(dangling, (n) => `${counted(n, "link leads", "links lead")} nowhere: ${placesOf(dangling)}`),
    ...all(dropped, (n) => `${counted(n, "entry or mode bit", "entries or mode bits")} left out`),
    ...all(replaced, (n) => `${counted(n, "base file")} replaced by packages`),
  ];
  return gaps.length === 0 ? "" : `gaps: ${gaps.join("; ")}\n`;
}

function placesOf(dangling: GapReport["dangling"]): string {
  const places = dangling.slice(0, SHOWN_LINKS).map(({ place }) => place);
  return places.join(", ") + (dangling.length > SHOWN_LINKS ? ", ..." : "");
}

function ingestBody(one: LockedPackage, by: string): IngestBody {
  const coordinate = `${one.kind}:${one.name}${one.architecture === "" ? "" : `:${one.architecture}`}`;
  const file = { p: `${one.name}@${one.version}`, d: one.sha256, n: one.sizeBytes };
  return { kind: "ingest", name: one.name, uri: coordinate, version: one.version, files: [file], by };
}

/** What each `file` word of an image comes down to, from the inputs of its chore. */
function treesOf(link: ChainLink, content: ImageContent): ImageTree[] {
  const words = link.parts.filter(({ kind }) => kind === "file").flatMap((part) => part.words);
  return words.flatMap((text) => {
    const parsed = parseFileWord(text);
    if (!parsed.ok) return [];
    const { place, path, kind } = parsed.word;
    const placeOf = (input: string): string | undefined => {
      if (kind === "file") return input === path ? place : undefined;
      const prefix = path === "" ? "" : `${path}/`;
      return input.startsWith(prefix) ? `${place === "/" ? "" : place}/${input.slice(prefix.length)}` : undefined;
    };
    const placed = <T extends InputFile | InputLink>(list: readonly T[]) =>
      list.flatMap((one) => {
        const at = placeOf(one.path);
        return at === undefined ? [] : [{ one, at }];
      });
    return [
      {
        files: placed(content.files).map(({ one, at }) => ({
          place: at,
          digest: one.digest,
          executable: one.executable,
          from: "file" in one.from ? { file: one.from.file } : ({ blob: true } as const),
        })),
        links: placed(content.links).map(({ one, at }) => ({ place: at, target: one.target })),
        directories: content.emptyDirectories.flatMap((directory) => placeOf(directory) ?? []),
      },
    ];
  });
}
