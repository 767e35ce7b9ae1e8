import { type Digest, digestOf, type Sha256, sha256, type WorkspacePath } from "../../src/base/index.ts";
import {
  decodeAction,
  decodeCommand,
  decodeDirectory,
  encodeAction,
  encodeDirectories,
  TreeBuilder,
  walkTree,
} from "../../src/protocol/index.ts";
import type {
  ActionListing,
  ExecBody,
  ExecOutput,
  ExecutionFacts,
  InputLister,
  ManifestBlob,
  WhyBody,
} from "../../src/provenance/index.ts";

type ExecFacts = ExecutionFacts & { kind: "exec" };
type FailFacts = ExecutionFacts & { kind: "fail" };

export interface ChoreSketch {
  readonly chore?: string;
  readonly build?: string;
  /** Path to content. */
  readonly inputs?: { readonly [path: string]: string };
  readonly outputs?: { readonly [path: string]: string };
  readonly env?: { readonly [name: string]: string };
  readonly argv?: readonly string[];
  readonly image?: string;
  readonly why?: WhyBody;
  readonly level?: ExecBody["level"];
  readonly cacheable?: boolean;
  readonly attempt?: number;
  readonly props?: { readonly [name: string]: string };
}

export interface SketchedChore {
  readonly facts: ExecFacts;
  readonly listing: ActionListing;
  readonly manifests: readonly ManifestBlob[];
}

const HOST = `host:${sha256("host")}`;

/** An execution as the engine would report it, with real REAPI messages behind it. */
export function sketchChore(sketch: ChoreSketch = {}): SketchedChore {
  const { inputs = { "src/a.c": "int a;\n" }, outputs = { "obj/a.o": "object a\n" }, image = HOST } = sketch;
  const {
    argv = ["sh", "-eu", "recipe"],
    env = { CFLAGS: "-O2", PATH: "/usr/bin" },
    chore = "compile(src/a.c)",
  } = sketch;
  const tree = new TreeBuilder();
  for (const [path, text] of Object.entries(inputs)) tree.addFile(path as WorkspacePath, digestOf(text), false);
  const { root, blobs } = encodeDirectories(tree.build());
  const { action, command } = encodeAction({
    argv,
    env: Object.entries(env),
    directory: "" as WorkspacePath,
    outputs: Object.keys(outputs) as WorkspacePath[],
    platform: [["container-image", image]],
    inputRoot: root,
    timeoutMs: 0,
    doNotCache: false,
  });
  const manifests = [action, command, ...blobs].map(({ digest, bytes }) => ({ hash: digest.hash, bytes }));
  const kept = new Map(manifests.map(({ hash, bytes }) => [hash, Buffer.from(bytes)]));
  const facts: ExecFacts = {
    kind: "exec",
    build: sketch.build ?? "b1",
    action: action.digest.hash,
    asize: action.digest.sizeBytes,
    dictum: /^[^(]*/.exec(chore)![0],
    chore,
    image,
    in: { n: Object.keys(inputs).length, root: root.hash },
    out: Object.entries(outputs).map(([p, text]): ExecOutput => output(p, digestOf(text))),
    ...(sketch.props === undefined ? {} : { props: sketch.props }),
    io: { out: sha256(""), err: sha256("warning: none\n") },
    exit: 0,
    t0: 1_767_225_600_000,
    t1: 1_767_225_601_000,
    ms: 1_000,
    rnode: "frodo",
    level: sketch.level ?? "contained",
    sandbox: { backend: "bubblewrap", version: "0.8.0", network: "none", leaks: ["clock", "host-tools"] },
    ver: "0.1.0",
    why: sketch.why ?? { r: "new" },
    attempt: sketch.attempt ?? 1,
    cacheable: sketch.cacheable ?? true,
  };
  return { facts, listing: listAction(action.digest.hash, (hash) => kept.get(hash)), manifests };
}

const output = (p: string, digest: Digest): ExecOutput => ({ p, d: digest.hash, n: digest.sizeBytes });

/** The same execution, but it failed. */
export function failed(chore: SketchedChore, detail = "exit 2"): { facts: FailFacts } & Omit<SketchedChore, "facts"> {
  const { cacheable: _, ...facts } = chore.facts;
  return {
    ...chore,
    facts: { ...facts, kind: "fail", exit: 2, out: [], verdict: "exit", detail } as FailFacts,
  };
}

/** Decodes actions as the engine's lister does. */
export const listAction: InputLister = (hash, manifest) => {
  const load = (wanted: Sha256): Buffer => {
    const bytes = wanted === sha256("") ? Buffer.alloc(0) : manifest(wanted);
    if (bytes === undefined) throw new Error(`manifest ${wanted} is missing`);
    return bytes;
  };
  const action = decodeAction(load(hash));
  const command = decodeCommand(load(action.command.hash));
  const root = walkTree(decodeDirectory(load(action.inputRoot.hash), load));
  return {
    argv: command.argv,
    env: command.env,
    directory: command.directory,
    platform: action.platform,
    inputs: [
      ...root.files.map(({ path, digest }) => ({ path, digest: digest.hash })),
      ...root.links.map(({ path, target }) => ({ path, digest: sha256(target) })),
    ],
  };
};
