import { join } from "node:path/posix";
import { BegatError, type Digest, type Sha256 } from "../../base/index.ts";
import type { ImageDeclaration } from "../../dictum-parser/index.ts";
import type { ImageFacts, ImageProvider, ImageSpec } from "../../hermetic/index.ts";
import { CheckoutLock, imageChain, TargetError } from "../../scheduler/index.ts";
import { didYouMean } from "../did-you-mean.ts";
import type {
  DeclaredImage,
  FetchListener,
  ImageExportReport,
  ImageExportRequest,
  ImageLockReport,
  ImageLockRequest,
  ImagePushReport,
  ImagePushRequest,
  ImageView,
} from "../image-services.ts";
import { counted } from "../quantity.ts";
import type { WorkspaceOptions } from "../services.ts";
import { builtImages, type Declared, declared, placeOf } from "./declared-images.ts";
import { pinChanges, pinsOf } from "./image-pins.ts";
import { imageProvider } from "./images.ts";
import type { Machine, Workspace } from "./machine.ts";

export class ImageVerbError extends BegatError<"IMAGE_AMBIGUOUS" | "BEGATFILE_MISTAKEN"> {}

/** As many digits as nobody mistakes for a name. */
const PREFIX = /^(?:sha256:)?([0-9a-f]{6,64})$/;

export async function imageLock(
  machine: Machine,
  request: ImageLockRequest,
  onFetching: FetchListener,
  signal: AbortSignal,
): Promise<ImageLockReport> {
  const found = await declared(machine, request, request.offline);
  const all = declarations(found);
  const chosen = chainsOf(chosenOf(all, request.names), all);
  const { workspace, rooms } = found;
  const path = join(workspace.root, "begat.lock");
  const waiting = (pid: number | undefined) => onFetching({ name: "begat.lock", what: `process ${pid} holds it` });
  const lock = await CheckoutLock.acquire(rooms.checkout, rooms, waiting, signal);
  try {
    const before = pinsOf(machine.fs, path);
    const provider = providerOf(machine, workspace, request.offline, onFetching);
    const requests = chosen.map(({ name, parts, at }) => ({
      name,
      parts: parts.map(({ kind, words, at: place }) => ({ kind, words, at: place ?? at })),
      trees: [],
    }));
    await provider.resolve(requests, { update: request.update }, signal);
    const after = pinsOf(machine.fs, path);
    return { images: chosen.map(({ name }) => pinChanges(name, before.get(name), after.get(name))) };
  } finally {
    lock.release();
  }
}

export async function imagesDeclared(
  machine: Machine,
  options: WorkspaceOptions,
  names: readonly string[],
): Promise<readonly DeclaredImage[]> {
  const found = await declared(machine, options);
  const chosen = chosenOf(declarations(found), names);
  const built = found.prepared.ok ? builtImages(found.prepared) : new Map();
  const standing = new Map(views(machine, found.workspace).map((view) => [view.digest, view]));
  return chosen.map((declaration) => {
    const digest = built.get(declaration.name);
    return {
      name: declaration.name,
      at: placeOf(declaration),
      // Images of the same bytes are one, kept under the name that was first.
      image: withName(digest && standing.get(digest), declaration.name),
    };
  });
}

export async function imageStand(
  machine: Machine,
  { config, manifest }: { readonly config: Sha256; readonly manifest: Digest },
): Promise<{ readonly root: string }> {
  const provider = providerOf(machine, nowhere(machine), true, () => {});
  const { root } = await provider.standOci(manifest, config, new AbortController().signal);
  return { root };
}

export function imageList(machine: Machine): readonly ImageView[] {
  return views(machine, nowhere(machine));
}

export async function imageExport(
  machine: Machine,
  request: ImageExportRequest,
  onFetching: FetchListener,
  signal: AbortSignal,
): Promise<ImageExportReport> {
  const { provider, facts } = await pick(machine, request, request.offline, onFetching);
  const ending = request.format === "oci" ? "-oci" : ".tar";
  const path = request.to ?? join(request.directory, `${facts.name}${ending}`);
  await provider.export(facts, { format: request.format, to: path, tag: facts.name }, signal);
  return { image: viewOf(machine, facts), path };
}

export async function imagePush(
  machine: Machine,
  request: ImagePushRequest,
  onFetching: FetchListener,
  signal: AbortSignal,
): Promise<ImagePushReport> {
  const { provider, facts } = await pick(machine, request, false, onFetching);
  const { reference, insecure } = request;
  const result = await provider.push(facts, { reference, insecure }, signal);
  return { ...result, image: viewOf(machine, facts), reference };
}

/** The image that `name` means: of the workspace's begatfiles as last built, else the one so called, or by digest. */
async function pick(
  machine: Machine,
  request: WorkspaceOptions & { readonly name: string },
  offline: boolean,
  onFetching: FetchListener,
): Promise<{ readonly provider: ImageProvider; readonly facts: ImageFacts }> {
  const { name } = request;
  const here = await workspaceImages(machine, request);
  const provider = providerOf(machine, here?.found.workspace ?? nowhere(machine), offline, onFetching);
  const standing = provider.list();
  const current = here?.built.get(name);
  const digits = PREFIX.exec(name)?.[1];
  const byName = standing.filter((image) => image.name === name);
  const matching =
    current !== undefined
      ? standing.filter(({ configDigest }) => configDigest === current)
      : byName.length > 0 || digits === undefined
        ? byName
        : standing.filter(({ configDigest }) => configDigest.startsWith(digits));
  const [facts, another] = matching;
  if (facts !== undefined && another === undefined) {
    return { provider, facts: current === undefined ? facts : { ...facts, name } };
  }
  if (facts !== undefined) {
    const digests = matching.map(({ configDigest }) => configDigest.slice(0, 12)).join(", ");
    throw new ImageVerbError("IMAGE_AMBIGUOUS", `${matching.length} images are meant by ${name}: ${digests}`, {
      hint: "name one by its digest, or build it here",
    });
  }
  if (here?.names.includes(name)) {
    throw new TargetError("TARGET_UNKNOWN", `image ${name} is not built`, { hint: `begat image build ${name}` });
  }
  throw unknownImage(name, [...(here?.names ?? []), ...standing.map((image) => image.name)]);
}

/** `undefined` outside a workspace: a digest, or a name that one image has, is enough then. */
async function workspaceImages(machine: Machine, options: WorkspaceOptions) {
  let found: Declared;
  try {
    found = await declared(machine, options, true);
  } catch (error) {
    if (error instanceof BegatError && error.code === "WORKSPACE_NOT_FOUND") return undefined;
    throw error;
  }
  if (!found.prepared.ok) throw mistaken(found);
  const names = found.prepared.loaded.facts.images.map(({ name }) => name);
  return { found, names, built: builtImages(found.prepared) };
}

function declarations(found: Declared): readonly ImageDeclaration[] {
  if (!found.prepared.ok) throw mistaken(found);
  return found.prepared.loaded.facts.images;
}

function chosenOf(all: readonly ImageDeclaration[], names: readonly string[]): readonly ImageDeclaration[] {
  if (names.length === 0) return all;
  return [...new Set(names)].map((name) => {
    const one = all.find((declaration) => declaration.name === name);
    if (one !== undefined) return one;
    throw unknownImage(
      name,
      all.map((declaration) => declaration.name),
    );
  });
}

/** With what they stand on, bases first. */
function chainsOf(chosen: readonly ImageDeclaration[], all: readonly ImageDeclaration[]): readonly ImageDeclaration[] {
  const byName = new Map(all.map((declaration) => [declaration.name, declaration]));
  return [...new Set(chosen.flatMap((one) => imageChain(one, byName)))];
}

function unknownImage(name: string, known: readonly string[]): TargetError {
  const near = didYouMean(name, known);
  return new TargetError("TARGET_UNKNOWN", `there is no image ${JSON.stringify(name)}`, {
    hint: near === undefined ? "`begat image ls` lists those that stand" : `did you mean "${near}"?`,
  });
}

function mistaken({ prepared }: Declared): ImageVerbError {
  const count = prepared.ok ? 0 : prepared.diagnostics.length;
  return new ImageVerbError("BEGATFILE_MISTAKEN", `the begatfiles have ${counted(count, "mistake")}`, {
    hint: "`begat check` shows them",
  });
}

function providerOf(
  machine: Machine,
  workspace: Workspace,
  offline: boolean,
  onFetching: FetchListener,
): ImageProvider {
  return imageProvider(machine, workspace, machine.blobs(undefined), { offline, onFetching });
}

/** For what needs no checkout. */
const nowhere = (machine: Machine): Workspace => ({ root: machine.host.cwd, entries: [], directory: "" });

function views(machine: Machine, workspace: Workspace): readonly ImageView[] {
  return providerOf(machine, workspace, true, () => {})
    .list()
    .map((facts) => viewOf(machine, facts));
}

const withName = (view: ImageView | undefined, name: string): ImageView | undefined => view && { ...view, name };

function viewOf(machine: Machine, facts: ImageFacts): ImageView {
  const { name, configDigest, sizeBytes, report } = facts;
  const home = join(machine.directories.cacheHome, "images", configDigest);
  return {
    name,
    digest: configDigest,
    sizeBytes,
    root: join(home, "root"),
    from: originOf(machine, home),
    gaps: report,
  };
}

/** The spec is kept beside the facts; it says what went into the image and its bases. */
function originOf(machine: Machine, home: string): ImageView["from"] {
  const { spec } = JSON.parse(machine.fs.readFile(join(home, "image.json")).toString()) as { spec: ImageSpec };
  const packages = new Set<string>();
  const files = new Set<string>();
  let oci: string | undefined;
  for (let one: ImageSpec | undefined = spec; one !== undefined; ) {
    for (const { kind, sha256 } of one.packages) packages.add(`${kind} ${sha256}`);
    for (const { place } of one.files) files.add(place);
    if (one.base?.kind === "oci") oci = one.base.manifest.hash;
    one = one.base?.kind === "image" ? one.base.spec : undefined;
  }
  const count = (kind: string) => [...packages].filter((key) => key.startsWith(`${kind} `)).length;
  return { debianPackages: count("deb"), npmPackages: count("npm"), files: files.size, oci };
}
