import { BegatError } from "../base/index.ts";
import type { ExecutionRequest, ExecutionResult, Executor, FileAccess } from "../executor/index.ts";
import type { RunContext } from "./chore-run.ts";
import type { MissingPath } from "./events.ts";

/** Told with one failure; more would bury the one that counts. */
const MOST_TOLD = 5;
/** Failures explained in one build: each takes another run. */
export const MOST_EXPLAINED = 20;
/** Paths asked about at once. */
const MOST_ASKED = 40;
/** A traced run may take twice as long as the failed one, and this, milliseconds. */
const SPARE_MS = 5_000;

/** What the missing paths are compared with. */
export interface Surroundings {
  /** Absolute: an undeclared file may have been looked for by its own name in the checkout. */
  readonly root: string;
  /** Is there a file of this workspace path in the checkout? */
  isFile(path: string): boolean;
  /** Label of the chore that makes each of these paths, itself or in a tree; the failed chore's own are left out. */
  makersOf(paths: ReadonlySet<string>): ReadonlyMap<string, string>;
  /** Paths that are staged for the chore, or are its own outputs. */
  isDeclared(path: string): boolean;
  /** What the failed run printed. */
  readonly printed: string;
}

export interface Suspects {
  /** Best first. */
  readonly paths: readonly MissingPath[];
  /** Absolute paths outside the workspace that were missing and that the recipe complained of; a package may have them. */
  readonly foreign: readonly string[];
}

/** Directories where programs are looked for: one name in several of them is one program. */
const PROGRAM_DIRECTORY = /^(?:\/usr\/local|\/usr)?\/s?bin\/([^/]+)$/;
const NEVER_OF_A_PACKAGE = /^\/(?:proc|sys|dev|tmp|build|home|root)(?:\/|$)/;

/** Says which of the paths a failed recipe looked at it lacked, and what would give it each. */
export function suspectsAmong(accesses: readonly FileAccess[], around: Surroundings): Suspects {
  const wanted: string[] = [];
  for (const { path, isInside, found } of [...accesses].reverse()) {
    const inWorkspace = isInside ? path : workspacePath(path, around.root);
    // By its full name a file of the checkout is seen at level `none`, and declared nowhere all the same.
    if (inWorkspace === undefined || (isInside && found) || wanted.includes(inWorkspace)) continue;
    if (inWorkspace.startsWith(".begat/") || around.isDeclared(inWorkspace)) continue;
    wanted.push(inWorkspace);
  }
  const makers = around.makersOf(new Set(wanted));
  const paths: MissingPath[] = [];
  for (const path of wanted) {
    const madeBy = makers.get(path);
    if (madeBy !== undefined) paths.push({ kind: "output", path, madeBy });
    else if (around.isFile(path)) paths.push({ kind: "file", path });
  }
  const isNamed = ({ path }: { readonly path: string }) => mentions(around.printed, path);
  return {
    paths: [...paths.filter(isNamed), ...paths.filter((path) => !isNamed(path))],
    foreign: foreignPaths(accesses, around),
  };
}

function workspacePath(path: string, root: string): string | undefined {
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
}

/** Whether a text has the last part of a path as a word of its own. */
function mentions(printed: string, path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (let at = printed.indexOf(name); at >= 0; at = printed.indexOf(name, at + 1)) {
    const isWhole = !/[\w.-]/.test(printed[at - 1] ?? " ") && !/[\w-]/.test(printed[at + name.length] ?? " ");
    if (isWhole) return true;
  }
  return false;
}

/** Everything asks for locales and caches that are not there; only what the recipe complained of counts. */
function foreignPaths(accesses: readonly FileAccess[], around: Surroundings): string[] {
  const programs = new Set<string>();
  const present = new Set<string>();
  const others: string[] = [];
  for (const { path, isInside, found } of accesses) {
    if (isInside || NEVER_OF_A_PACKAGE.test(path) || workspacePath(path, around.root) !== undefined) continue;
    const program = PROGRAM_DIRECTORY.exec(path)?.[1];
    if (found) {
      if (program !== undefined) present.add(program);
    } else if (mentions(around.printed, path)) {
      if (program === undefined) others.push(path);
      else programs.add(program);
    }
  }
  return [...[...programs].filter((name) => !present.has(name)).map((name) => `/usr/bin/${name}`), ...others];
}

function isOwnOutput({ outputs }: ExecutionRequest, path: string): boolean {
  return outputs.some(
    (output) => output.path === path || (output.kind === "tree" && path.startsWith(`${output.path}/`)),
  );
}

/**
 * Runs a chore that failed once more, traced, and says what it lacked. Nothing is recorded.
 *
 * @returns `undefined` where nothing can be said.
 */
export async function explainFailure(
  context: RunContext,
  executor: Executor,
  chore: number,
  request: ExecutionRequest,
  failed: ExecutionResult,
  turn: () => Promise<() => void>,
): Promise<readonly MissingPath[] | undefined> {
  const { plan, rooms, options, signal, explanations } = context;
  if (options.explain === false || failed.verdict !== "exit" || executor.tracingProblem === undefined) return undefined;
  // What it did out there it would do twice.
  if (request.interactive || request.network === "host" || explanations.left === 0) return undefined;
  if (executor.tracingProblem() !== undefined) return undefined;
  explanations.left--;
  const traced = { ...request, timeoutMs: Math.ceil(2 * failed.durationMs + SPARE_MS) };
  let accesses: readonly FileAccess[] | undefined;
  try {
    ({ accesses } = await executor.execute(traced, { signal, turn, trace: true }));
  } catch (error) {
    if (!(error instanceof BegatError)) throw error;
    return undefined;
  }
  if (accesses === undefined) {
    if (!explanations.isSkipTold)
      context.listener({
        type: "notice",
        severity: "note",
        code: "EXPLAIN_SKIPPED",
        message: "failures are not explained: strace could not trace the recipe here",
        hint: undefined,
      });
    explanations.isSkipTold = true;
    return undefined;
  }
  const staged = new Set<string>(request.inputs.map(({ path }) => path));
  for (const { path } of request.links) staged.add(path);
  const suspects = suspectsAmong(accesses, {
    root: rooms.checkout.root,
    isFile: (path) => rooms.checkout.fs.stat(rooms.checkout.absolute(path))?.kind === "file",
    makersOf: (paths) => makersAmong(context, chore, paths),
    // What it is to make itself it looks for too, and an earlier one may stand in the checkout.
    isDeclared: (path) => staged.has(path) || isOwnOutput(request, path),
    printed: `${failed.stderr.toString()}\n${failed.stdout.toString()}`,
  });
  const told = suspects.paths.slice(0, MOST_TOLD);
  const asked = suspects.foreign.slice(0, MOST_ASKED);
  if (told.length < MOST_TOLD && asked.length > 0) {
    const packages = (await rooms.packagesOf?.(asked, signal)) ?? new Map<string, string>();
    const seen = new Set<string>();
    for (const path of asked) {
      const name = packages.get(path);
      if (name === undefined || seen.has(name) || told.length === MOST_TOLD) continue;
      seen.add(name);
      told.push({ kind: "package", path, package: name, image: plan.imageOf(chore) });
    }
  }
  return told.length === 0 ? undefined : told;
}

/** Looks through the plan once, for all of `paths` and the trees they may be in. */
function makersAmong({ plan }: RunContext, chore: number, paths: ReadonlySet<string>): ReadonlyMap<string, string> {
  const places = new Map<string, string[]>();
  for (const path of paths) {
    for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
      const list = places.get(at);
      if (list) list.push(path);
      else places.set(at, [path]);
    }
  }
  const makers = new Map<string, string>();
  if (places.size === 0) return makers;
  for (let maker = 0; maker < plan.choreCount; maker++) {
    if (maker === chore) continue;
    for (const entry of plan.outputsOf(maker)) {
      const output = plan.path(entry >>> 1);
      for (const path of places.get(output) ?? [])
        if (path === output || entry & 1) makers.set(path, plan.label(maker));
    }
  }
  return makers;
}
