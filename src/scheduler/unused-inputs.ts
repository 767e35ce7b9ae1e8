import { explain, hintOf } from "../base/index.ts";
import { type DescribedAction, type Executor, ExecutorError, type FileAccess } from "../executor/index.ts";
import { ChoreActions } from "./chore-action.ts";
import { imageRootOf } from "./image-run.ts";
import { digestAgain } from "./moved-inputs.ts";
import type { Plan } from "./plan.ts";
import { type Prepared, prepare } from "./prepare.ts";
import type { BuildOptions, BuildRooms } from "./rooms.ts";
import { selectTargets } from "./targets.ts";

/** Of one chore: what it declares in `in[]` and did not look at. */
export interface UnusedInputs {
  readonly chore: string;
  /** `begatfile:14:1`. */
  readonly at: string;
  readonly declared: number;
  /** As declared, trees with a trailing slash; in the order of the declaration. */
  readonly unused: readonly string[];
}

export type UnusedAnswer =
  | { readonly found: true; readonly answer: readonly UnusedInputs[] }
  | { readonly found: false; readonly because: string; readonly hint: string | undefined };

const none = (because: string, hint?: string): UnusedAnswer => ({ found: false, because, hint });

/**
 * Executes the chores that make `target` once more, traced, on the inputs of the last build, and says which of their
 * declared inputs they did not look at. Records nothing and writes nothing to the checkout.
 *
 * An input can be needed all the same: for being listed with its directory, or under other circumstances.
 *
 * @throws {TargetError} nothing makes it.
 */
export async function unusedInputs(
  options: BuildOptions,
  rooms: BuildRooms,
  target: string,
  signal: AbortSignal,
): Promise<UnusedAnswer> {
  const prepared = await prepare(rooms, options, () => {}, signal);
  if (!prepared.ok) return none("the begatfiles have mistakes", "`begat check` shows them");
  const { executor } = await rooms.executor();
  const problem = executor.tracingProblem === undefined ? "it never traces" : executor.tracingProblem();
  if (problem !== undefined) return none(`${executor.name} cannot trace a recipe here: ${problem}`);
  const answers: UnusedInputs[] = [];
  for (const chore of makersOf(prepared, options, target)) {
    const answer = await ofChore(prepared, chore, rooms, options, executor, signal);
    if (!("declared" in answer)) return answer;
    answers.push(answer);
  }
  return { found: true, answer: answers };
}

function makersOf({ loaded: { plan, facts } }: Prepared, options: BuildOptions, target: string): readonly number[] {
  for (let chore = 0; chore < plan.choreCount; chore++) if (plan.label(chore) === target) return [chore];
  const { wanted } = selectTargets(plan, facts.groups, [target], options.directory, false);
  const makers = Array.from(wanted, (entry) => plan.columns.producer[entry >>> 1] as number);
  return [...new Set(makers)].filter((maker) => maker >= 0);
}

async function ofChore(
  prepared: Prepared,
  chore: number,
  rooms: BuildRooms,
  options: BuildOptions,
  executor: Executor,
  signal: AbortSignal,
): Promise<UnusedInputs | UnusedAnswer> {
  const { state, hosts, loaded } = prepared;
  const { plan } = loaded;
  const label = plan.label(chore);
  if (plan.has(chore, "image")) return none(`${label} has no recipe: begat itself puts images together`);
  if (plan.has(chore, "interactive")) return none(`${label} is interactive and cannot be traced`);
  const buildFirst = `\`begat build '${label}'\` makes what it needs`;
  const refreshed = await digestAgain({ plan, state, rooms }, chore);
  const [problem] = refreshed.problems;
  if (problem !== undefined) return none(problem.message);
  const read = (digest: Parameters<typeof rooms.blobs.read>[0]) =>
    rooms.blobs.has(digest) ? rooms.blobs.read(digest) : undefined;
  let described: DescribedAction;
  try {
    const { imageSpecs } = loaded.facts;
    const actions = new ChoreActions(plan, state, rooms.checkout, hosts, read, options.timeoutMs, imageSpecs);
    described = actions.describe(chore);
  } catch (error) {
    return none(explain(error), buildFirst);
  }
  const imageRoot = imageRootOf({ plan, state, rooms }, chore);
  if (imageRoot === "missing") return none(`image ${plan.imageOf(chore)} is not built`, buildFirst);
  try {
    const result = await executor.execute({ ...described.request, imageRoot }, { signal, trace: true });
    if (result.verdict !== "ok") return none(`${label} failed when it was traced: ${result.detail}`);
    if (result.accesses === undefined) return none(`strace could not trace ${label} here`);
    return { chore: label, ...unread(plan, chore, result.accesses) };
  } catch (error) {
    if (error instanceof ExecutorError && error.inputs.length > 0) return none(explain(error), buildFirst);
    if (error instanceof ExecutorError) return none(explain(error), hintOf(error));
    throw error;
  }
}

/** What was declared and neither read, run nor asked about. */
function unread(plan: Plan, chore: number, accesses: readonly FileAccess[]): Omit<UnusedInputs, "chore"> {
  const used = new Set<string>();
  for (const { path, isInside, found } of accesses) {
    if (!isInside || !found) continue;
    used.add(path);
    // Of a tree some member is enough. To look at the directory alone is not to use what is in it.
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
      used.add(`${path.slice(0, slash)}/`);
  }
  const { file, line, column } = plan.place(chore);
  const inputs = plan.chore(chore).inputs;
  const unused = inputs
    .map(({ path, kind }) => (kind === "tree" ? `${path}/` : path))
    .filter((name) => !used.has(name));
  return { at: `${file}:${line}:${column}`, declared: inputs.length, unused };
}
