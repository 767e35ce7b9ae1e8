import {
  compareUtf8,
  type Digest,
  digestOf,
  EMPTY_DIGEST,
  relativeTo,
  type Sha256,
  type WorkspacePath,
} from "../../base/index.ts";
import { encodeAction, encodeDirectories, TreeBuilder } from "../../protocol/index.ts";
import type { DeclaredOutput, ExecutionRequest, InputFile, InputLink } from "../executor.ts";

/** Files begat adds to every input root, beside the declared inputs. */
export const RECIPE_PATH = ".begat/recipe" as WorkspacePath;
export const IN_LIST_PATH = ".begat/in" as WorkspacePath;
export const OUT_LIST_PATH = ".begat/out" as WorkspacePath;
/** Where a recipe writes properties, one `NAME=value` a line. */
export const UP_PATH = ".begat/up" as WorkspacePath;

/**
 * The environment every recipe starts from. HOME and TMPDIR are the executor's, since they are places of its own.
 * 1980-01-01: the earliest time that zip, and so jar and wheel, can hold.
 */
export const BASE_ENVIRONMENT: readonly (readonly [name: string, value: string])[] = [
  ["LANG", "C.UTF-8"],
  ["PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"],
  ["SOURCE_DATE_EPOCH", "315532800"],
  ["TZ", "UTC"],
];

/** A chore with all its inputs known: what an action is made of. */
export interface ActionParts {
  readonly label: string;
  readonly interpreter: readonly string[];
  readonly recipe: string;
  /** Without the base environment; a name of the base may be set again here. */
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly directory: WorkspacePath;
  /** Declared inputs in the order written, for BEGAT_IN. */
  readonly inputNames: readonly WorkspacePath[];
  /** Every file; in any order, no path twice. */
  readonly inputs: readonly InputFile[];
  readonly links: readonly InputLink[];
  readonly emptyDirectories: readonly WorkspacePath[];
  readonly outputs: readonly DeclaredOutput[];
  /** Whether the recipe gives properties. */
  readonly up: boolean;
  /** Another output: where the recipe says what it read. */
  readonly depfile?: WorkspacePath | undefined;
  /** Value of the platform property `container-image`: an image, or the host's identity. */
  readonly image: string;
  readonly imageRoot: string | undefined;
  readonly network: "none" | "host";
  readonly timeoutMs: number;
  readonly doNotCache: boolean;
  readonly resources: Readonly<Record<string, number>>;
  readonly interactive: boolean;
}

export interface DescribedAction {
  readonly request: ExecutionRequest;
  readonly inputRoot: Digest;
  readonly inputCount: number;
  /** As in the Command: from the working directory, sorted. */
  readonly outputPaths: readonly string[];
  readonly recipe: Sha256;
  /** Outputs that begat asks for to read them itself: no artifacts. */
  readonly begatsOwn: readonly string[];
  /** The action as `readAction` reads it back from the manifests; symlinks count as inputs, by their target's text. */
  readonly listing: {
    readonly argv: readonly string[];
    readonly env: readonly (readonly [name: string, value: string])[];
    readonly directory: string;
    readonly platform: readonly (readonly [name: string, value: string])[];
    readonly inputs: readonly { readonly path: string; readonly digest: Sha256 }[];
  };
  /** Action, Command, Directories, and the recipe: what a verifier of the travail needs. */
  readonly manifests: readonly { readonly hash: Sha256; readonly bytes: Uint8Array }[];
}

const recipeDigests = new Map<string, { readonly digest: Digest; readonly bytes: Buffer }>();

/** Recipes are few and shared by many chores. */
function recipeBlob(recipe: string): { readonly digest: Digest; readonly bytes: Buffer } {
  const known = recipeDigests.get(recipe);
  if (known !== undefined) return known;
  const bytes = Buffer.from(recipe);
  const blob = { digest: digestOf(bytes), bytes };
  if (recipeDigests.size > 10_000) recipeDigests.clear();
  recipeDigests.set(recipe, blob);
  return blob;
}

/** The action digest of `parts` and the request that runs it. The same parts in any order give the same digest. */
export function describeAction(parts: ActionParts): DescribedAction {
  const { directory } = parts;
  const recipe = recipeBlob(parts.recipe);
  const list = (paths: readonly WorkspacePath[]): Buffer =>
    Buffer.from(paths.map((path) => `${relativeTo(directory, path)}\n`).join(""));
  const added = (path: WorkspacePath, bytes: Buffer, digest: Digest, executable: boolean): InputFile => ({
    path,
    digest,
    executable,
    from: { bytes },
  });
  const inList = list(parts.inputNames);
  const outList = list(parts.outputs.map(({ path }) => path));
  const inputs = [
    ...parts.inputs,
    added(RECIPE_PATH, recipe.bytes, recipe.digest, true),
    added(IN_LIST_PATH, inList, digestOf(inList), false),
    added(OUT_LIST_PATH, outList, digestOf(outList), false),
  ].sort((a, b) => compareUtf8(a.path, b.path));

  const tree = new TreeBuilder();
  for (const input of inputs) tree.addFile(input.path, input.digest, input.executable);
  for (const link of parts.links) tree.addSymlink(link.path, link.target);
  for (const path of parts.emptyDirectories) tree.addDirectory(path);
  if (directory !== "") tree.addDirectory(directory);
  const { root, blobs } = encodeDirectories(tree.build());

  const env = new Map<string, string>(BASE_ENVIRONMENT);
  for (const [name, value] of parts.env) env.set(name, value);
  env.set("BEGAT_IN", relativeTo(directory, IN_LIST_PATH));
  env.set("BEGAT_OUT", relativeTo(directory, OUT_LIST_PATH));
  const pathVariables = ["BEGAT_IN", "BEGAT_OUT"];
  const outputs: DeclaredOutput[] = [...parts.outputs];
  if (parts.up) {
    env.set("BEGAT_UP", relativeTo(directory, UP_PATH));
    pathVariables.push("BEGAT_UP");
    outputs.push({ path: UP_PATH, kind: "file" });
  }
  const { depfile } = parts;
  if (depfile !== undefined && !outputs.some(({ path }) => path === depfile))
    outputs.push({ path: depfile, kind: "file" });
  const sortedEnv = [...env].sort((a, b) => compareUtf8(a[0], b[0]));
  const argv = [...parts.interpreter, relativeTo(directory, RECIPE_PATH)];
  const platform: [string, string][] = [["container-image", parts.image]];
  if (parts.network === "host") platform.push(["network", "host"]);
  const { action, command } = encodeAction({
    argv,
    env: sortedEnv,
    directory,
    outputs: outputs.map(({ path }) => path),
    platform,
    inputRoot: root,
    timeoutMs: parts.timeoutMs,
    doNotCache: parts.doNotCache,
  });
  const messages = [action, command, ...blobs].map(({ digest, bytes }) => ({ hash: digest.hash, bytes }));
  const manifests = [...messages];
  if (recipe.digest.hash !== EMPTY_DIGEST.hash) manifests.push({ hash: recipe.digest.hash, bytes: recipe.bytes });
  return {
    request: {
      actionDigest: action.digest,
      label: parts.label,
      argv,
      env: sortedEnv,
      pathVariables,
      directory,
      inputs,
      links: parts.links,
      emptyDirectories: parts.emptyDirectories,
      outputs,
      imageRoot: parts.imageRoot,
      network: parts.network,
      timeoutMs: parts.timeoutMs,
      resources: parts.resources,
      interactive: parts.interactive,
      encoded: { inputRoot: root, platform, blobs: messages },
    },
    inputRoot: root,
    inputCount: inputs.length,
    outputPaths: outputs.map(({ path }) => relativeTo(directory, path)).sort(compareUtf8),
    recipe: recipe.digest.hash,
    begatsOwn: outputs.slice(parts.outputs.length).map(({ path }) => path),
    listing: {
      argv,
      env: sortedEnv,
      directory,
      platform,
      inputs: [
        ...inputs.map(({ path, digest }) => ({ path, digest: digest.hash })),
        ...parts.links.map(({ path, target }) => ({ path, digest: digestOf(target).hash })),
      ],
    },
    manifests,
  };
}
