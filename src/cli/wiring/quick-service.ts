import type { WorkspacePath } from "../../base/index.ts";
import {
  type BuildSummary,
  CHECKOUT,
  Checkout,
  type EventListener,
  encodeGlance,
  GlanceFile,
  glancePath,
  glanceQuestion,
  type QuickAnswer,
  type QuickRequest,
  quickCheck,
  WarmBuild,
} from "../../scheduler/index.ts";
import { bundleFile } from "../engine/bundle-file.ts";
import { glanceWords } from "../render/told-answer.ts";
import type { BuildOptions, ToldAnswer } from "../services.ts";
import type { Machine, Workspace } from "./machine.ts";

export { WarmBuild };

/** What of begat decides how begatfiles are read: another build of it evaluates anew. */
export const planVersion = ({ host }: Machine): string => `${host.version.version}+${host.version.build}`;

/** What is asked about the checkout; `undefined` where a build must look properly whatever the answer. */
export function quickRequest(machine: Machine, workspace: Workspace, options: BuildOptions): QuickRequest | undefined {
  if (options.dryRun || options.force || options.executor !== undefined || options.check?.earlier) return undefined;
  return {
    version: planVersion(machine),
    entries: workspace.entries,
    overrides: options.overrides,
    targets: options.targets,
    directory: workspace.directory as WorkspacePath,
    everyOutput: options.outputs === "all",
    minIsolation: options.minIsolation,
    env: (name) => machine.host.env[name],
  };
}

/** Tells `listener` of a build that had nothing to do. */
export function quickSummary(
  answer: Extract<QuickAnswer, { upToDate: true }>,
  listener: EventListener,
  durationMs: number,
): BuildSummary {
  if (answer.warnings.length > 0) listener({ type: "diagnostics", diagnostics: answer.warnings });
  const summary: BuildSummary = {
    outcome: "ok",
    planned: answer.chores,
    executed: 0,
    cached: 0,
    failed: 0,
    skipped: 0,
    settled: answer.chores,
    checked: 0,
    differing: 0,
    materialised: 0,
    durationMs,
    level: answer.level,
    ledgerSize: undefined,
    dryRun: false,
  };
  listener({ type: "build-finished", summary });
  return summary;
}

/** Names of the glances that may have been left to this command; whom they are printed for does not count. */
export function glanceNames(
  { directory }: Workspace,
  options: BuildOptions,
  { cwd }: Pick<Machine["host"], "cwd">,
  argv: readonly string[],
): readonly string[] {
  if (options.directory !== cwd || options.begatfiles.length > 0) return [];
  return [false, true].map((isTerminal) => glanceQuestion(isTerminal, directory, glanceWords(argv)));
}

/** Glances that are left side by side, one for each way of asking; each is as large as what it speaks of. */
const MOST_GLANCES = 4;

/** Leaves word for begat-client and the warm engine, unless it is there already. */
function saveGlance(
  machine: Machine,
  workspace: Workspace,
  checkout: Checkout,
  { chores, level, proof }: Extract<QuickAnswer, { upToDate: true }>,
  { words, isTerminal, ...told }: ToldAnswer,
): void {
  const question = glanceQuestion(isTerminal, workspace.directory, words);
  const path = glancePath(question);
  const bundle = bundleFile();
  const changedMs = (path: string): number => machine.fs.stat(path)?.mtimeMs ?? 0;
  const neededMs = Math.max(changedMs(CHECKOUT.state), changedMs(CHECKOUT.delta), changedMs(bundle));
  const { env } = machine.host;
  const names = new Set(WATCHED_VARIABLES);
  for (const name of Object.keys(env)) if (name.startsWith("BEGAT_") && name !== CERTIFICATES) names.add(name);
  const variables = [...names].map((name) => [name, env[name]] as const);
  const text = { question, ...told };
  const variable = (name: string) => env[name];
  // One that came after everything it speaks of still is no answer where another terminal or another home asked.
  const isLast = changedMs(path) > neededMs;
  if (isLast && GlanceFile.decode(machine.fs.readFile(path))?.answers(question, variables, variable)) return;
  const facts = { bundle, ledger: machine.ledgerFile, env: variables, variable, text, chores, level };
  const bytes = chores === 0 || proof === undefined ? undefined : encodeGlance(checkout, proof, facts);
  if (bytes === undefined) return;
  removeGlances(machine, neededMs);
  checkout.save(path, bytes);
}

/** Those that nobody believes any more, and the oldest of too many. */
function removeGlances({ fs }: Machine, neededMs: number): void {
  const found = fs
    .readDirectory(CHECKOUT.directory)
    .filter(({ name }) => name.startsWith("glance"))
    .map(({ name }) => ({ path: `${CHECKOUT.directory}/${name}`, ms: 0 }))
    .map(({ path }) => ({ path, ms: fs.stat(path)?.mtimeMs ?? 0 }))
    .sort((a, b) => b.ms - a.ms);
  found.forEach(({ path, ms }, i) => {
    if (ms < neededMs || i >= MOST_GLANCES - 1) fs.remove(path);
  });
}

/** Set on the way to Node, and of no account where nothing is fetched. */
const CERTIFICATES = "BEGAT_EXTRA_CA_CERTS";
/** Where begat keeps things, what it looks like, and what Node does before begat is asked. */
const WATCHED_VARIABLES = [
  "HOME",
  "XDG_STATE_HOME",
  "XDG_CACHE_HOME",
  "FORCE_COLOR",
  "NO_COLOR",
  "TERM",
  "NODE_OPTIONS",
];

/**
 * Nothing to do, and known by stats alone; `undefined` where a build must look properly.
 *
 * @param warm Keeps what was read for that build.
 */
export function quickly(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
  warm: WarmBuild,
): BuildSummary | undefined {
  const started = machine.clock.monotonicMs();
  const request = quickRequest(machine, workspace, options);
  if (request === undefined) return undefined;
  const isFoundFromHere = options.directory === process.cwd();
  // Paths from the working directory are half as long, and every stat is the quicker for it.
  process.chdir(workspace.root);
  const checkout = new Checkout(machine.fs, "", { ledger: machine.ledgerFile });
  const answer = quickCheck(checkout, request, warm);
  if (!answer.upToDate) return undefined;
  const summary = quickSummary(answer, listener, machine.clock.monotonicMs() - started);
  const told = isFoundFromHere && answer.warnings.length === 0 ? options.told?.(summary) : undefined;
  if (told !== undefined) saveGlance(machine, workspace, checkout, answer, told);
  return summary;
}
